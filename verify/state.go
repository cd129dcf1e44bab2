package verify

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"

	"countersign/event"
	"countersign/internal/durable"
)

// The state of a trail at the last seal is all made from the entries, so it is made again and compared byte for byte
// (docs/format/state.md).

const maxStateBytes = 1 << 30

// checkState compares the state with what the sealed entries make it. They have just been read.
func (c *dataCheck) checkState() error {
	name := filepath.Join(stateDirName, fmt.Sprintf("%020d.state", c.sealed.size))
	b, err := durable.ReadFile(c.opt.FS, filepath.Join(c.dir, name), maxStateBytes)
	if err != nil {
		return gone(err, name)
	}
	if string(b) != string(c.appendState(nil)) {
		c.report.find(Disagrees, name, "it is not the state that the first %d entries make", c.sealed.size)
	}
	return nil
}

func (c *dataCheck) appendState(dst []byte) []byte {
	dst = append(dst, "CSIGNSTA\x00\x00\x00\x01"...)
	dst = binary.BigEndian.AppendUint64(dst, c.sealed.size)
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.chains.received))
	accounts := make([]string, 0, len(c.chains.heads))
	for a := range c.chains.heads {
		accounts = append(accounts, a)
	}
	slices.Sort(accounts)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(accounts)))
	for _, a := range accounts {
		head := c.chains.heads[a]
		dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(a))), a...)
		dst = binary.BigEndian.AppendUint64(dst, head.last+1)
		dst = binary.BigEndian.AppendUint64(dst, head.lastSeq)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(c.facts)))
	for i := range c.facts {
		body := event.AppendBody(nil, &c.facts[i])
		dst = binary.BigEndian.AppendUint64(dst, c.facts[i].Seq)
		dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(body))), body...)
	}
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst, crc32.MakeTable(crc32.Castagnoli)))
}
