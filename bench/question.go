package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"countersign/bench/engine"
	"countersign/bench/made"
)

// question is what all engines are asked, in one or more ways that differ in their parameters.
type question struct {
	api    string // whose words Countersign is asked in
	name   string
	budget time.Duration // for the 99th percentile with 10 million events; 0 for none
	// scan: the budget allows for ten times as much at 100 million events, not three times.
	scan bool
	// limit is the rows of a page, anywhere that it is asked for the first, a middle and the last page.
	limit    int
	anywhere bool
	asks     []asker
	// whole: all pages are read, one after the other, in place of one.
	whole bool
}

// asker asks a question with one set of parameters.
type asker interface {
	request(ctx context.Context, c *engine.Countersign, offset uint64, limit int) (*http.Request, error)
	// read reads what Countersign answered.
	read(a engine.Answer) (answer, error)
	// sql asks a table. It returns errNotAsked where that has no sense.
	sql(ctx context.Context, t engine.Table, offset uint64, limit int) (answer, error)
}

// answer is an exact total and the rows of a page, each as one text that holds all that is shown of it.
type answer struct {
	total uint64
	rows  []string
}

var (
	errNotAsked   = errors.New("not asked of a table")
	errNotOffered = errors.New("not offered by this server")
)

// questions are all of them, in the order of the report.
func questions(t made.Trail) []question {
	var all []question
	for _, of := range [...][]question{nativeQuestions(t), digicertOneQuestions(), discoveryQuestions(), keyfactorQuestions()} {
		all = append(all, of...)
	}
	return all
}

// The budgets of the design, for 10 million events.
const (
	budgetPage      = 5 * time.Millisecond
	budgetAdjacent  = 25 * time.Millisecond
	budgetScattered = 50 * time.Millisecond
	budgetContains  = 20 * time.Millisecond
	budgetSort      = 150 * time.Millisecond
	budgetRead      = 20 * time.Second // of a million rows
	budgetProof     = time.Millisecond
	budgetKeyfactor = 25 * time.Millisecond
)
