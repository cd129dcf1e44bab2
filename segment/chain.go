package segment

import (
	"encoding/binary"
	"math"

	"countersign/bitmap"
	"countersign/query"
)

// The account_seq of rows is not stored, because the entries of an account have one after the other, in the order
// of seq. A chain says where that begins: the row of the account that has the given rank, by place, has the value, and
// the rows after it go on from there, up to the next chain of the account.
type chain struct {
	account uint32 // code
	rank    uint32
	value   uint64
}

const chainBytes = 4 + 4 + 8

func appendChain(b []byte, c chain) []byte {
	b = binary.LittleEndian.AppendUint32(b, c.account)
	b = binary.LittleEndian.AppendUint32(b, c.rank)
	return binary.LittleEndian.AppendUint64(b, c.value)
}

// allChains returns the chains in the order of account and rank.
func (s *Segment) allChains() []chain {
	accounts := s.accounts()
	out := make([]chain, s.chained)
	b := s.bytes(s.chains, func([]byte) {})
	for i := range out {
		r := b[i*chainBytes:]
		c := chain{binary.LittleEndian.Uint32(r), binary.LittleEndian.Uint32(r[4:]), binary.LittleEndian.Uint64(r[8:])}
		if c.account == absentCode || int(c.account) > accounts.values.count ||
			i > 0 && (c.account < out[i-1].account || c.account == out[i-1].account && c.rank <= out[i-1].rank) {
			s.fail(s.chains, "chain %d is out of order", i)
		}
		out[i] = c
	}
	return out
}

// accounts returns the column of account.id, which every segment has and which knows all rows.
func (s *Segment) accounts() *column {
	c := s.columns[query.AccountID]
	if c == nil || c.form != bitmaps && c.form != dense || !c.everPresent || c.unknown.length > 0 || c.codes.most > uint32(c.values.count) {
		panic(&CorruptError{File: s.name, What: "no account is known for each row"})
	}
	return c
}

// rowCodes returns the codes of all rows.
func (c *column) rowCodes() []uint32 {
	out := make([]uint32, c.seg.rows)
	c.eachCode(func(row, code uint32) { out[row] = code })
	return out
}

// noRow is the place of an entry that has no row, in byPlace.
const noRow = math.MaxUint32

// byPlace returns the row of each place.
func (s *Segment) byPlace() []uint32 {
	out := make([]uint32, s.entries)
	for i := range out {
		out[i] = noRow
	}
	for row := range uint32(s.rows) {
		out[s.place(row)] = row
	}
	return out
}

// accountSeqs calls visit with each row and its account_seq, in the order of seq. It takes 8 bytes a row and some
// nanoseconds: few ask for it.
func (s *Segment) accountSeqs(visit func(row uint32, value uint64)) {
	if s.rows == 0 {
		return
	}
	chains := s.allChains()
	at := make([]int, s.accounts().values.count+1) // by account, the chain that holds
	for i := len(chains) - 1; i >= 0; i-- {
		at[chains[i].account] = i
	}
	codes := s.accounts().rowCodes()
	ranks := make([]uint32, len(at))
	for _, row := range s.byPlace() {
		if row == noRow {
			continue
		}
		a := codes[row]
		i, rank := at[a], ranks[a]
		if i+1 < len(chains) && chains[i+1].account == a && chains[i+1].rank <= rank {
			i++
		}
		if i >= len(chains) || chains[i].account != a || chains[i].rank > rank {
			s.fail(s.chains, "row %d has no chain", row)
		}
		at[a] = i
		ranks[a]++
		visit(row, chains[i].value+uint64(rank-chains[i].rank))
	}
}

// accountSeqBetween returns the rows whose account_seq is in a range.
func (s *Segment) accountSeqBetween(lo, hi int64) bitmap.Set {
	words := make([]uint64, (s.rows+63)/64)
	s.accountSeqs(func(row uint32, value uint64) {
		if v := int64(min(value, math.MaxInt64)); lo <= v && v <= hi {
			words[row/64] |= 1 << (row % 64)
		}
	})
	return bitmap.OfDense(words)
}
