package render

// made composes how the report came about, with nothing shortened, and how to check it.
func (c *composer) made() *part {
	r := c.r
	run := &r.Run
	var rows []fact
	add := func(label, text string, l look) {
		if text == "" {
			text, l = none, lookText
		}
		rows = append(rows, fact{label, []value{{Text: text, Look: l}}})
	}
	add("Run", run.ID, lookCode)
	add("Made at", moment(run.At)+" UTC", lookTime)
	add("Made by", run.ByName, lookText)
	add("Their id", run.ByID, lookCode)
	if run.Schedule != "" {
		add("Schedule", run.Schedule, lookCode)
	}
	add("Software", run.Software, lookText)
	add("Trail", run.Origin, lookCode)
	add("Tree size", entries(run.TreeSize), lookText)
	add("Erasure mark", count(run.Erasures), lookText)
	add("First entry looked at", count(run.FirstSeq), lookText)
	add("Checkpoint", entries(run.Checked), lookText)
	add("Tree root", run.CheckRoot, lookCode)
	add("Query", run.Query, lookCode)
	add("Rows", count(run.Rows), lookText)
	add("Data set", run.RowsFile, lookCode)
	add("Its SHA-256", run.RowsHash, lookCode)
	add("Seed of samples", run.Seed, lookCode)
	origin := "a file of the user's"
	if r.Framework.BuiltIn {
		origin = "built in"
	}
	add("Framework", c.framework()+", "+r.Framework.ID+", "+origin, lookText)
	add("Its SHA-256", r.Framework.SHA256, lookCode)
	add("report.json, SHA-256", c.sha256, lookCode)
	add("Scope", r.Scope.Query, lookCode)
	p := &part{ID: c.anchor("made"), Title: "How this report was made, and how to check it", Short: "How it was made", Level: 2, Blocks: []block{
		facts{Rows: rows},
		c.accounts(),
		labelled{"To check it", "The evidence pack holds this report, its annexes, the rows with their proofs, and a signed manifest. Its check needs no server and trusts no one but the key, which has to come from somewhere else than the pack:"},
		codeLines{[]string{"countersign verify evidence.zip --key KEY"}},
		prose{Paras: []string{
			"It says which claim level holds: A, the rows are genuine; B, rows, queries and counts are fixed in the trail; C, no row is missing from the population. What is said above a level that holds is not to be relied on.",
			"Numbers can be made again from the data set with the queries that stand beside them, and samples with the seed.",
		}},
	}}
	if len(r.Scope.Divisions) > 0 {
		p.Blocks = append(p.Blocks, items{"Only these divisions", r.Scope.Divisions})
	}
	if r.Framework.About != "" {
		p.Blocks = append(p.Blocks, labelled{"About the framework", r.Framework.About})
	}
	return p
}

func (c *composer) accounts() grid {
	g := grid{ID: c.anchor("t-accounts"), Title: "Accounts in scope", Empty: "No account has an entry in the period.",
		Columns: []column{{"Account", lookText}, {"Id", lookCode}, {"Now", lookText}, {"Entries", lookNumber}}}
	for _, a := range c.r.Scope.Accounts {
		name := a.Name
		if name == "" {
			name = none
		}
		g.Rows = append(g.Rows, []value{{Text: name, Look: lookText}, {Text: a.ID, Look: lookCode}, {Text: string(a.State), Look: lookText}, {Text: count(a.Entries), Look: lookNumber}})
	}
	return g
}

// reading composes what the marks and words of the report mean.
func (c *composer) reading() *part {
	states := facts{}
	for _, w := range stateWords {
		states.Rows = append(states.Rows, fact{w.word, []value{{Text: w.meaning, Look: lookText}}})
	}
	return &part{ID: c.anchor("reading"), Title: "How to read it", Short: "How to read it", Level: 2, Flows: true, Blocks: []block{
		states,
		facts{Rows: []fact{
			{"Times", []value{{Text: "All times and days are UTC. The period is of the source's clock: when something occurred, not when it was recorded.", Look: lookText}}},
			{"Names", []value{{Text: "People are named as the rows name them. What is known of a person when the report was made stands beside the name where it is not that they are active.", Look: lookText}}},
			{"Odd characters", []value{{Text: "Characters that are not seen, or that change how others are seen, are shown by their Unicode numbers, as in ‹U+202E›. In the PDF so are those of scripts that its fonts do not have. The annexes hold every value as it was recorded.", Look: lookText}}},
			{"Charts", []value{{Text: "The numbers behind each chart stand beside it in report.html and in report.json.", Look: lookText}}},
			{"Marks", []value{{Text: "A value that deserves attention or is an exception carries a mark and stands in bold; it is for the reader to judge.", Look: lookText}}},
			{"Other names", []value{{Text: "Names of products and standards belong to their owners. Countersign is compatible with interfaces of some of these products, and affiliated with none.", Look: lookText}}},
		}},
	}}
}

func (c *composer) signoff() *part {
	return &part{ID: c.anchor("signoff"), Title: "Sign-off", Short: "Sign-off", Level: 2, Flows: true, Blocks: []block{
		prose{Paras: []string{"For whoever reviews this report. That it was reviewed belongs into the trail as well."}, Soft: true},
		blanks{[]string{"Reviewed by", "Date", "Finding", "Signature"}},
	}}
}
