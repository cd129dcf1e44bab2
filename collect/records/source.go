package records

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// windowBytes is how much of the input can be looked at ahead: a line that holds the largest record, and
// then the next one.
const windowBytes = 2*MaxBytes + 64<<10

// maxTokenBytes is the longest text or number that is read over while looking for the end of something
// too large. Nothing holds more of the input than this at once.
const maxTokenBytes = 16 << 20

// source hands the input to a decoder, never more than the decoder was granted, and nothing of the next
// line before it is known that a value goes on there. So a value of any size costs bounded memory, and where
// values end with their lines it is known where the next one begins.
type source struct {
	br      *bufio.Reader
	off     int64   // how many bytes were handed out or discarded
	line    int64   // the line of the byte at off
	breaks  []int64 // where the lines after the last place asked for begin, up to off
	limit   int64   // the place up to which bytes may be handed out
	refused bool    // a read met limit
	across  bool    // lines do not matter: bytes are handed out as they come
	may     bool    // a value may go on in the next line; when one does, across becomes true
	inside  bool    // a value is being read
	ended   bool    // the last byte handed out ended a line
	err     error   // the reader's, io.EOF aside
}

func newSource(r io.Reader) *source {
	return &source{br: bufio.NewReaderSize(r, windowBytes), line: 1}
}

var errLimit = errors.New("a text, a number or blank space is too long")

// Read is for the decoder.
func (s *source) Read(p []byte) (int, error) {
	if s.ended && !s.across {
		if !s.inside || !s.may {
			return 0, io.EOF
		}
		s.across = true
	}
	if s.off >= s.limit {
		s.refused = true
		return 0, errLimit
	}
	if _, err := s.br.Peek(1); err != nil {
		if err != io.EOF {
			s.err = s.readError(err)
		}
		return 0, err
	}
	b, _ := s.br.Peek(int(min(int64(len(p)), s.limit-s.off, int64(s.br.Buffered()))))
	for from := 0; from < len(b); {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			break
		}
		from += i + 1
		s.breaks = append(s.breaks, s.off+int64(from))
		if !s.across {
			b = b[:from]
		}
	}
	s.ended = b[len(b)-1] == '\n'
	copy(p, b)
	s.discard(len(b))
	return len(b), nil
}

// discard passes over n bytes that were peeked at.
func (s *source) discard(n int) {
	b, _ := s.br.Peek(n)
	s.line += int64(bytes.Count(b, []byte{'\n'}))
	s.br.Discard(n)
	s.off += int64(n)
}

func (s *source) readError(err error) error { return fmt.Errorf("after offset %d: %w", s.off, err) }

// begin makes the source ready for a decoder that starts at its place.
func (s *source) begin(f form) {
	s.across, s.may = f == document, f == longLine
	s.inside, s.ended, s.refused = false, false, false
	s.breaks = s.breaks[:0]
	s.limit = s.off + windowBytes
}

// lineAt returns the line of an offset. Offsets never go back: the breaks before one are forgotten.
func (s *source) lineAt(offset int64) int64 {
	passed := 0
	for passed < len(s.breaks) && s.breaks[passed] <= offset {
		passed++
	}
	s.breaks = s.breaks[passed:]
	return s.line - int64(len(s.breaks))
}

// skipMark passes over a UTF-8 byte order mark and refuses the marks of UTF-16, which some shells write.
func (s *source) skipMark() error {
	b, err := s.br.Peek(3)
	if err != nil && err != io.EOF {
		return s.readError(err)
	}
	switch {
	case string(b) == "\xef\xbb\xbf":
		s.discard(3)
	case len(b) >= 2 && (string(b[:2]) == "\xff\xfe" || string(b[:2]) == "\xfe\xff"):
		return &BrokenError{Line: 1, Reason: "the input is UTF-16; only UTF-8 is read"}
	}
	return nil
}

// skipBlank passes over white space and says whether anything follows.
func (s *source) skipBlank() (bool, error) {
	for {
		if _, err := s.br.Peek(1); err == io.EOF {
			return false, nil
		} else if err != nil {
			return false, s.readError(err)
		}
		b, _ := s.br.Peek(s.br.Buffered())
		blank := len(b) - len(bytes.TrimLeft(b, " \t\r\n"))
		s.discard(blank)
		if blank < len(b) {
			return true, nil
		}
	}
}

// peekLine returns what is left of the line with its end. It is not whole when the line is longer than the
// window, or the reader ends it with an error, which comes again when that place is read.
func (s *source) peekLine() (line []byte, whole bool) { return s.peekLines(1) }

