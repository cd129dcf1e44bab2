// Package records finds the audit records in a saved answer of a vendor's API and reads their members.
//
// Terms. A record is one JSON object that a vendor wrote about one event. A list is the array that holds
// records: a member of a page (items, data.auditLogs) or a whole answer. A page is an object with a list.
//
// Promises. The input may be a page, an array of pages, an array of records, any of these one after the
// other, or NDJSON of records or of pages; the order of a page's members does not matter. A record is
// handed on as the very bytes that were read. Memory is bounded whatever the input: records come one at a
// time, none larger than MaxBytes. Nothing is passed over in silence: what cannot be read is handed on
// as a bad Record, or ends the reading with an error that says where.
//
// Trust. The input is foreign: every byte is checked before it is believed. Structure is checked while
// reading; what is inside a record (doubled members, invalid UTF-8, types) is checked by Parse.
//
// What a record means is left to the readers of each vendor.
package records

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
)

// MaxBytes is the size of the largest record that is read. An event keeps its record, so a larger one
// could not be recorded.
const MaxBytes = event.MaxEventBytes

// Record is one record, or what stands where one should be.
type Record struct {
	// Raw is the record exactly as received, valid until the call it was handed to returns. A bad record
	// has the bytes that are known to belong to it, or nil where they were too many to hold.
	Raw []byte
	// List is the dotted name of the member whose array held the record, "" when none did.
	List string
	// Index counts the records of the input from 0, bad ones included.
	Index int
	// Line counts from 1 and Offset from 0; they say where the record begins.
	Line, Offset int64
	// Err says why this is no record; nil for one that is well formed.
	Err error
}

// BrokenError says where the input stops being JSON in a way that leaves no record to go on with.
type BrokenError struct {
	Line, Offset int64
	Reason       string
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("line %d, offset %d: %s", e.Line, e.Offset, e.Reason)
}

// Each hands every record of r to yield, in order. The lists are the dotted names of the members that may
// hold a page's records. It ends with the error of r or of yield, or with a *BrokenError; every record
// before it was handed on. Where broken JSON spoils one line only, the line is handed on as a bad record
// and the lines after it are read; if records may be missing from a page in that line, Each still ends with
// a *BrokenError that tells so.
func Each(r io.Reader, lists []string, yield func(Record) error) error {
	w := &walker{src: newSource(r), lists: lists, yield: yield}
	if err := w.src.skipMark(); err != nil {
		return err
	}
	for {
		more, err := w.src.skipBlank()
		if err != nil {
			return err
		}
		if !more {
			return w.brokenPage()
		}
		if w.form == undecided {
			w.form = decide(w.src)
		}
		if err := w.start(); err != nil {
			return err
		}
	}
}

// form is how values and lines belong together. It decides where reading goes on after broken JSON: in
// lines at the next line, in a document nowhere.
type form int

const (
	undecided form = iota
	lines          // a value never goes on in the next line
	document       // it may
	longLine       // the first line is too long to tell; it is taken as a line for as long as it lasts
)

// walker hands on the records of one input.
type walker struct {
	src   *source
	lists []string
	yield func(Record) error
	form  form
	index int
	list  bool         // the line or value being read has a list
	page  *BrokenError // the first broken page that others followed
	dec   jsontext.Decoder
	scan  jsontext.Decoder // looks into a value that dec holds
}

// lax leaves to Parse what concerns one record only, so that such a record does not end the reading.
var lax = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// yieldError carries an error of yield past the handling of errors in the input.
type yieldError struct{ err error }

func (e *yieldError) Error() string { return e.err.Error() }

