// Package report turns a stretch of the trail into what an auditor asks for: a report over a framework's
// requirements, with the evidence for each, and an evidence pack that proves it.
//
// Terms. A framework is a list of requirements as data: what each asks in our words, which searches bring its evidence,
// how to judge that, and what to say where no source can show it. A search has a name and may serve several
// requirements; what it finds is its population, all of it an annex, some of it a sample. A run makes one report over
// one period at one tree size. A gap is something that the trail cannot show. The desk takes orders for reports and keeps
// what was made; the scheduler has reports made when they are due.
//
// Promises. A report states evidence, never compliance. That a search found nothing is evidence only where its sources
// covered the whole period; where they did not it is a gap, and every gap is listed. A report is plain data: whoever
// renders it needs no server, and all renderings say the same. The rows are read once and as a stream: memory grows with
// people, tokens and days, within bounds that the report names when they are reached. Who may not have a report when it
// is sealed gets none. Each run is recorded in the trail when it begins and when it ends, however it ends.
//
// Durability. A pack gets its name when all of it is on the disk, and its manifest's hash is an entry of the trail before
// that. A run that breaks off leaves nothing but its records; after a crash the next start removes its working files and
// says that it failed.
//
// Trust. A framework's file is foreign bytes: it is bounded, read strictly and only ever asks questions. Texts of entries
// go into reports as they are; whoever renders them must not take them for markup.
//
// It leaves to others: what a pack's bytes are (package bundle), whether one is true (package verify), how a report looks
// (package render), who calls (packages identity and server).
package report
