package testkit

import (
	"encoding/binary"
	"encoding/hex"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"countersign/event"
)

// idsPerSeed keeps the numeric ids of one run of Events or Records apart from those of the next seed. It
// leaves a thousand seeds room below 2^31, in Events and in Records, before ids meet.
const idsPerSeed = 1_000_000

// Events yields n events of the estate that happened in [from, to), in the order of their times to the
// second: all sources, all actions and resource types of DigiCert ONE, sign-ins the most. Among them are the
// events of Stories and the ends of the deleted users whose times lie in the window, the same for every
// seed; what else there is, ids included, differs from seed to seed.
func (e *Estate) Events(seed uint64, n int, from, to time.Time) iter.Seq[event.Event] {
	return func(yield func(event.Event) bool) {
		d := e.newDrawer(seed, 2, 0)
		planted := slices.DeleteFunc(e.planted(), func(p event.Event) bool {
			return p.OccurredAt < event.MicrosOf(from) || p.OccurredAt >= event.MicrosOf(to)
		})
		planted = planted[:min(n, len(planted))]
		for at := range rhythm(d.r, n-len(planted), from, to) {
			for len(planted) > 0 && planted[0].OccurredAt <= at {
				if !yield(planted[0]) {
					return
				}
				planted = planted[1:]
			}
			if !yield(d.event(at)) {
				return
			}
		}
		for _, p := range planted {
			if !yield(p) {
				return
			}
		}
	}
}

// drawer draws what happens next. Its fields say where and when.
type drawer struct {
	r       *rand.Rand
	e       *Estate
	at      event.Micros
	home    int // the place of the account
	account *Account

	discoveryID, keyfactorID int64 // the last ones given out
}

func (e *Estate) newDrawer(seed, stream uint64, firstID int64) *drawer {
	first := firstID + int64(seed%1000)*idsPerSeed
	return &drawer{r: rand.New(rand.NewPCG(seed, stream)), e: e, discoveryID: first, keyfactorID: first}
}

// move goes to the moment and to an account that has service then, the first ones the most.
func (d *drawer) move(at event.Micros) {
	d.at = at
	d.home = min(d.r.IntN(len(d.e.Accounts)), d.r.IntN(len(d.e.Accounts)))
	if d.account = &d.e.Accounts[d.home]; event.MicrosOf(d.account.ServiceTo) <= at {
		d.home = 0
		d.account = &d.e.Accounts[0]
	}
}

// kinds are what may happen, with its share in a thousand.
var kinds = []struct {
	share int
	draw  func(*drawer) event.Event
}{
	{360, (*drawer).signIn},
	{110, (*drawer).signOut},
	{55, (*drawer).signInError},
	{30, (*drawer).ownAccount},
	{40, (*drawer).manageUser},
	{20, (*drawer).manageService},
	{45, (*drawer).manageToken},
	{15, (*drawer).manageCertificate},
	{8, (*drawer).changeRole},
	{10, (*drawer).configure},
	{10, (*drawer).changeAccount},
	{27, (*drawer).sendMail},
	{130, (*drawer).trustLifecycleEvent},
	{40, (*drawer).iotEvent},
	{50, (*drawer).discoveryEvent},
	{50, (*drawer).keyfactorEvent},
}

func (d *drawer) event(at event.Micros) event.Event {
	d.move(at)
	n := d.r.IntN(1000)
	for _, k := range kinds {
		if n -= k.share; n < 0 {
			ev := k.draw(d)
			sortAttributes(ev.Attributes)
			return ev
		}
	}
	panic("testkit: the shares of kinds are not a thousand")
}

// oneIn reports true once in n times.
func (d *drawer) oneIn(n int) bool { return d.r.IntN(n) == 0 }

// weighted draws one of values by its weight.
func weighted[T any](r *rand.Rand, values []T, weights []int) T {
	total := 0
	for _, w := range weights {
		total += w
	}
	n := r.IntN(total)
	for i, w := range weights {
		if n -= w; n < 0 {
			return values[i]
		}
	}
	panic("testkit: fewer values than weights")
}

// activeAt reports whether the user could act then.
func (u *User) activeAt(at event.Micros) bool {
	return u.Status == "ACTIVE" || u.Status == "DELETED" && at < event.MicrosOf(u.DeletedAt)
}

// person draws an active person of the account, the first ones the most.
func (d *drawer) person() *User {
	people := d.e.byAccount[d.home].people
	for range 8 {
		i := people[min(d.r.IntN(len(people)), d.r.IntN(len(people)))]
		if u := &d.e.People[i]; u.activeAt(d.at) {
			return u
		}
	}
	return &d.e.People[people[0]]
}

// other draws a person of the account who is, or was, there.
func (d *drawer) other() *User { return &d.e.People[pick(d.r, d.e.byAccount[d.home].people)] }

// manager draws a person who may manage users.
func (d *drawer) manager() *User { return &d.e.People[pick(d.r, d.e.byAccount[d.home].managers)] }

func (d *drawer) serviceUser() *User {
	return &d.e.ServiceUsers[pick(d.r, d.e.byAccount[d.home].services)]
}

// token draws a token of the account, but never the one that ages.
func (d *drawer) token() *Token {
	tokens := d.e.byAccount[d.home].tokens
	for {
		if t := &d.e.Tokens[pick(d.r, tokens)]; t.Name != ageingToken {
			return t
		}
	}
}

// seconds cuts a moment to the second, the resolution of DigiCert ONE.
func seconds(m event.Micros) event.Micros { return m - m%1_000_000 }

func millis(m event.Micros) event.Micros { return m - m%1000 }

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+7)
	for len(b) < n {
		b = binary.BigEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// randomHex returns n random bytes as hexadecimal digits.
func randomHex(r *rand.Rand, n int) string { return hex.EncodeToString(randomBytes(r, n)) }