// start reads what begins at the source's place: the values of one line, or a value over many lines and
// what follows in its last line.
func (w *walker) start() error {
	w.list = false
	line, whole := w.src.peekLine()
	if !whole || w.form == document {
		return w.stream()
	}
	at := place{line: w.src.line, offset: w.src.off}
	w.form = lines
	w.dec.Reset(bytes.NewBuffer(line), lax...)
	c := &cursor{dec: &w.dec, base: at.offset, place: at, text: line}
	err := w.values(c)
	if err != nil && !isYield(err) {
		err = w.brokenLine(c, err, at, bytes.TrimRight(line, "\r\n"))
	}
	if err != nil {
		return unwrapYield(err)
	}
	w.src.discard(len(line))
	return nil
}

// stream is start for what is not held whole.
func (w *walker) stream() error {
	at := place{line: w.src.line, offset: w.src.off}
	w.src.begin(w.form)
	w.dec.Reset(w.src, lax...)
	c := &cursor{dec: &w.dec, base: at.offset, src: w.src}
	err := w.values(c)
	switch {
	case w.src.err != nil:
		return w.src.err
	case err == nil:
		if w.form == longLine && !w.src.across {
			w.form = lines
		}
		return nil
	case isYield(err):
		return unwrapYield(err)
	case w.src.across:
		offset, reason := c.explain(err)
		return &BrokenError{Line: w.src.lineAt(offset), Offset: offset, Reason: reason}
	}
	w.form = lines
	if err := w.brokenLine(c, err, at, nil); err != nil {
		return unwrapYield(err)
	}
	return w.src.discardLine()
}

// brokenLine hands on a line that stops being JSON.
func (w *walker) brokenLine(c *cursor, err error, at place, line []byte) error {
	offset, reason := c.explain(err)
	if w.list && w.page == nil {
		w.page = &BrokenError{Line: at.line, Offset: offset, Reason: reason + "; records after it in its page are missing"}
	}
	return w.hand(Record{Raw: line, Line: at.line, Offset: at.offset, Err: fmt.Errorf("broken JSON at offset %d: %s", offset, reason)})
}

// brokenPage returns what Each ends with when the whole input was read.
func (w *walker) brokenPage() error {
	if w.page == nil {
		return nil
	}
	return w.page
}

