// Package report turns a stretch of the trail into what an auditor asks for: a report over a framework's
// requirements, with the evidence for each, and an evidence pack that proves it.
//
// Terms. A framework is a list of requirements as data: what each asks in our words, which searches bring its evidence,
// how to judge that, and what to say where no source can show it. A search has a name and may serve several
// requirements; what it finds is its population, all of it an annex, some of it a sample. A run makes one report over
// one period at one tree size. A gap is something that the trail cannot show.
//
// Promises. A report states evidence, never compliance. That a search found nothing is evidence only where its sources
// covered the whole period; where they did not it is a gap, and every gap is listed. A report is plain data: whoever
// renders it needs no server, and all renderings say the same.
//
// It leaves to others: what a pack's bytes are (package bundle), whether one is true (package verify), who may have one
// made (package server).
package report
