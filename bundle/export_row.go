package bundle

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
)

// RowDecoder decodes rows of an export. Rows may be decoded in any order, each by any decoder of their export, but a
// decoder is used by one goroutine at a time.
type RowDecoder struct {
	head  ExportHeader
	again []byte // the row rendered again
	json  []byte
	cells []event.Text
	src   bytes.Buffer
	dec   *jsontext.Decoder
}

// Decoder returns a decoder for the rows of this export.
func (x *ExportReader) Decoder() *RowDecoder {
	d := &RowDecoder{head: x.head}
	d.dec = jsontext.NewDecoder(&d.src)
	return d
}

var errRow = errors.New("it is no row of an export in its one rendering")

// Decode decodes the bytes of a row that ExportReader.Row gave. It shares nothing with them. How the values are
// found is free, since the row is then rendered again and every other byte refused.
func (d *RowDecoder) Decode(b []byte) (Row, error) {
	var row Row
	var err error
	if d.head.Format == CSV {
		err = d.csv(&row, b)
	} else {
		err = d.line(&row, b)
	}
	if err != nil {
		return Row{}, err
	}
	if d.again = d.head.appendRow(d.again[:0], &row); !bytes.Equal(d.again, b) {
		return Row{}, errRow
	}
	return row, nil
}

// cut takes off b what stands before the mark.
func cut(b *[]byte, mark string) string {
	before, after, _ := bytes.Cut(*b, []byte(mark))
	*b = after
	return string(before)
}

// line decodes a row of NDJSON. What the server adds stands around the event, which package event decodes.
func (d *RowDecoder) line(row *Row, b []byte) error {
	e := &row.Entry
	// An attribute may have such a name, but nothing that comes after the last one can.
	tail := bytes.LastIndex(b, []byte(`,"`+memberSeed+`":"`))
	if tail < 0 || len(b) < tail+len(`,"seed":"`) {
		return errRow
	}
	proof := b[tail+len(`,"`+memberSeed+`":"`):]
	seed, leaf := cut(&proof, `","`+memberLeaf+`":"`), cut(&proof, `"`)
	if !decode32(&row.Seed, seed) || !decode32((*[32]byte)(&row.Leaf), leaf) {
		return errRow
	}
	b = b[:tail]
	rest, ok := bytes.CutPrefix(b, []byte(`{"seq":`))
	if !ok {
		return errRow
	}
	var err error
	seq, received := cut(&rest, `,"received_at":"`), cut(&rest, `"`)
	if e.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil {
		return errRow
	}
	if e.ReceivedAt, err = event.ParseTime(received); err != nil {
		return errRow
	}
	if fact, ok := bytes.CutPrefix(rest, []byte(`,"kind":"`)); ok {
		kind := cut(&fact, `","statement":`)
		return fillFact(e, kind, string(fact))
	}
	return d.event(e, rest)
}

// event decodes what follows received_at, up to the seed.
func (d *RowDecoder) event(e *event.Entry, b []byte) error {
	if by, ok := bytes.CutPrefix(b, []byte(`,"recorded_by":`)); ok {
		n := endOfString(by)
		if n < 0 {
			return errRow
		}
		name, err := jsontext.AppendUnquote(nil, by[:n])
		if err != nil {
			return errRow
		}
		e.RecordedBy, b = event.TextOf(string(name)), by[n:]
	}
	chain := bytes.LastIndex(b, []byte(`,"`+memberAccountSeq+`":`))
	if chain < 1 { // the event begins with a comma, which becomes its brace
		return errRow
	}
	if err := fillChain(e, b[chain+len(`,"`+memberAccountSeq+`":`):]); err != nil {
		return err
	}
	d.json = append(append(append(d.json[:0], '{'), b[1:chain]...), '}')
	var err error
	e.Event, err = event.Decode(d.json)
	return err
}

// fillChain reads account_seq and account_prev.
func fillChain(e *event.Entry, b []byte) error {
	n, prev, some := strings.Cut(string(b), `,"`+memberAccountPrev+`":`)
	return parseChain(e, n, prev, some)
}