// values reads every value up to the end of the line.
func (w *walker) values(c *cursor) error {
	for {
		kind := c.peek()
		if kind == jsontext.KindInvalid {
			_, err := c.dec.ReadToken()
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		c.inside(true)
		if err := w.value(c, kind); err != nil {
			return err
		}
		c.inside(false)
	}
}

// value reads one value of the top level: an array is a list of records or of pages.
func (w *walker) value(c *cursor, kind jsontext.Kind) error {
	if kind != '[' {
		return w.element(c)
	}
	w.list = true
	if _, err := c.dec.ReadToken(); err != nil {
		return err
	}
	for c.peek() != ']' {
		if err := w.element(c); err != nil {
			return err
		}
	}
	_, err := c.dec.ReadToken()
	return err
}

// element reads a record or a page. Which of the two is known only when the last member is seen, so what
// fits into a record is held whole first; what does not, or is broken, can only be a page.
func (w *walker) element(c *cursor) error {
	kind := c.peek()
	at := c.mark()
	raw, err := c.dec.ReadValue()
	switch {
	case err == nil && kind == '{':
		found, refused := w.members(raw)
		if found {
			sub := jsontext.NewDecoder(bytes.NewBuffer(raw), lax...)
			_, err := w.object(&cursor{dec: sub, base: at.offset, place: at, text: raw}, "")
			return err
		}
		if refused {
			return w.hand(Record{Raw: raw, Line: at.line, Offset: at.offset, Err: errAnswer})
		}
		return w.record(raw, at, "")
	case err == nil:
		return w.record(raw, at, "")
	case kind != '{':
		if c.tooLong() {
			return w.tooLarge(c, at, "")
		}
		return err
	}
	found, err := w.object(c, "")
	if err == nil && !found {
		return w.hand(Record{Line: at.line, Offset: at.offset, Err: errTooLarge})
	}
	return err
}

var (
	errTooLarge = fmt.Errorf("is larger than %d bytes", MaxBytes)
	errObject   = errors.New("is not an object")
	errAnswer   = errors.New("is an error answer, not audit records")
)

// members says whether raw, an object, has a list, and whether it is an answer that refuses.
func (w *walker) members(raw []byte) (found, refused bool) {
	w.scan.Reset(bytes.NewBuffer(raw), lax...)
	return w.scanMembers("")
}

// scanMembers ignores errors: the object was read whole before.
func (w *walker) scanMembers(prefix string) (found, refused bool) {
	d := &w.scan
	d.ReadToken()
	for d.PeekKind() == '"' {
		token, _ := d.ReadToken()
		name := token.String()
		kind := d.PeekKind()
		switch {
		case slices.Contains(w.lists, prefix+name):
			found = true
		case kind == '{' && w.leads(prefix+name):
			inner, _ := w.scanMembers(prefix + name + ".")
			found = found || inner
			continue
		case prefix == "" && (name == "error" || name == "errors" || name == "ErrorCode") && kind != 'n':
			refused = true
		}
		d.SkipValue()
	}
	d.ReadToken()
	return found, refused
}

// leads says whether a list lies inside the member of this dotted name.
func (w *walker) leads(name string) bool {
	return slices.ContainsFunc(w.lists, func(list string) bool { return strings.HasPrefix(list, name+".") })
}

// object reads an object member by member and hands on the records of its lists.
func (w *walker) object(c *cursor, prefix string) (found bool, err error) {
	if _, err := c.dec.ReadToken(); err != nil {
		return false, err
	}
	for c.peek() != '}' {
		token, err := c.dec.ReadToken()
		if err != nil {
			return found, err
		}
		name := prefix + token.String()
		kind := c.peek()
		switch {
		case slices.Contains(w.lists, name):
			found = true
			err = w.array(c, kind, name)
		case kind == '{' && w.leads(name):
			var inner bool
			inner, err = w.object(c, name+".")
			found = found || inner
		default:
			err = c.skip()
		}
		if err != nil {
			return found, err
		}
	}
	_, err = c.dec.ReadToken()
	return found, err
}

// array hands on the records of a page's list. A null list has none.
func (w *walker) array(c *cursor, kind jsontext.Kind, name string) error {
	if kind != '[' {
		at := c.mark()
		if err := c.skip(); err != nil || kind == 'n' {
			return err
		}
		return w.hand(Record{List: name, Line: at.line, Offset: at.offset, Err: fmt.Errorf("%s is not an array", name)})
	}
	w.list = true
	if _, err := c.dec.ReadToken(); err != nil {
		return err
	}
	for c.peek() != ']' {
		at := c.mark()
		raw, err := c.dec.ReadValue()
		switch {
		case err == nil:
			err = w.record(raw, at, name)
		case c.tooLong():
			err = w.tooLarge(c, at, name)
		}
		if err != nil {
			return err
		}
	}
	_, err := c.dec.ReadToken()
	return err
}

func (w *walker) tooLarge(c *cursor, at place, list string) error {
	if err := c.skip(); err != nil {
		return err
	}
	return w.hand(Record{List: list, Line: at.line, Offset: at.offset, Err: errTooLarge})
}

// record hands on a value that stands where a record is expected.
func (w *walker) record(raw []byte, at place, list string) error {
	r := Record{Raw: raw, List: list, Line: at.line, Offset: at.offset}
	switch {
	case len(raw) > MaxBytes:
		r.Raw, r.Err = nil, errTooLarge
	case raw[0] != '{':
		r.Err = errObject
	}
	return w.hand(r)
}

func (w *walker) hand(r Record) error {
	r.Index = w.index
	w.index++
	if err := w.yield(r); err != nil {
		return &yieldError{err}
	}
	return nil
}

func isYield(err error) bool {
	_, ok := errors.AsType[*yieldError](err)
	return ok
}

func unwrapYield(err error) error {
	if y, ok := errors.AsType[*yieldError](err); ok {
		return y.err
	}
	return err
}
