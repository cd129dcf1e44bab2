// Package render draws a report for people: as one HTML file and as a PDF with the same content in the same order.
//
// Terms. A report is what package report found, as plain data. It is composed once, into parts made of blocks, with
// every word and number as it will be read; the two forms only draw what was composed. A drawing is a chart as
// rectangles, lines and texts. An odd character is one that is not seen, or that changes how others are seen, such as
// the controls of writing direction.
//
// Promises. The same report gives the same bytes. Either file stands alone: it loads nothing, runs nothing and holds no
// link to the outside. Nothing that a source wrote is taken as markup, and odd characters are shown by their numbers, so
// that no name can pass for another. Nothing is left out without saying so and where it stands. No value is told by
// colour alone. The words that are added here never say that anything is complied with, or that nothing is missing:
// what a report claims is in its own claim level. The HTML can be read with a keyboard, a screen reader, in the dark, on
// a phone and on paper.
//
// Trust. A report's texts come from whoever wrote into the trail: they may be hostile, long and in any script. The
// numbers and lists of a report are those of the run and are drawn as they are.
//
// It leaves to others: what a report holds (package report), and which file it is written to.
package render
