package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
	"countersign/merkle"
)

// A proof has a text form, C2SP tlog-proof@v1, and a twin in JSON that says the same. docs/format/proof.md holds both.

const (
	proofTag   = "c2sp.org/tlog-proof@v1\n"
	extraTag   = "extra "
	indexTag   = "index "
	claimLevel = "A" // the rows are genuine; a proof never says more

	// MaxProofBytes bounds a proof in either form: the largest opening in base64, a checkpoint, a path.
	MaxProofBytes = 2 << 20

	maxPathHashes = 62 // as high as a tree can be
)

// Proof shows one entry of a trail. Its fields are claims until Verify.
type Proof struct {
	Entry      []byte // as event.EntryBytes makes it
	Opening    event.Opening
	Index      uint64
	Path       []merkle.Hash // from the leaf's sibling up
	Checkpoint merkle.Checkpoint
}

// Text renders p as C2SP tlog-proof@v1.
func (p *Proof) Text() []byte {
	b := append([]byte(proofTag), extraTag...)
	b = base64.StdEncoding.AppendEncode(b, p.extra())
	b = append(append(b, '\n'), indexTag...)
	b = append(strconv.AppendUint(b, p.Index, 10), '\n')
	for i := range p.Path {
		b = append(base64.StdEncoding.AppendEncode(b, p.Path[i][:]), '\n')
	}
	return append(append(b, '\n'), p.Checkpoint.Note...)
}

// extra is what tlog-proof leaves to the application: what the leaf is the hash of, and what opens it.
func (p *Proof) extra() []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(p.Entry)))
	return p.Opening.Append(append(b, p.Entry...))
}

// ParseProof reads the text form.
func ParseProof(text []byte) (Proof, error) {
	p, err := parseText(text)
	if err != nil {
		return Proof{}, fmt.Errorf("proof: %w", err)
	}
	// Spare zeros, other base64 and whatever else has one meaning in two renderings ends here.
	if !bytes.Equal(p.Text(), text) {
		return Proof{}, errors.New("proof: not in its one rendering")
	}
	return p, nil
}

func parseText(text []byte) (Proof, error) {
	if len(text) > MaxProofBytes {
		return Proof{}, fmt.Errorf("%d bytes, the limit is %d", len(text), MaxProofBytes)
	}
	rest, ok := bytes.CutPrefix(text, []byte(proofTag))
	if !ok {
		return Proof{}, errors.New("the first line is not " + strings.TrimSpace(proofTag))
	}
	extra, rest, ok := cutLine(rest, extraTag)
	if !ok {
		return Proof{}, errors.New("no line with the entry and its opening (extra)")
	}
	index, rest, ok := cutLine(rest, indexTag)
	if !ok {
		return Proof{}, errors.New("no line with the index")
	}
	var p Proof
	if err := p.setExtra(extra); err != nil {
		return Proof{}, err
	}
	n, err := strconv.ParseUint(string(index), 10, 63)
	if err != nil {
		return Proof{}, errors.New("the index is not a number")
	}
	p.Index = n
	for {
		line, more, ok := cutLine(rest, "")
		if !ok {
			return Proof{}, errors.New("no empty line before the checkpoint")
		}
		rest = more
		if len(line) == 0 {
			break
		}
		if err := p.addHash(line); err != nil {
			return Proof{}, err
		}
	}
	p.Checkpoint, err = merkle.ParseCheckpoint(rest)
	return p, err
}

// cutLine returns the rest of the first line after tag, and what follows the line.
func cutLine(b []byte, tag string) (line, rest []byte, ok bool) {
	line, rest, ok = bytes.Cut(b, []byte{'\n'})
	line, tagged := bytes.CutPrefix(line, []byte(tag))
	return line, rest, ok && tagged
}

func (p *Proof) setExtra(extra64 []byte) error {
	extra, err := base64.StdEncoding.AppendDecode(nil, extra64)
	if err != nil {
		return errors.New("the entry and its opening are not base64")
	}
	if len(extra) < 2 || int(binary.BigEndian.Uint16(extra)) > len(extra)-2 {
		return errors.New("the entry is cut")
	}
	end := 2 + int(binary.BigEndian.Uint16(extra))
	return p.setEntry(extra[2:end:end], extra[end:])
}

func (p *Proof) setEntry(entry, opening []byte) error {
	if _, _, _, err := event.DecodeEntryBytes(entry); err != nil {
		return err
	}
	o, err := event.DecodeOpening(opening)
	p.Entry, p.Opening = entry, o
	return err
}

func (p *Proof) addHash(line []byte) error {
	h, err := base64.StdEncoding.AppendDecode(nil, line)
	if err != nil || len(h) != len(merkle.Hash{}) {
		return errors.New("a line of the path is not a hash in base64")
	}
	if len(p.Path) == maxPathHashes {
		return fmt.Errorf("more than %d hashes in the path", maxPathHashes)
	}
	p.Path = append(p.Path, merkle.Hash(h))
	return nil
}

