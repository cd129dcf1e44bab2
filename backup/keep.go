package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"countersign/internal/durable"
)

// Folder is where kept backups lie, each in a folder that is named by its number of entries. It is locked for one
// process.
type Folder struct {
	path string
	lock io.Closer
	// newest is the last whole backup, left what was received of one that broke off; nil for none.
	newest, left *Kept
}

// Kept is a backup in a folder.
type Kept struct {
	Path string
	Plan Plan
	sums map[string]string // of the files, in hexadecimal; nil for one that broke off
}

const (
	lockName   = "LOCK"
	partSuffix = ".partial"
)

// OpenFolder opens a folder of backups, making it when it is missing.
func OpenFolder(path string) (*Folder, error) {
	fsys := durable.OS()
	if err := fsys.MkdirAll(path, durable.DirMode); err != nil {
		return nil, err
	}
	lock, err := fsys.Lock(filepath.Join(path, lockName))
	if held, ok := errors.AsType[*durable.LockedError](err); ok {
		return nil, fmt.Errorf("%s is in use by process %d, another backup", path, held.PID)
	}
	if err != nil {
		return nil, err
	}
	f := &Folder{path: path, lock: lock}
	if err := f.look(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return f, nil
}

// look finds what is there.
func (f *Folder) look() error {
	newest, err := Newest(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.newest = newest
	parts, err := filepath.Glob(filepath.Join(f.path, "*"+partSuffix))
	if err != nil {
		return err
	}
	for _, part := range parts {
		if k, err := readPart(part); err == nil && f.left == nil {
			f.left = k
			continue
		}
		if err := os.RemoveAll(part); err != nil { // two, or one that holds nothing to go on with
			return err
		}
	}
	return nil
}

// Close lets the folder go.
func (f *Folder) Close() error { return f.lock.Close() }

// Newest returns the last backup of the folder, nil when there is none.
func (f *Folder) Newest() *Kept { return f.newest }

// Have returns what need not be sent again.
func (f *Folder) Have() []Held {
	var have []Held
	if f.newest != nil {
		for _, file := range f.newest.Plan.Files {
			if file.Grows || file.Version != "" {
				have = append(have, Held{file.Name, file.Size, file.Version})
			}
		}
	}
	if f.left == nil {
		return have
	}
	known := byName(have)
	// Of files that grow, what goes on is in the newest backup: such a one is not taken over from what broke off.
	for _, file := range f.left.Plan.Files {
		info, err := os.Stat(f.left.file(file.Name))
		if err == nil && info.Size() == file.Size && file.Version != "" && !file.Grows && known[file.Name].Version != file.Version {
			known[file.Name] = Held{file.Name, file.Size, file.Version}
		}
	}
	have = have[:0]
	for _, h := range known {
		have = append(have, h)
	}
	return have
}

func (k *Kept) file(name string) string { return filepath.Join(k.Path, filepath.FromSlash(name)) }

// Receive reads an archive that was asked for with have, and keeps it as a backup of its own. accept is asked whether the
// plan goes on from what is there; show is told how many bytes of how many are there.
func (f *Folder) Receive(ctx context.Context, r io.Reader, have []Held, accept func(*Plan) error, show func(done, total int64)) (*Kept, error) {
	a, err := openArchive(r, have)
	if err != nil {
		return nil, err
	}
	if err := f.admit(&a.plan, accept); err != nil {
		return nil, err
	}
	k := &Kept{Path: filepath.Join(f.path, folderName(a.plan.TreeSize)), Plan: a.plan, sums: map[string]string{}}
	if f.newest != nil && f.newest.Path == k.Path {
		return f.newest, nil // nothing was recorded since
	}
	in := &receiving{folder: f, archive: a, to: &Kept{Path: k.Path + partSuffix, Plan: a.plan, sums: k.sums}, ctx: ctx, show: show}
	if err := in.run(); err != nil {
		return nil, err
	}
	if err := os.Rename(in.to.Path, k.Path); err != nil {
		return nil, err
	}
	if err := durable.OS().SyncDir(f.path); err != nil {
		return nil, err
	}
	if f.left != nil && f.left.Path != in.to.Path {
		err = os.RemoveAll(f.left.Path)
	}
	f.newest, f.left = k, nil
	return k, err
}

func folderName(size uint64) string { return fmt.Sprintf("%020d", size) }

// admit refuses a plan that is not of the trail that is kept here, or of an earlier time.
func (f *Folder) admit(p *Plan, accept func(*Plan) error) error {
	if f.newest == nil {
		return nil
	}
	had := &f.newest.Plan
	switch {
	case had.Origin != p.Origin:
		return fmt.Errorf("%s has backups of the trail %s, and the server's is %s: choose another folder", f.path, had.Origin, p.Origin)
	case p.TreeSize < had.TreeSize:
		return &ContradictionError{fmt.Sprintf("the server's trail has %d entries, and the newest backup in %s has %d: the server was rolled back, or its tail was dropped", p.TreeSize, f.path, had.TreeSize)}
	}
	return accept(p)
}

// receiving is one backup on its way to the disk.
type receiving struct {
	ctx     context.Context
	folder  *Folder
	archive *archive
	to      *Kept
	show    func(done, total int64)

	done, total int64
}

func (in *receiving) run() error {
	if left := in.folder.left; left != nil && left.Path != in.to.Path {
		// What is there of it goes on under the new name.
		if err := os.Rename(left.Path, in.to.Path); err != nil {
			return err
		}
		left.Path = in.to.Path
	}
	if err := durable.OS().MkdirAll(in.to.Path, durable.DirMode); err != nil {
		return err
	}
	text, err := json.MarshalIndent(&in.to.Plan, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	for _, f := range in.to.Plan.Files {
		in.total += f.Size
	}
	in.retire()
	if err := durable.WriteFile(durable.OS(), in.to.file(PlanName), text); err != nil {
		return err
	}
	for i := range in.to.Plan.Files {
		if err := in.ctx.Err(); err != nil {
			return err
		}
		if err := in.take(i); err != nil {
			return fmt.Errorf("%s: %w", in.to.Plan.Files[i].Name, err)
		}
	}
	if err := in.archive.end(); err != nil {
		return err
	}
	in.to.sums[PlanName] = hexSum(sha256.Sum256(text))
	return in.finish()
}

// retire removes what a broken off backup has and this one has not in the same version.
func (in *receiving) retire() {
	left := in.folder.left
	if left == nil {
		return
	}
	now := map[string]File{}
	for _, f := range in.to.Plan.Files {
		now[f.Name] = f
	}
	for _, f := range left.Plan.Files {
		if n := now[f.Name]; n.Version == "" || n.Version != f.Version || n.Size != f.Size {
			_ = os.Remove(left.file(f.Name)) // what stays is written over
		}
	}
}

// take brings file i: from the archive, from the backup before, or from one that broke off.
func (in *receiving) take(i int) error {
	f := &in.to.Plan.Files[i]
	from, err := in.archive.next(i)
	if err != nil {
		return err
	}
	name := in.to.file(f.Name)
	if err := durable.OS().MkdirAll(filepath.Dir(name), durable.DirMode); err != nil {
		return err
	}
	switch before := in.folder.newest; {
	case from < f.Size || f.Size == 0:
		err = in.write(f, from)
	case before != nil && before.has(f):
		if err = os.Remove(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = linkOrCopy(before.file(f.Name), name, f.Size)
		}
		in.to.sums[f.Name] = before.sums[f.Name]
	default: // it is there
		in.to.sums[f.Name], err = sumFile(name, f.Size)
	}
	in.advance(f.Size)
	return err
}

// has tells whether a kept backup has a file as it is in another plan.
func (k *Kept) has(f *File) bool {
	for _, mine := range k.Plan.Files {
		if mine.Name == f.Name {
			return mine.Size == f.Size && mine.Version == f.Version
		}
	}
	return false
}

// write writes a file of which the archive has what is from from on. What comes before it is in the backup before. The
// file gets its name when it is whole: one that is there under its name need not come again, and may be shared.
func (in *receiving) write(f *File, from int64) error {
	sum := sha256.New()
	out, err := durable.Replace(durable.OS(), in.to.file(f.Name), func(out durable.File) error {
		both := io.MultiWriter(io.NewOffsetWriter(out, 0), sum)
		if from > 0 {
			before, err := os.Open(in.folder.newest.file(f.Name))
			if err != nil {
				return err
			}
			defer before.Close()
			if _, err := io.CopyN(both, before, from); err != nil {
				return err
			}
			// Damage of what is kept would else get a hash that says it is whole.
			if hexSum([sha256.Size]byte(sum.Sum(nil))) != in.folder.newest.sums[f.Name] {
				return &CorruptError{in.folder.newest.file(f.Name), "it has another hash than " + SumsName + " says"}
			}
		}
		if _, err := io.CopyN(both, &watched{in.archive.tar, in}, f.Size-from); err != nil {
			return broken(err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	in.done -= f.Size - from // it is counted with the whole
	in.to.sums[f.Name] = hex.EncodeToString(sum.Sum(nil))
	return out.Close()
}

// watched tells how much of an archive was read.
type watched struct {
	r  io.Reader
	in *receiving
}

func (w *watched) Read(b []byte) (int, error) {
	if err := w.in.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.r.Read(b)
	w.in.advance(int64(n))
	return n, err
}

func (in *receiving) advance(n int64) {
	if in.done += n; in.show != nil {
		in.show(in.done, in.total)
	}
}

// finish writes the hashes and makes all names last.
func (in *receiving) finish() error {
	var lines strings.Builder
	fmt.Fprintf(&lines, "%s  %s\n", in.to.sums[PlanName], PlanName)
	folders := map[string]bool{in.to.Path: true}
	for _, f := range in.to.Plan.Files {
		fmt.Fprintf(&lines, "%s  %s\n", in.to.sums[f.Name], f.Name)
		folders[filepath.Dir(in.to.file(f.Name))] = true
	}
	fsys := durable.OS()
	if err := durable.WriteFile(fsys, in.to.file(SumsName), []byte(lines.String())); err != nil {
		return err
	}
	for folder := range folders {
		if err := fsys.SyncDir(folder); err != nil {
			return err
		}
	}
	return nil
}

// linkOrCopy gives a file that nobody changes a second name, or where the file system has none, a second copy.
func linkOrCopy(from, to string, size int64) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := durable.Replace(durable.OS(), to, func(out durable.File) error {
		_, err := io.CopyN(io.NewOffsetWriter(out, 0), in, size)
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}

func hexSum(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) }

// sumFile hashes a file of that size.
func sumFile(name string, size int64) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err == nil && n != size {
		err = fmt.Errorf("it has %d bytes, not %d", n, size)
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}
