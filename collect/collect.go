// Package collect imports events: it reads our own form and the saved answers of the vendors' APIs, and
// sends what it reads in batches.
//
// Terms. A record is what the input holds, an event what it becomes. A record that cannot become an event,
// or whose event is refused, is set aside: written down with its place and the reason, and passed over.
//
// Promises. Every record of the input is accepted, a duplicate, or set aside, and is counted as such; where
// reading or sending has to stop, the error says where. Importing again what was imported, in whole or in
// part, records nothing twice: each record gives an event with the same id each time. Memory is bounded by
// the size of a batch.
//
// The vendors' shapes are known to the packages below this one; how events travel to a server, to the
// caller's Send.
package collect

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"countersign/collect/digicertone"
	"countersign/collect/discovery"
	"countersign/collect/keyfactor"
	"countersign/collect/records"
	"countersign/event"
)

// The formats.
const (
	Native      = "native"
	DigiCertOne = "digicert-one"
	Discovery   = "discovery"
	Keyfactor   = "keyfactor"
)

// Formats are the names of the formats.
func Formats() []string { return []string{Native, DigiCertOne, Discovery, Keyfactor} }

// Send records the events, all or none, and says how many were new and how many known. A *problem.Error
// that names one event has that one set aside; one of kind Throttled or Unavailable has the call repeated.
type Send func(ctx context.Context, events []event.Event) (accepted, duplicates int, err error)

// Options says what is imported, and where it goes.
type Options struct {
	// Format is one of Formats.
	Format string
	// Source replaces the usual source of the format; in the native format it is for events without one.
	Source string
	// Account is the account of records that name none. Formats whose records never do need it.
	Account string
	Send    Send
	// Aside gets a line of JSON for each record that is set aside; nil counts them only.
	Aside io.Writer
	// Progress, if any, is told after each read how many bytes of the file were read.
	Progress func(bytes int64)
	// Waiting, if any, is told before a call of Send is repeated.
	Waiting func(w Wait)
}

// Result counts records. Without an error, Read is the sum of the others.
type Result struct {
	Read, Accepted, Duplicates, Aside int64
}

// Add adds the counts of another file.
func (r *Result) Add(other Result) {
	r.Read += other.Read
	r.Accepted += other.Accepted
	r.Duplicates += other.Duplicates
	r.Aside += other.Aside
}

// Importer imports files of one format. It may be used for one file after the other, not for two at once.
type Importer struct {
	o    Options
	read records.Reader
	list []string
}

// New checks the options before anything is read.
func New(o Options) (*Importer, error) {
	im := &Importer{o: o}
	prefix, named := "", true
	switch o.Format {
	case Native:
		im.read, im.list = readNative, nativeLists
	case DigiCertOne:
		im.read, im.list = digicertone.Read, digicertone.Lists
	case Discovery:
		im.read, im.list = discovery.Read, discovery.Lists
		prefix, named = "discovery/", false
	case Keyfactor:
		im.read, im.list = keyfactor.Read, keyfactor.Lists
		prefix, named = "keyfactor/", false
	default:
		return nil, fmt.Errorf("format %q is not one of %s", o.Format, strings.Join(Formats(), ", "))
	}
	if !named && o.Account == "" {
		return nil, fmt.Errorf("account: is needed, since records of the format %s name none", o.Format)
	}
	if o.Source != "" && !strings.HasPrefix(o.Source, prefix) {
		return nil, fmt.Errorf("source %q: must begin with %q in the format %s", o.Source, prefix, o.Format)
	}
	if err := checkGiven(o); err != nil {
		return nil, err
	}
	return im, nil
}

// checkGiven refuses a source or account that no event can have: it would refuse every record.
func checkGiven(o Options) error {
	probe := event.Event{
		Source:   o.Source,
		Account:  event.Account{ID: o.Account},
		Action:   "CREATE",
		Resource: event.Resource{Type: "ACCOUNT"},
	}
	if probe.Source == "" {
		probe.Source = "probe"
	}
	probe.Normalize("probe")
	return probe.Validate()
}

// Import reads one file, which may be compressed with gzip, to its end. The name is for what is set aside;
// errors leave it to the caller. The result counts what was done also when there is an error.
func (im *Importer) Import(ctx context.Context, name string, r io.Reader) (Result, error) {
	in, err := open(r, im.o.Progress)
	if err != nil {
		return Result{}, err
	}
	f := &file{im: im, out: outbox{o: &im.o, name: name, size: maxBatchEvents}}
	err = records.Each(in, im.list, func(r records.Record) error { return f.record(ctx, r) })
	if err == nil {
		err = f.cut
	}
	// What was read before the input broke counts, unless sending is what ended it.
	if !f.stopped {
		if sent := f.out.flush(ctx); sent != nil {
			err = sent
		}
	}
	f.result.Accepted, f.result.Duplicates, f.result.Aside = f.out.accepted, f.out.duplicates, f.out.aside
	return f.result, err
}

// file is one file being imported.
type file struct {
	im      *Importer
	out     outbox
	result  Result
	since   int64 // records since the last end of an export
	cut     error // an export that does not hold what it says
	stopped bool  // by an error that is not the input's
}

// record takes one record of the file.
func (f *file) record(ctx context.Context, r records.Record) (err error) {
	defer func() { f.stopped = err != nil }()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if r.Err == nil && f.im.o.Format == Native && f.endOfExport(r) {
		return nil
	}
	f.result.Read++
	f.since++
	at := spot{line: r.Line, offset: r.Offset}
	if r.Err != nil {
		return f.out.setAside(at, r.Raw, r.Err)
	}
	e, err := f.im.read(r.Raw, records.Options{Source: f.im.o.Source, Account: f.im.o.Account, List: r.List})
	if err == nil {
		err = f.check(&e, r)
	}
	if err != nil {
		return f.out.setAside(at, r.Raw, err)
	}
	raw := e.Raw.Value // a vendor's event has its record
	if f.im.o.Format == Native {
		raw = string(r.Raw)
	}
	return f.out.add(ctx, pending{spot: at, raw: raw}, e)
}

// endOfExport says whether the record is the end of an export, and checks what it says.
func (f *file) endOfExport(r records.Record) bool {
	count, ok := endOfExport(r.Raw)
	if !ok {
		return false
	}
	if count != f.since && f.cut == nil {
		f.cut = fmt.Errorf("line %d: the export ends here with %d events, and %d were read", r.Line, count, f.since)
	}
	f.since = 0
	return true
}

// placeID returns an id for a record that has none: the record's own bytes and where it stands. The same
// file gives the same ids each time, so that importing it again records nothing twice, and equal records
// at two places of it are two events.
func placeID(r records.Record) string {
	sum := sha256.Sum256(r.Raw)
	return fmt.Sprintf("import-%x-%d", sum[:16], r.Offset)
}

// check makes the event ready to be sent. An event of the native format may leave its account to the
// server, which knows the sender's; any stands in for it here.
func (f *file) check(e *event.Event, r records.Record) error {
	if e.ID == "" {
		e.ID = placeID(r)
	}
	e.Normalize(f.im.o.Account)
	checked := *e
	if checked.Account.ID == "" {
		checked.Account.ID = "sender"
	}
	return checked.Validate()
}