// proofJSON is the twin's shape; the members stand in this order.
type proofJSON struct {
	Entry      []byte   `json:"entry"`
	Opening    []byte   `json:"opening"`
	Index      uint64   `json:"index"`
	Path       [][]byte `json:"path"`
	Checkpoint string   `json:"checkpoint"`
	ClaimLevel string   `json:"claim_level"`
}

// JSON renders p as the JSON twin, without white space and without a line end.
func (p *Proof) JSON() []byte {
	b := append([]byte(`{"entry":"`), base64.StdEncoding.EncodeToString(p.Entry)...)
	b = append(b, `","opening":"`...)
	b = base64.StdEncoding.AppendEncode(b, p.Opening.Append(nil))
	b = append(b, `","index":`...)
	b = append(strconv.AppendUint(b, p.Index, 10), `,"path":[`...)
	for i := range p.Path {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(base64.StdEncoding.AppendEncode(append(b, '"'), p.Path[i][:]), '"')
	}
	b = append(b, `],"checkpoint":`...)
	// A checkpoint that was parsed is UTF-8, so quoting it cannot fail.
	b, _ = jsontext.AppendQuote(b, p.Checkpoint.Note)
	return append(b, `,"claim_level":"`+claimLevel+`"}`...)
}

// ParseProofJSON reads the JSON twin. One line end after it is allowed, as files of text have it.
func ParseProofJSON(b []byte) (Proof, error) {
	b = bytes.TrimSuffix(b, []byte{'\n'})
	p, err := parseJSON(b)
	if err != nil {
		return Proof{}, fmt.Errorf("proof: %w", err)
	}
	if !bytes.Equal(p.JSON(), b) {
		return Proof{}, errors.New("proof: not in its one rendering: compact JSON, members in order, nothing escaped without need")
	}
	return p, nil
}

func parseJSON(b []byte) (Proof, error) {
	if len(b) > MaxProofBytes {
		return Proof{}, fmt.Errorf("%d bytes, the limit is %d", len(b), MaxProofBytes)
	}
	var j proofJSON
	if err := json.Unmarshal(b, &j, json.RejectUnknownMembers(true)); err != nil {
		return Proof{}, fmt.Errorf("not the JSON of a proof: %w", err)
	}
	p := Proof{Index: j.Index}
	if err := p.setEntry(j.Entry, j.Opening); err != nil {
		return Proof{}, err
	}
	if len(j.Path) > maxPathHashes {
		return Proof{}, fmt.Errorf("more than %d hashes in the path", maxPathHashes)
	}
	for _, h := range j.Path {
		if len(h) != len(merkle.Hash{}) {
			return Proof{}, errors.New("a hash of the path is not 32 bytes")
		}
		p.Path = append(p.Path, merkle.Hash(h))
	}
	c, err := merkle.ParseCheckpoint([]byte(j.Checkpoint))
	p.Checkpoint = c
	return p, err
}

// Shown returns the entry as far as p shows it, with its kind, statement and seq. Before Verify it is a claim.
func (p *Proof) Shown() (event.Entry, error) {
	kind, _, statement, err := event.DecodeEntryBytes(p.Entry)
	if err != nil {
		return event.Entry{}, err
	}
	if err := p.Opening.CheckKind(kind); err != nil {
		return event.Entry{}, fmt.Errorf("opening: %w", err)
	}
	e, err := p.Opening.Entry()
	if err != nil {
		return event.Entry{}, err
	}
	if p.Opening.Items[event.FieldFrame].Shown && e.Seq != p.Index {
		return event.Entry{}, fmt.Errorf("the opening is that of entry %d", e.Seq)
	}
	e.Kind, e.Statement, e.Seq = kind, string(statement), p.Index
	return e, nil
}

// Verify returns nil when p is true as far as keys are to be trusted: one of them signed the checkpoint, the entry is
// in its tree at Index, and the opening is of this entry, with values that a server records.
func (p *Proof) Verify(keys merkle.Keys) error {
	if err := p.verify(keys); err != nil {
		return fmt.Errorf("proof of entry %d: %w", p.Index, err)
	}
	return nil
}

func (p *Proof) verify(keys merkle.Keys) error {
	if err := p.Checkpoint.Verify(keys); err != nil {
		return err
	}
	leaf := merkle.Hash(event.LeafHash(p.Entry))
	if err := merkle.CheckInclusion(p.Path, p.Index, p.Checkpoint.Size, p.Checkpoint.Root, leaf); err != nil {
		return err
	}
	_, want, _, err := event.DecodeEntryBytes(p.Entry)
	if err != nil {
		return err
	}
	root, err := p.Opening.Root()
	if err != nil {
		return err
	}
	if root != want {
		return errors.New("the opening is not that of the entry: a value, a salt or a commitment is another one")
	}
	_, err = p.Shown()
	return err
}