func parseChain(e *event.Entry, n, prev string, some bool) (err error) {
	e.AccountPrev = event.NoPrev
	if e.AccountSeq, err = strconv.ParseUint(n, 10, 64); err != nil {
		return errRow
	}
	if some {
		if e.AccountPrev, err = strconv.ParseUint(prev, 10, 64); err != nil {
			return errRow
		}
	}
	return nil
}

func fillFact(e *event.Entry, kind, statement string) error {
	k, ok := event.ParseKind(kind)
	if !ok {
		return errRow
	}
	fact, err := event.NewFact(k, statement)
	if err != nil {
		return err
	}
	fact.Seq, fact.ReceivedAt, fact.OccurredAt = e.Seq, e.ReceivedAt, e.ReceivedAt
	*e = fact
	return nil
}

// endOfString returns the length of the JSON string that b begins with, -1 when it does not end.
func endOfString(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// csv decodes a row of CSV.
func (d *RowDecoder) csv(row *Row, b []byte) (err error) {
	if d.cells, err = splitCSV(d.cells[:0], b, d.head.Guard); err != nil {
		return err
	}
	cells, n, e := d.cells, len(csvColumns), &row.Entry
	if len(cells) != len(proofColumns) {
		return errRow
	}
	if !decode32(&row.Seed, cells[n+2].Value) || !decode32((*[32]byte)(&row.Leaf), cells[n+3].Value) {
		return errRow
	}
	if cells[0].Value == csvFact {
		if e.Seq, err = strconv.ParseUint(cells[1].Value, 10, 64); err != nil {
			return errRow
		}
		if e.ReceivedAt, err = event.ParseTime(cells[2].Value); err != nil {
			return errRow
		}
		return fillFact(e, cells[3].Value, cells[4].Value)
	}
	if err := d.cellsOf(e, cells); err != nil {
		return err
	}
	return parseChain(e, cells[n].Value, cells[n+1].Value, cells[n+1].Present)
}

// cellsOf reads the columns that an export without proof has too.
func (d *RowDecoder) cellsOf(e *event.Entry, c []event.Text) (err error) {
	if e.Seq, err = strconv.ParseUint(c[0].Value, 10, 64); err != nil {
		return errRow
	}
	if e.ReceivedAt, err = event.ParseTime(c[1].Value); err != nil {
		return errRow
	}
	if e.OccurredAt, err = event.ParseTime(c[4].Value); err != nil {
		return errRow
	}
	e.RecordedBy, e.ID = c[2], c[3].Value
	e.Account = event.Account{ID: c[5].Value, Name: c[6]}
	e.Division = event.Division{ID: c[7], Name: c[8]}
	e.Actor = event.Actor{ID: c[9], Name: c[10], Type: c[11].Value}
	e.Action = c[12].Value
	e.Resource = event.Resource{Type: c[13].Value, ID: c[14], Name: c[15]}
	e.Outcome, e.Description, e.Detail = c[16].Value, c[17], c[18]
	e.Client = event.Client{IP: c[19], Country: c[20]}
	e.Source, e.Raw = c[21].Value, c[23]
	if c[22].Present {
		e.Attributes, err = d.attributes(c[22].Value)
	}
	return err
}

// attributes reads the object that all attributes are in one cell.
func (d *RowDecoder) attributes(object string) ([]event.Attribute, error) {
	d.src = *bytes.NewBufferString(object)
	d.dec.Reset(&d.src)
	if t, err := d.dec.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginObject {
		return nil, errRow
	}
	var all []event.Attribute
	for d.dec.PeekKind() == jsontext.KindString {
		name, err := d.dec.ReadToken()
		if err != nil {
			return nil, errRow
		}
		a := event.Attribute{Name: name.String()} // before the next token overwrites it
		value, err := d.dec.ReadToken()
		if err != nil || value.Kind() != jsontext.KindString {
			return nil, errRow
		}
		a.Value = value.String()
		if n := len(all); n > 0 && all[n-1].Name >= a.Name {
			return nil, errRow // rendered again they would stand as they are
		}
		all = append(all, a)
	}
	// The rendering shows whether the object ends here; nothing that follows it is read.
	return all, nil
}
