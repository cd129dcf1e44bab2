package render_test

import "countersign/report"

// small is a report in which everything that can be drawn is drawn once.
func small() *report.Report {
	ipe := report.IPE{Query: `action:=LOGIN_ERROR occurred_at:2026-01-01..2026-01-04`, Rows: 12, TreeSize: 2048, SHA256: hashOf("failed"), Files: []string{"failed.ndjson", "failed.csv"}}
	gap := report.Gap{Where: "1.1", What: "Reads at the source", Why: "The source does not record them.", Close: "Ask for the source's own log."}
	days := []string{"2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"}
	sample := report.Table{ID: "sample", Title: "Sample of 2", Note: "Drawn by the seed.", Total: 12, Annex: "failed.csv",
		Columns: []report.Column{{Label: "Seq", Kind: report.KindCount}, {Label: "When", Kind: report.KindMoment}, {Label: "Who", Kind: report.KindWho}, {Label: "Action", Kind: report.KindCode}, {Label: "Day", Kind: report.KindDay}, {Label: "Share", Kind: report.KindPercent}, {Label: "Age", Kind: report.KindAge}, {Label: "Text", Kind: report.KindText}},
		Rows: [][]report.Cell{
			{{Value: "1024"}, {Value: "2026-01-02T03:04:05.006Z"}, {Value: "u-1"}, {Value: "LOGIN_ERROR"}, {Value: "2026-01-02"}, {Value: "97.5"}, {Value: "1234", Tone: report.ToneWarn}, {Value: `<b>"bold"</b> & 'more'`}},
			{{Value: "1025"}, {Value: "2026-01-03T03:04:05Z"}, {Value: "u-2"}, {Value: "LOGIN_ERROR"}, {}, {}, {}, {Value: "invoice\u202egpj.exe", Tone: report.ToneBad}},
			{{Value: "1026"}, {Value: "2026-01-04T00:00:00Z"}, {Value: "nobody-knows"}, {Value: "A_CODE_THAT_IS_LONG_ENOUGH_TO_BE_BROKEN/SOMEWHERE"}, {Value: "2026-01-04"}, {Value: "100.0", Tone: report.ToneGood}},
		}}
	return &report.Report{
		Version:   report.ReportVersion,
		Title:     "A small report",
		Framework: report.FrameworkInfo{ID: "own", Title: "Own policy", Version: "3", About: "What we ask of ourselves.", SHA256: hashOf("own")},
		Period:    report.Period{From: "2026-01-01", To: "2026-01-04", Days: 4, Open: true},
		Scope:     report.Scope{Accounts: []report.Account{{ID: "a-1", Name: "Example Bank", State: report.KnownActive, Entries: 2000}}, Divisions: []string{"EMEA"}, Query: "account.id:=a-1 division.id:=EMEA"},
		Run: report.Run{ID: "run-1", At: "2026-01-05T06:07:08Z", ByID: "u-9", ByName: "auditor@example.com", Schedule: "monthly", Software: "Countersign 1.2.3", Origin: "trail.example.com", TreeSize: 2048, Erasures: 1, FirstSeq: 7,
			Rows: 2000, RowsHash: hashOf("rows"), RowsFile: "rows.ndjson", Query: "occurred_at:2026-01-01..2026-01-04 account.id:=a-1", Seed: "seed", Checked: 2048, CheckRoot: sampleRoot, ClaimLevel: "A", ClaimText: "The rows are genuine."},
		Notice: []string{"This report states evidence."},
		Summary: report.Summary{
			States:     []report.StateCount{{State: report.StateEvidence, Count: 1}, {State: report.StatePartial}, {State: report.StateGap, Count: 1}, {State: report.StateManual, Count: 1}},
			Highlights: []report.Highlight{{Label: "Failed sign-ins", Value: "12", Kind: report.KindCount, Tone: report.ToneBad, Section: "failed"}, {Label: "Oldest token", Value: "400", Kind: report.KindAge}, {Label: "Most active", Value: "u-2", Kind: report.KindWho}},
		},
		Requirements: []report.Requirement{
			{ID: "1.1", Group: "Logging", Title: "Failed sign-ins", Asks: "Each is logged.", State: report.StatePartial, Reason: "Some are.", Judge: "Look at them.", Sections: []string{"failed", "no-such"}, Gaps: []report.Gap{gap},
				Evidence: []report.Evidence{
					{Search: "FAIL", Title: "Failed sign-ins", State: report.StateEvidence, Says: "12 were found.", Count: 12, First: "2026-01-01T00:00:00Z", Last: "2026-01-04T23:59:59Z", Sample: sample, IPE: ipe,
						Coverage: []report.CoverageBrief{{Source: "example/app", State: report.StateEvidence}, {Source: "example/b", State: report.StatePartial, Why: "silent for a day"}, {Source: "example/c", State: report.StateGap, Why: "not connected"}}},
					{Search: "READ", Title: "Reads", State: report.StateNone, Says: "There was none.", IPE: report.IPE{Query: "action:=READ", TreeSize: 2048}},
					{Search: "KEYS", Title: "Keys", State: report.StateAbsent, Says: "No source has them.", IPE: report.IPE{Query: "resource.type:=KEYPAIR", TreeSize: 2048}},
				}},
			{ID: "1.2", Group: "Logging", Title: "Reviews", Asks: "Logs are reviewed.", State: report.StateGap, Reason: "No review was recorded.", Evidence: []report.Evidence{{Search: "FAIL", Title: "Failed sign-ins", State: report.StateEvidence, Says: "12 were found.", Count: 12, Sample: sample, IPE: ipe}}},
			{ID: "2", Group: "Policy", Title: "A policy", Asks: "There is one.", State: report.StateManual, Reason: "It is a document.", Attach: []string{"The policy", "Who signed it"}},
		},
		Sections: []report.Section{
			{ID: "failed", Title: "Failed sign-ins", State: report.StateEvidence, Text: []string{"Counted by day."}, IPE: report.IPE{Basis: "all rows", Rows: 2000, TreeSize: 1024}, Gaps: []report.Gap{{Where: "failed", What: "Addresses"}},
				Charts: []report.Chart{
					{ID: "days", Title: "By day", Summary: "Most on the second day.", Form: report.FormColumns, Unit: "failures", Axis: report.KindDay, Labels: days, Series: []report.Series{{Name: "people", Values: []uint64{1, 7, 0, 2}}, {Name: "programs", Tone: report.ToneBad, Values: []uint64{0, 2}}}},
					{ID: "people", Title: "By person", Summary: "Two people.", Form: report.FormBars, Unit: "failures", Axis: report.KindWho, Labels: []string{"u-1", "u-2"}, Series: []report.Series{{Name: "failures", Values: []uint64{9, 3}}}},
					{ID: "heat", Title: "By person and day", Summary: "One bad day.", Form: report.FormHeat, Unit: "failures", Axis: report.KindDay, Labels: days, Series: []report.Series{{Name: "u-1", Values: []uint64{0, 7, 0, 2}}, {Name: "others", Values: []uint64{1, 0, 0, 0}}}},
					{ID: "cover", Title: "Coverage", Summary: "A day is missing.", Form: report.FormCoverage, Unit: "days", Axis: report.KindDay, Labels: days, Series: []report.Series{{Name: "example/app", Values: []uint64{2, 2, 1, 0}}}},
					{ID: "empty", Title: "Nothing", Summary: "There is nothing.", Form: report.FormColumns},
				},
				Tables: []report.Table{{ID: "none", Title: "Bursts", Columns: []report.Column{{Label: "Who", Kind: report.KindWho}, {Label: "Most", Kind: report.KindCount}}, Empty: "No burst was found."}}},
		},
		Gaps: []report.Gap{gap, {Where: "failed", What: "Addresses"}, {Where: "elsewhere", What: "Something", Why: "Somehow."}},
		People: []report.Person{
			{ID: "u-1", Name: "Zoë Łukasz", Names: []string{"zoe"}, Type: "standard", State: report.KnownDeleted, Roles: []string{"AM_ACCOUNT_ADMIN@a-1"}, Admin: true, Deleted: "2026-01-03T00:00:00Z", Entries: 1500, First: "2026-01-01T00:00:00Z", Last: "2026-01-04T00:00:00Z"},
			{ID: "u-2", Name: "Zoë Łukasz", Type: "service", State: report.KnownActive, Entries: 500},
			{ID: "name:x", Type: "system", State: report.KnownNot},
		},
		Annexes: []report.Annex{{Name: "failed.csv", Title: "Failed sign-ins", Rows: 12, Bytes: 4096, SHA256: hashOf("failed.csv")}},
	}
}
