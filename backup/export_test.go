package backup

import "io"

// ReadArchive reads an archive to its end and keeps nothing.
func ReadArchive(r io.Reader, have []Held) (*Plan, error) {
	a, err := openArchive(r, have)
	if err != nil {
		return nil, err
	}
	for i := range a.plan.Files {
		f := &a.plan.Files[i]
		from, err := a.next(i)
		if err != nil {
			return nil, err
		}
		if from < f.Size {
			if _, err := io.CopyN(io.Discard, a.tar, f.Size-from); err != nil {
				return nil, err
			}
		}
	}
	return &a.plan, a.end()
}
