package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"countersign/event"
	"countersign/merkle"
)

// MaxSealBytes bounds a seal: two notes, two paths, a statement.
const MaxSealBytes = 512 << 10

// Seal ties a manifest to the trail: the signature of the trail's keys, and the entry that holds the manifest's hash
// with its proof. Its fields are claims until package verify has held them to a key.
type Seal struct {
	Signature []byte // a signed note over PackText
	Entry     []byte // as event.EntryBytes makes it: a system fact of event.KindPack
	Index     uint64
	Path      []merkle.Hash
	// Checkpoint holds the entry; it is later than that of the manifest, and Consistency leads from the one to the other.
	Checkpoint  merkle.Checkpoint
	Consistency []merkle.Hash
}

type sealJSON struct {
	Version     int      `json:"countersign_seal"`
	Signature   string   `json:"signature"`
	Entry       []byte   `json:"entry"`
	Index       uint64   `json:"index"`
	Path        [][]byte `json:"path"`
	Checkpoint  string   `json:"checkpoint"`
	Consistency [][]byte `json:"consistency"`
}

// JSON returns the seal in its one rendering.
func (s *Seal) JSON() ([]byte, error) {
	return compact(sealJSON{
		Version: packVersion, Signature: string(s.Signature), Entry: s.Entry, Index: s.Index, Path: hashBytes(s.Path),
		Checkpoint: string(s.Checkpoint.Note), Consistency: hashBytes(s.Consistency),
	})
}

func hashBytes(hashes []merkle.Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

// ParseSeal reads a seal in its one rendering.
func ParseSeal(b []byte) (*Seal, error) {
	s, err := parseSeal(b)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return s, nil
}

func parseSeal(b []byte) (*Seal, error) {
	if len(b) > MaxSealBytes {
		return nil, fmt.Errorf("%d bytes, the limit is %d", len(b), MaxSealBytes)
	}
	var in sealJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, errors.New("it is not the JSON object that it must be")
	}
	if in.Version != packVersion {
		return nil, fmt.Errorf("version %d of a seal is not known here, only %d", in.Version, packVersion)
	}
	s := &Seal{Signature: []byte(in.Signature), Entry: in.Entry, Index: in.Index}
	var err error
	if s.Checkpoint, err = merkle.ParseCheckpoint([]byte(in.Checkpoint)); err != nil {
		return nil, err
	}
	if kind, _, _, err := event.DecodeEntryBytes(in.Entry); err != nil || kind != event.KindPack {
		return nil, errors.New("its entry is not that of a pack")
	}
	if s.Path, err = sealHashes(in.Path); err != nil {
		return nil, err
	}
	if s.Consistency, err = sealHashes(in.Consistency); err != nil {
		return nil, err
	}
	again, err := s.JSON()
	if err != nil || !bytes.Equal(again, b) {
		return nil, errors.New("it is not in its one rendering")
	}
	return s, nil
}

func sealHashes(in [][]byte) ([]merkle.Hash, error) {
	if len(in) > 2*maxPathHashes {
		return nil, fmt.Errorf("more than %d hashes", 2*maxPathHashes)
	}
	out := make([]merkle.Hash, len(in))
	for i, h := range in {
		if len(h) != len(merkle.Hash{}) {
			return nil, errors.New("a hash is not 32 bytes")
		}
		out[i] = merkle.Hash(h)
	}
	return out, nil
}
