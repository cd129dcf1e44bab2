package apicheck

// Document is a document that tests make.
type Document = document

// Read reads a document.
func Read(b []byte) (*Document, error) { return read(b) }

// Compare returns where routes and operations differ.
func (d *document) Compare(routes []string) []string { return d.compare(routes) }
