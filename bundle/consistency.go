package bundle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"

	"countersign/merkle"
)

// MaxConsistencyBytes bounds a consistency proof: two paths as long as there can be.
const MaxConsistencyBytes = 16 << 10

// Consistency connects two trees: the larger one begins with the smaller (RFC 6962, section 2.1.2). It proves nothing
// but together with a checkpoint of each.
type Consistency struct {
	From, To uint64
	Path     []merkle.Hash
}

// JSON renders c in its one way, without white space and without a line end.
func (c *Consistency) JSON() []byte {
	b := strconv.AppendUint([]byte(`{"from":`), c.From, 10)
	b = strconv.AppendUint(append(b, `,"to":`...), c.To, 10)
	b = append(b, `,"path":[`...)
	for i := range c.Path {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(base64.StdEncoding.AppendEncode(append(b, '"'), c.Path[i][:]), '"')
	}
	return append(b, "]}"...)
}

// ParseConsistency reads what JSON gives. One line end after it is allowed, as files of text have it.
func ParseConsistency(b []byte) (Consistency, error) {
	b = bytes.TrimSuffix(b, []byte{'\n'})
	if len(b) > MaxConsistencyBytes {
		return Consistency{}, fmt.Errorf("consistency proof: %d bytes, the limit is %d", len(b), MaxConsistencyBytes)
	}
	var j struct {
		From uint64   `json:"from"`
		To   uint64   `json:"to"`
		Path [][]byte `json:"path"`
	}
	if err := json.Unmarshal(b, &j, json.RejectUnknownMembers(true)); err != nil {
		return Consistency{}, fmt.Errorf("consistency proof: not the JSON of one: %w", err)
	}
	c := Consistency{From: j.From, To: j.To}
	for _, h := range j.Path {
		if len(h) != len(merkle.Hash{}) {
			return Consistency{}, errors.New("consistency proof: a hash that is not 32 bytes")
		}
		c.Path = append(c.Path, merkle.Hash(h))
	}
	if !bytes.Equal(c.JSON(), b) {
		return Consistency{}, errors.New("consistency proof: not in its one rendering: compact JSON, members in order, canonical base64")
	}
	return c, nil
}
