package identity

import (
	"cmp"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"countersign/problem"
)

// The limits of what is kept, in bytes of UTF-8 or in items.
const (
	maxIDBytes    = 256
	maxNameBytes  = 256
	maxEmailBytes = 254
	maxTextBytes  = 4096
	maxJSONBytes  = 16 << 10
	// Before and after they fit into one entry of the trail.
	maxApplicationsBytes = 64 << 10
	maxSignInMethods     = 16
	maxOAuthClients      = 64
	maxApplications      = 64
	maxPermissions       = 512
	maxAccounts          = 256
	maxSources           = 64
	maxGrants            = 256
	maxDivisions         = 1000
)

// The forms of single fields.
var (
	localeForm     = regexp.MustCompile(`^[a-z]{2,3}(_[A-Z][a-z]{3})?(_([A-Z]{2}|[0-9]{3}))?$`)
	phoneForm      = regexp.MustCompile(`^\+?[0-9(][0-9 ()./x-]{1,30}[0-9]$`)
	wordForm       = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	permissionForm = regexp.MustCompile(`^[A-Z0-9_]{1,64}$`)
	sourceForm     = regexp.MustCompile(`^[a-z0-9./_-]{1,64}$`)
)

// checkText refuses what is longer than limit bytes, no UTF-8, or has control characters other than those
// in allowed. An empty text is fine.
func checkText(field, v string, limit int, allowed string) error {
	switch {
	case len(v) > limit:
		return problem.Bad(field, v, "must have at most %d bytes", limit)
	case !utf8.ValidString(v):
		return problem.Bad(field, "", "must be valid UTF-8")
	case strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune(allowed, r) }):
		return problem.Bad(field, v, "must not have control characters")
	}
	return nil
}

// printable returns the text with a mark in place of what has no business in one: a certificate's names are
// whatever its issuer wrote.
func printable(v string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(v, string(unicode.ReplacementChar)))
}

// checkName checks an optional name: one line, no blanks at its ends, since two names that look the same
// must be the same.
func checkName(field, v string) error {
	if v != strings.TrimSpace(v) {
		return problem.Bad(field, v, "must not begin or end with a blank")
	}
	return checkText(field, v, maxNameBytes, "")
}

// checkNeeded is checkName for a name that must be there.
func checkNeeded(field, v string) error {
	if v == "" {
		return problem.Bad(field, "", "is required")
	}
	return checkName(field, v)
}

// notEmpty refuses a member of an update that empties what must be there.
func notEmpty[T ~string](field string, o Optional[T]) error {
	if o.Given && o.Value == "" {
		return problem.Bad(field, "", "must not be empty")
	}
	return nil
}

// checkID checks an id that was given. "me" and the dots mean something else in a path.
func checkID(field, v string) error {
	switch {
	case v == "":
		return problem.Bad(field, "", "is required")
	case v == Me || v == "." || v == "..":
		return problem.Bad(field, v, "is reserved")
	}
	return checkText(field, v, maxIDBytes, "")
}

// idOrNew checks a given id, or makes one.
func idOrNew(v string) (string, error) {
	if v == "" {
		return uuid.NewString(), nil
	}
	return v, checkID("id", v)
}

func checkForm(field, v string, form *regexp.Regexp, what string) error {
	if !form.MatchString(v) {
		return problem.Bad(field, v, "must be %s", what)
	}
	return nil
}

func checkLocale(v string) error {
	return checkForm("locale", v, localeForm, "a locale such as en_US")
}

func checkSource(field, v string) error {
	if reservedSource(v) {
		return problem.Bad(field, v, "is written by the server only")
	}
	return checkForm(field, v, sourceForm, "1 to 64 characters of a-z, 0-9 and ./_-")
}

// checkEmail checks an optional address: the bare addr-spec of RFC 5322, without name or comment.
func checkEmail(v string) error {
	if v == "" {
		return nil
	}
	if len(v) > maxEmailBytes {
		return problem.Bad("email", v, "must have at most %d bytes", maxEmailBytes)
	}
	if a, err := mail.ParseAddress(v); err != nil || a.Address != v {
		return problem.Bad("email", v, "must be an address such as jane@example.com")
	}
	return nil
}

func checkPhone(v string) error {
	if v == "" {
		return nil
	}
	return checkForm("phone", v, phoneForm, "a phone number such as +1 555 0100")
}

// parseDay reads a date as YYYY-MM-DD, and only so.
func parseDay(field, v string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, v)
	if err != nil {
		return time.Time{}, problem.Bad(field, v, "must be a date as YYYY-MM-DD")
	}
	return t, nil
}

// oneOf refuses a value that is none of those known.
func oneOf[T ~string](field string, v T, known ...T) error {
	if slices.Contains(known, v) {
		return nil
	}
	words := make([]string, len(known))
	for i, k := range known {
		words[i] = string(k)
	}
	return problem.Bad(field, string(v), "must be one of %s", strings.Join(words, ", "))
}

func atMost(field string, n, limit int) error {
	if n > limit {
		return problem.Bad(field, "", "must have at most %d items", limit)
	}
	return nil
}

// checkBounds is checkList for a list that limits something: one that is there but empty is refused, since
// one reader takes it for nothing and another for everything.
func checkBounds(field string, list []string, limit int, item func(field, v string) error) error {
	if list != nil && len(list) == 0 {
		return problem.Bad(field, "", "must name at least one, or be left out")
	}
	return checkList(field, list, limit, item)
}

// checkList checks an optional list: not too long, without repeats, each item good.
func checkList(field string, list []string, limit int, item func(field, v string) error) error {
	if err := atMost(field, len(list), limit); err != nil {
		return err
	}
	seen := make(map[string]bool, len(list))
	for i, v := range list {
		if seen[v] {
			return problem.Bad(at(field, i), v, "stands there twice")
		}
		seen[v] = true
		if err := item(at(field, i), v); err != nil {
			return err
		}
	}
	return nil
}

// compactObject returns a JSON object without white space. The value is never put into the error: it may
// hold a secret.
func compactObject(field string, raw []byte) ([]byte, error) {
	if len(raw) > maxJSONBytes {
		return nil, problem.Bad(field, "", "must have at most %d bytes", maxJSONBytes)
	}
	v := jsontext.Value(slices.Clone(raw))
	// Compact alone lets repeated names and bad UTF-8 pass; IsValid does not.
	if !v.IsValid() || v.Kind() != '{' || v.Compact() != nil {
		return nil, problem.Bad(field, "", "must be a JSON object without repeated names")
	}
	return v, nil
}

// at names an item of a list: "grants[2]".
func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// valid returns the first of the errors.
func valid(errs ...error) error { return cmp.Or(errs...) }
