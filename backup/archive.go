package backup

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// offsetRecord is where in its file a member of the archive begins, when that is not the beginning.
const offsetRecord = "COUNTERSIGN.offset"

// Write writes an archive for a receiver who has some files already. open opens file i of the plan at an offset.
func Write(w io.Writer, p *Plan, have []Held, open func(i int, offset int64) (io.ReadCloser, error)) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	held := byName(have)
	t := tar.NewWriter(w)
	head := tar.Header{Name: PlanName, Mode: 0o600, Size: int64(len(text)), ModTime: p.TakenAt, Format: tar.FormatPAX}
	if err := t.WriteHeader(&head); err != nil {
		return err
	}
	if _, err := t.Write(text); err != nil {
		return err
	}
	for i := range p.Files {
		f := &p.Files[i]
		h, ok := held[f.Name]
		from := f.from(h, ok)
		if from == f.Size && f.Size > 0 {
			continue
		}
		head := tar.Header{Name: f.Name, Mode: 0o600, Size: f.Size - from, ModTime: p.TakenAt, Format: tar.FormatPAX}
		if from > 0 {
			head.PAXRecords = map[string]string{offsetRecord: strconv.FormatInt(from, 10)}
		}
		if err := t.WriteHeader(&head); err != nil {
			return err
		}
		if err := writeFile(t, i, from, f.Size-from, open); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return t.Close()
}

func writeFile(w io.Writer, i int, from, size int64, open func(i int, offset int64) (io.ReadCloser, error)) error {
	in, err := open(i, from)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.Copy(w, io.LimitReader(in, size))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func byName(have []Held) map[string]Held {
	m := make(map[string]Held, len(have))
	for _, h := range have {
		m[h.Name] = h
	}
	return m
}

// archive reads what Write wrote.
type archive struct {
	plan Plan
	held map[string]Held
	tar  *tar.Reader
}

// openArchive reads the plan of an archive that was asked for with have.
func openArchive(r io.Reader, have []Held) (*archive, error) {
	a := &archive{held: byName(have), tar: tar.NewReader(r)}
	head, err := a.tar.Next()
	if err != nil {
		return nil, broken(err)
	}
	if head.Name != PlanName || head.Size > maxPlanBytes {
		return nil, errors.New("the archive does not begin with a plan")
	}
	text, err := io.ReadAll(a.tar)
	if err != nil {
		return nil, broken(err)
	}
	a.plan, err = parsePlan(text)
	return a, err
}

// next moves on to file i of the plan. It returns where in the file what comes begins, which is its size when nothing
// does.
func (a *archive) next(i int) (from int64, err error) {
	f := &a.plan.Files[i]
	h, ok := a.held[f.Name]
	if from = f.from(h, ok); from == f.Size && f.Size > 0 {
		return from, nil
	}
	head, err := a.tar.Next()
	if err != nil {
		return 0, broken(err)
	}
	offset := int64(0)
	if text, ok := head.PAXRecords[offsetRecord]; ok {
		if offset, err = strconv.ParseInt(text, 10, 64); err != nil {
			return 0, fmt.Errorf("the archive has a part of %s at %q", f.Name, text)
		}
	}
	if head.Name != f.Name || head.Size != f.Size-from || offset != from || head.Typeflag != tar.TypeReg {
		return 0, fmt.Errorf("the archive has %d bytes of %.100q from %d on where %d of %s from %d on must be", head.Size, head.Name, offset, f.Size-from, f.Name, from)
	}
	return from, nil
}

// end tells whether the archive ends where it must.
func (a *archive) end() error {
	switch _, err := a.tar.Next(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("the archive has more files than its plan")
	default:
		return broken(err)
	}
}

// broken says of an archive that ends too early that it broke off.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the archive broke off")
	}
	return fmt.Errorf("read the archive: %w", err)
}
