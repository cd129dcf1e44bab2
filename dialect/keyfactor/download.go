package keyfactor

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/dialect/answer"
	"countersign/event"
	"countersign/query"
	"countersign/store"
)

// csvHeader names the columns, in the vendor's order.
const csvHeader = "Id,Timestamp,Message,Operation,Level,User,Category,Name,XMLMessage\r\n"

// download answers GET /Audit/Download: what the query finds as CSV. The vendor's answer is a text, so a
// client that asks for JSON gets one as JSON has it.
func (h *Handler) download(w http.ResponseWriter, c call) error {
	asked, err := decode(c.params, h.asker(c), "Timestamp")
	if err != nil {
		return err
	}
	f, err := searchable(c.caller, asked.filter, asked.includeSelf)
	if err != nil {
		return err
	}
	q := query.Query{Filter: f, Sort: asked.sort, Offset: asked.offset}
	out := answer.Parts{W: w}
	csv := csvWriter{b: &out.B, json: wantsJSON(c.Header.Values("Accept")), guard: asked.guard}
	begin := func(found store.Page) {
		media := "text/plain; charset=utf-8"
		if csv.json {
			media = contentType
		}
		setPage(w.Header(), media, found)
		w.Header().Add("Vary", "Accept")
		csv.begin()
	}
	each := func(e *event.Entry) error {
		if e.Seq >= maxID {
			return errTooManyIDs
		}
		csv.row(e)
		return flush(&out)
	}
	if asked.paged {
		err = h.page(c, q, asked.limit, begin, each)
	} else {
		err = h.all(c, q, begin, each)
	}
	return h.end(w, c, &out, err, csv.tail())
}

// all calls each with every entry of q, all at one tree size, after begin with how many there are.
func (h *Handler) all(c call, q query.Query, begin func(store.Page), each func(*event.Entry) error) error {
	counted, err := h.trail.Search(c.Context(), query.Query{Filter: q.Filter, Sort: q.Sort})
	if err != nil {
		return err
	}
	begin(counted)
	if c.Method == http.MethodHead {
		return nil
	}
	q.AsOf = &counted.TreeSize
	_, err = h.trail.Each(c.Context(), q, each)
	return err
}

// wantsJSON tells whether a caller names a JSON type among those that it accepts.
func wantsJSON(accept []string) bool {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil || media != "application/json" && media != "text/json" && !strings.HasSuffix(media, "+json") {
			continue
		}
		if q, err := strconv.ParseFloat(params["q"], 64); err != nil || q > 0 {
			return true
		}
	}
	return false
}

// csvWriter writes CSV (RFC 4180), as it is or as the inside of a JSON text.
type csvWriter struct {
	b      *[]byte
	record []byte // the one that is being written
	json   bool
	guard  bool
}

func (c *csvWriter) begin() {
	if c.json {
		*c.b = append(*c.b, '"')
	}
	c.record = append(c.record, csvHeader...)
	c.end()
}

// tail is what ends the answer.
func (c *csvWriter) tail() string {
	if c.json {
		return `"`
	}
	return ""
}

// end hands the record on.
func (c *csvWriter) end() {
	if c.json {
		quoted, _ := jsontext.AppendQuote(nil, c.record)
		*c.b = append(*c.b, quoted[1:len(quoted)-1]...)
	} else {
		*c.b = append(*c.b, c.record...)
	}
	c.record = c.record[:0]
}

func (c *csvWriter) row(e *event.Entry) {
	_, entityType := event.KeyfactorCategory(&e.Event)
	operation := operations.nameOf(event.KeyfactorOperation(&e.Event))
	user := event.KeyfactorUser(&e.Event)
	name := event.KeyfactorAuditIdentifier(&e.Event)

	c.record = strconv.AppendUint(c.record, e.Seq+1, 10)
	c.text(event.KeyfactorTimestamp(&e.Event))
	c.text(sentence(user, operation, entityType, name))
	c.text(operation)
	c.text(levels.nameOf(event.KeyfactorLevel(&e.Event)))
	c.text(user)
	c.text(entityType)
	c.text(name.Value)
	c.text(message(&e.Event).Value)
	c.record = append(c.record, "\r\n"...)
	c.end()
}

// text adds a field. One that a spreadsheet would run as a formula gets an apostrophe before it: whoever signs
// in as =HYPERLINK(...) must not run anything on the auditor's desk.
func (c *csvWriter) text(s string) {
	c.record = append(c.record, ',')
	if c.guard && formulaLike(s) {
		s = "'" + s
	}
	if !strings.ContainsAny(s, "\",\r\n") && strings.TrimSpace(s) == s {
		c.record = append(c.record, s...)
		return
	}
	c.record = append(c.record, '"')
	c.record = append(c.record, strings.ReplaceAll(s, `"`, `""`)...)
	c.record = append(c.record, '"')
}

// formulaLike tells whether spreadsheets run a text. An apostrophe counts, so that what was put before a text
// can be told from what it begins with.
func formulaLike(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	switch first {
	case '=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠':
		return true
	}
	return false
}

// sentence is what the vendor's portal says of an entry.
func sentence(user, operation, entityType string, name event.Text) string {
	s := "The user '" + user + "' " + operation + " " + spaced(entityType)
	if name.Present {
		s += ", '" + name.Value + "'"
	}
	return s
}

// spaced takes apart words that are written together: "CertificateQuery" is "Certificate Query".
func spaced(s string) string {
	runes := []rune(s)
	var b strings.Builder
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			afterLower := unicode.IsLower(runes[i-1])
			newWord := unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if afterLower || newWord {
				b.WriteByte(' ')
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
