package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Form is how the events of a request follow each other.
type Form int

// The forms.
const (
	Auto  Form = iota // Array when the first byte is '[', else One
	One               // one JSON object
	Array             // a JSON array of objects
	Lines             // NDJSON: one object a line, empty lines skipped
)

// Decoder reads the events of a request one after another in bounded memory. It is as strict as Decode,
// and refuses an event of more than MaxEventBytes of JSON.
//
// The exported fields may be set before the first Next.
type Decoder struct {
	// AllowServerFields drops what the server adds to an event it hands out (seq, received_at,
	// recorded_by), so that an export can be read back in.
	AllowServerFields bool
	// MaxEvents bounds the number of events; 0 means any number.
	MaxEvents int
	// MaxBytes bounds the bytes read; 0 means any number.
	MaxBytes int64

	r    io.Reader
	form Form
	p    *parser

	buf     []byte // unread input is buf[lo:hi]
	lo, hi  int
	base    int64 // bytes of input before buf[0]
	readErr error // io.EOF or why reading ended

	started  bool // past the array's '['
	skipping bool // inside a line that was too long
	index    int  // of the next event
	line     int  // the line last read, counted from 1
	lineText []byte
	err      error // what Next returns from now on
}

// NewDecoder returns a decoder of r with the limits of a request: MaxRequestEvents and MaxRequestBytes.
func NewDecoder(r io.Reader, form Form) *Decoder {
	return &Decoder{MaxEvents: MaxRequestEvents, MaxBytes: MaxRequestBytes, r: r, form: form, p: newParser()}
}

// Next returns the next event, and io.EOF after the last. An error of the events is an *InvalidError,
// others are those of the reader.
//
// In the form Lines an *InvalidError with an Index speaks of one line, and the following Next goes on with
// the next line; whoever must take all or nothing stops at the first. All other errors are final: every
// later Next returns the same one.
func (d *Decoder) Next() (Event, error) {
	if d.err != nil {
		return Event{}, d.err
	}
	if d.form == Auto {
		c, err := d.peek()
		if err != nil && err != io.EOF {
			d.err = err
			return Event{}, err
		}
		d.form = One
		if c == '[' {
			d.form = Array
		}
	}
	var e Event
	var err error
	switch d.form {
	case Lines:
		e, err = d.nextLine()
	case Array:
		e, err = d.nextElement()
	default:
		e, err = d.only()
	}
	if err != nil {
		bad, ok := errors.AsType[*InvalidError](err)
		if !ok || bad.Index < 0 || d.form != Lines {
			d.err = err
		}
		return Event{}, err
	}
	return e, nil
}

// Line returns the number, counted from 1, and the bytes of the line that Next last read, in the form
// Lines. The bytes are good until the next Next; of a line that was too long they are the beginning.
func (d *Decoder) Line() (int, []byte) { return d.line, d.lineText }

func (d *Decoder) nextLine() (Event, error) {
	for {
		text, whole, err := d.readLine()
		if err != nil {
			return Event{}, err
		}
		d.lineText = text
		if whole && len(bytes.Trim(text, jsonSpace)) == 0 {
			continue
		}
		if err := d.count(); err != nil {
			return Event{}, err
		}
		if !whole {
			return Event{}, d.at(tooLarge())
		}
		n, err := d.p.parse(text, d.AllowServerFields)
		if err != nil {
			return Event{}, d.at(invalidJSON(err, 0))
		}
		if rest := bytes.TrimLeft(text[n:], jsonSpace); len(rest) > 0 {
			return Event{}, d.at(trailing(rest, int64(len(text)-len(rest))))
		}
		return d.p.take(), nil
	}
}

// readLine returns the next line without its line feed. whole is false when it is longer than an event
// can be; its rest is then dropped by the next call.
func (d *Decoder) readLine() (text []byte, whole bool, err error) {
	from := 0 // what was searched already
	for {
		i := bytes.IndexByte(d.buf[d.lo+from:d.hi], '\n')
		switch {
		case i >= 0:
			text = d.buf[d.lo : d.lo+from+i]
			d.lo += from + i + 1
			if d.skipping {
				d.skipping, from = false, 0
				continue
			}
			d.line++
			return text, len(text) <= MaxEventBytes, nil
		case d.skipping:
			d.lo, from = d.hi, 0
		case d.hi-d.lo > MaxEventBytes:
			text = d.buf[d.lo : d.lo+MaxEventBytes]
			d.lo, d.skipping = d.hi, true
			d.line++
			return text, false, nil
		default:
			from = d.hi - d.lo
		}
		if err := d.fill(); err == io.EOF && d.hi > d.lo {
			text, d.lo = d.buf[d.lo:d.hi], d.hi
			d.line++
			return text, true, nil
		} else if err != nil {
			return nil, false, err
		}
	}
}

func (d *Decoder) nextElement() (Event, error) {
	c, err := d.peek()
	switch {
	case err != nil:
		return Event{}, early(err, d.offset())
	case !d.started && c != '[':
		return Event{}, d.syntax(c, "the start of a JSON array")
	case !d.started:
		d.started = true
		d.lo++
		if c, err = d.peek(); err != nil {
			return Event{}, early(err, d.offset())
		}
		if c != ']' {
			return d.element()
		}
	case c == ',':
		d.lo++
		return d.element()
	case c != ']':
		return Event{}, d.syntax(c, "',' or ']'")
	}
	d.lo++
	return Event{}, d.end()
}

