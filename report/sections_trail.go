package report

import (
	"encoding/base64"
	"fmt"
)

// The claim levels, as a pack's reader gets them (docs/reports.md).
func (m *making) claim() (level, text string) {
	if m.proof.not != "" {
		return "B", "The rows are genuine, and query and count are fixed in the trail. Completeness is not claimed: " + m.proof.not + "."
	}
	if m.proof.whole != nil {
		return "C", fmt.Sprintf("The population is complete: of the entries %d to %d of the trail each is in this pack or shown to be outside of the period. Earlier ones were received before the period began.",
			m.proof.whole.From, m.size-1)
	}
	return "C", "The population is complete, as far as the server numbered the entries of each account honestly: each entry of the accounts' chains, from the last one received before the period to the record of this report, is in this pack or shown to be outside of the period."
}

func (m *making) integritySection() (Section, error) {
	level, text := m.claim()
	s := Section{Title: "Integrity of the trail", State: StateEvidence}
	s.IPE.Basis = "From the published checkpoint that the rows are shown in."
	s.Text = []string{
		"Entries are leaves of a Merkle tree whose root the server signs. None can be changed, removed or put in between without a root that others hold becoming wrong.",
		text,
		"Check it with: countersign verify evidence.zip --key KEYFILE. Take the key from somewhere else than this pack, and a checkpoint from somebody who kept one.",
	}
	rows := [][]Cell{
		{cell("Trail"), cell(m.checkpoint.Origin)},
		{cell("Entries the report is over"), number(m.size)},
		{cell("Entries of the published checkpoint"), number(m.checkpoint.Size)},
		{cell("Its root"), cell(base64.StdEncoding.EncodeToString(m.checkpoint.Root[:]))},
		{cell("Claim level"), cell(level)},
		{cell("Entries shown to be no rows"), number(m.proof.count)},
		{cell("Verifications recorded in the period"), number(m.tally.verified)},
	}
	for _, k := range m.maker.Trail.Keys() {
		rows = append(rows, []Cell{cell("Key, from tree size " + number(k.From).Value), cell(k.VKey)})
	}
	t, err := m.tables.add(Table{ID: "integrity", Title: "The tree", Columns: []Column{{"What", KindText}, {"Value", KindCode}}}, rows)
	s.Tables = []Table{t}
	return s, err
}
