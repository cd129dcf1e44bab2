package report

// Renderings returns the ways in which reports are shown to people.
func Renderings() []Rendering { return nil }