// only reads the one event there is and makes sure that nothing follows it.
func (d *Decoder) only() (Event, error) {
	if d.started {
		return Event{}, io.EOF
	}
	d.started = true
	e, err := d.element()
	if err != nil {
		return Event{}, err
	}
	if err := d.end(); err != io.EOF {
		return Event{}, err
	}
	return e, nil
}

// element reads an event that may reach over the end of the buffer.
func (d *Decoder) element() (Event, error) {
	if _, err := d.peek(); err != nil {
		return Event{}, early(err, d.offset())
	}
	if err := d.count(); err != nil {
		return Event{}, err
	}
	for {
		n, err := d.p.parse(d.buf[d.lo:d.hi], d.AllowServerFields)
		// What ends with the buffer may be cut there: also a number or a character in the wrong place.
		at := int64(n)
		if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			at = e.ByteOffset
		}
		cut := errors.Is(err, io.ErrUnexpectedEOF) || at+utf8.UTFMax > int64(d.hi-d.lo)
		switch {
		case err == nil && n > MaxEventBytes:
			return Event{}, d.at(tooLarge())
		case err == nil:
			d.lo += n
			return d.p.take(), nil
		case !cut, d.readErr == io.EOF:
			return Event{}, d.at(invalidJSON(err, d.offset()))
		case d.hi-d.lo > MaxEventBytes:
			return Event{}, d.at(tooLarge())
		}
		// Twice as much each time: an event that trickles in is not parsed again for every packet.
		for want := 2 * (d.hi - d.lo); d.hi-d.lo < want; {
			if err := d.fill(); err == io.EOF {
				break
			} else if err != nil {
				return Event{}, err
			}
		}
	}
}

// end returns io.EOF when only white space is left.
func (d *Decoder) end() error {
	_, err := d.peek()
	if err == nil {
		err = trailing(d.buf[d.lo:d.hi], d.offset())
	}
	return err
}

// at marks err as one of the event that was counted last.
func (d *Decoder) at(err *InvalidError) *InvalidError {
	err.Index = d.index - 1
	return err
}

func (d *Decoder) count() error {
	if d.MaxEvents > 0 && d.index >= d.MaxEvents {
		return &InvalidError{Index: -1, Reason: fmt.Sprintf("there must not be more than %d events", d.MaxEvents), TooLarge: true}
	}
	d.index++
	return nil
}

func (d *Decoder) syntax(c byte, want string) error {
	return &InvalidError{Index: -1, Value: shown([]byte{c}), Reason: fmt.Sprintf("is not valid JSON at byte %d: expected %s", d.offset(), want)}
}

// early says that the input ended inside a JSON value.
func early(err error, offset int64) error {
	if err == io.EOF {
		return &InvalidError{Index: -1, Reason: fmt.Sprintf("is not valid JSON: it ends too early, at byte %d", offset)}
	}
	return err
}

func (d *Decoder) offset() int64 { return d.base + int64(d.lo) }

// peek skips white space and returns the byte after it, without taking it.
func (d *Decoder) peek() (byte, error) {
	for {
		for ; d.lo < d.hi; d.lo++ {
			switch c := d.buf[d.lo]; c {
			case ' ', '\t', '\r', '\n':
			default:
				return c, nil
			}
		}
		if err := d.fill(); err != nil {
			return 0, err
		}
	}
}

// The buffer starts small, since most requests are; it grows while reads fill it, and beyond readSize only
// for an event that needs it.
const (
	firstSize = 4 << 10
	readSize  = 64 << 10
)

// fill reads once and appends to what is unread. It returns io.EOF or another error only when nothing was
// appended.
func (d *Decoder) fill() error {
	if d.readErr != nil {
		return d.readErr
	}
	full := d.hi == len(d.buf)
	if d.lo > 0 {
		d.base += int64(d.lo)
		d.hi = copy(d.buf, d.buf[d.lo:d.hi])
		d.lo = 0
	}
	if d.hi == len(d.buf) || full && len(d.buf) < readSize {
		grown := make([]byte, max(firstSize, 2*len(d.buf)))
		copy(grown, d.buf[:d.hi])
		d.buf = grown
	}
	for range maxEmptyReads {
		n, err := d.r.Read(d.buf[d.hi:])
		d.hi += n
		switch {
		case d.MaxBytes > 0 && d.base+int64(d.hi) > d.MaxBytes:
			d.readErr = &InvalidError{Index: -1, Reason: fmt.Sprintf("there must not be more than %d bytes of events", d.MaxBytes), TooLarge: true}
			return d.readErr
		case err == io.EOF:
			d.readErr = err
		case err != nil:
			d.readErr = fmt.Errorf("read events: %w", err)
		}
		if n > 0 {
			return nil
		}
		if d.readErr != nil {
			return d.readErr
		}
	}
	d.readErr = fmt.Errorf("read events: %w", io.ErrNoProgress)
	return d.readErr
}

const maxEmptyReads = 100