// peekLines returns what is left of the line and the n-1 lines with text after it.
func (s *source) peekLines(n int) (text []byte, whole bool) {
	seen, found := 0, 0
	for {
		b, _ := s.br.Peek(s.br.Buffered())
		for {
			i := bytes.IndexByte(b[seen:], '\n')
			if i < 0 {
				break
			}
			blank := len(bytes.TrimSpace(b[seen:seen+i])) == 0
			seen += i + 1
			if found == 0 || !blank {
				found++
			}
			if found == n {
				return b[:seen], true
			}
		}
		// What follows the last line end was looked at in vain, unless more of it comes.
		if _, err := s.br.Peek(len(b) + 1); err != nil {
			b, _ = s.br.Peek(s.br.Buffered()) // what was peeked at may have been moved
			return b, err == io.EOF
		}
	}
}

// discardLine passes over the rest of the line that a decoder has read from.
func (s *source) discardLine() error {
	for !s.ended {
		b, err := s.br.ReadSlice('\n')
		s.off += int64(len(b))
		switch {
		case err == nil:
			s.line++
			return nil
		case err == io.EOF:
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return s.readError(err)
		}
	}
	return nil
}

// decide tells from the first lines whether each holds whole values. When the first does not, the second
// tells: if it is a value on its own that cannot be where the first goes on, the first is a broken line.
func decide(s *source) form {
	first, whole := s.peekLine()
	if !whole {
		return longLine
	}
	if valid(first) {
		return lines
	}
	length := len(first)
	both, whole := s.peekLines(2)
	switch {
	case !whole:
		return document
	case len(bytes.TrimSpace(both[length:])) == 0:
		return lines
	case !valid(both[length:]) || continues(both, length):
		return document
	}
	return lines
}

// valid says whether b is JSON values and nothing else.
func valid(b []byte) bool {
	d := jsontext.NewDecoder(bytes.NewBuffer(b), lax...)
	for {
		if err := d.SkipValue(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// continues says whether what begins in the first n bytes of b goes on behind them.
func continues(b []byte, n int) bool {
	d := jsontext.NewDecoder(bytes.NewBuffer(b), lax...)
	for d.InputOffset() <= int64(n) {
		if _, err := d.ReadToken(); err != nil {
			return false
		}
	}
	return true
}

// place is where something stands in the input.
type place struct{ line, offset int64 }

// cursor is a decoder with what is needed to tell the place of what it reads: the source it reads from,
// or the text when it is held whole.
type cursor struct {
	dec   *jsontext.Decoder
	base  int64 // the offset of the decoder's first byte
	src   *source
	text  []byte
	place place // the last place asked for in text
}

// peek returns the kind of what comes next.
func (c *cursor) peek() jsontext.Kind {
	c.grant(MaxBytes)
	return c.dec.PeekKind()
}

// grant lets the decoder hold so many bytes from its place on.
func (c *cursor) grant(n int64) {
	if c.src != nil {
		c.src.limit, c.src.refused = c.base+c.dec.InputOffset()+n, false
	}
}

// inside says whether the decoder is inside a value.
func (c *cursor) inside(value bool) {
	if c.src != nil {
		c.src.inside = value
	}
}

// mark returns the place of the value that peek found and lets the decoder hold a whole record from there.
func (c *cursor) mark() place {
	ahead := c.dec.UnreadBuffer()
	before := len(ahead) - len(bytes.TrimLeft(ahead, " \t\r\n,:"))
	offset := c.base + c.dec.InputOffset() + int64(before)
	c.grant(int64(before) + MaxBytes + 1)
	if c.src != nil {
		return place{line: c.src.lineAt(offset), offset: offset}
	}
	passed := c.text[c.place.offset-c.base : offset-c.base]
	c.place = place{line: c.place.line + int64(bytes.Count(passed, []byte{'\n'})), offset: offset}
	return c.place
}

// tooLong says whether the last read ended because the decoder would have had to hold too much.
func (c *cursor) tooLong() bool { return c.src != nil && c.src.refused }

// skip reads over one value of any size.
func (c *cursor) skip() error {
	depth := c.dec.StackDepth()
	for {
		c.grant(maxTokenBytes)
		if _, err := c.dec.ReadToken(); err != nil {
			return err
		}
		if c.dec.StackDepth() <= depth {
			return nil
		}
	}
}

// explain returns where in the input the decoder met broken JSON, and what it found.
func (c *cursor) explain(err error) (offset int64, reason string) {
	if c.tooLong() {
		return c.src.off, errLimit.Error()
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case !ok:
		return c.base + c.dec.InputOffset(), err.Error()
	case errors.Is(syntax.Err, io.ErrUnexpectedEOF):
		return c.base + syntax.ByteOffset, "the input ends in the middle of a value"
	}
	return c.base + syntax.ByteOffset, strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")
}
