package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"countersign/internal/durable"
)

// folders are the names of kept backups.
var folders = regexp.MustCompile(`^[0-9]{20}$`)

// Newest returns the backup in path, if that is one, or else the newest one in the folder path; fs.ErrNotExist when there
// is none.
func Newest(path string) (*Kept, error) {
	if _, err := os.Stat(filepath.Join(path, PlanName)); err == nil {
		return openKept(path)
	}
	all, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(all) {
		if folders.MatchString(e.Name()) {
			return openKept(filepath.Join(path, e.Name()))
		}
	}
	return nil, fmt.Errorf("there is no backup in %s: %w", path, fs.ErrNotExist)
}

// openKept reads the plan and the hashes of a whole backup.
func openKept(path string) (*Kept, error) {
	k := &Kept{Path: path, sums: map[string]string{}}
	sums, err := durable.ReadFile(durable.OS(), k.file(SumsName), maxPlanBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &CorruptError{k.file(SumsName), "it is missing"}
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(sums)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if b, err := hex.DecodeString(sum); !ok || err != nil || len(b) != sha256.Size || !strings.HasSuffix(line, "\n") || k.sums[name] != "" {
			return nil, &CorruptError{k.file(SumsName), "a line is not as it was written"}
		}
		k.sums[name] = sum
	}
	text, err := durable.ReadFile(durable.OS(), k.file(PlanName), maxPlanBytes)
	if err != nil {
		return nil, err
	}
	if hexSum(sha256.Sum256(text)) != k.sums[PlanName] {
		return nil, &CorruptError{k.file(PlanName), "it has another hash than " + SumsName + " says"}
	}
	if k.Plan, err = parsePlan(text); err != nil {
		return nil, &CorruptError{k.file(PlanName), err.Error()}
	}
	for _, f := range k.Plan.Files {
		if k.sums[f.Name] == "" {
			return nil, &CorruptError{k.file(SumsName), "it has no hash of " + f.Name}
		}
	}
	if len(k.sums) != len(k.Plan.Files)+1 {
		return nil, &CorruptError{k.file(SumsName), "it has hashes of other files than the plan"}
	}
	return k, nil
}

// readPart reads the plan of a backup that broke off.
func readPart(path string) (*Kept, error) {
	k := &Kept{Path: path}
	text, err := durable.ReadFile(durable.OS(), k.file(PlanName), maxPlanBytes)
	if err == nil {
		k.Plan, err = parsePlan(text)
	}
	return k, err
}

// Restore copies a kept backup to a directory that is missing or empty, and holds every file to its hash on the way.
// Nothing is left behind when it fails. The manifest comes last: without it the directory is none.
func (k *Kept) Restore(ctx context.Context, to string, show func(done, total int64)) (err error) {
	if left, err := os.ReadDir(to); err == nil && len(left) > 0 {
		return fmt.Errorf("%s is not empty: a backup is restored to a directory of its own", to)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := durable.OS().MkdirAll(to, durable.DirMode); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, empty(to))
		}
	}()
	var done, total int64
	for _, f := range k.Plan.Files {
		total += f.Size
	}
	files := slices.Clone(k.Plan.Files)
	slices.SortStableFunc(files, func(a, b File) int { return last(a.Name) - last(b.Name) })
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := k.copyFile(&f, filepath.Join(to, filepath.FromSlash(f.Name))); err != nil {
			return err
		}
		if done += f.Size; show != nil {
			show(done, total)
		}
	}
	return nil
}

// last puts the manifest behind all others.
func last(name string) int {
	if name == "manifest" {
		return 1
	}
	return 0
}

// empty removes what is in a folder.
func empty(folder string) error {
	all, err := os.ReadDir(folder)
	for _, e := range all {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, e.Name())))
	}
	return err
}

func (k *Kept) copyFile(f *File, to string) error {
	in, err := os.Open(k.file(f.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return &CorruptError{k.file(f.Name), "it is missing"}
	}
	if err != nil {
		return err
	}
	defer in.Close()
	fsys := durable.OS()
	if err := fsys.MkdirAll(filepath.Dir(to), durable.DirMode); err != nil {
		return err
	}
	out, err := durable.Replace(fsys, to, func(out durable.File) error {
		sum := sha256.New()
		n, err := io.Copy(io.NewOffsetWriter(out, 0), io.TeeReader(in, sum))
		switch {
		case err != nil:
			return err
		case n != f.Size:
			return &CorruptError{k.file(f.Name), fmt.Sprintf("it has %d bytes, not %d", n, f.Size)}
		case hex.EncodeToString(sum.Sum(nil)) != k.sums[f.Name]:
			return &CorruptError{k.file(f.Name), "it has another hash than " + SumsName + " says"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.Close()
}
