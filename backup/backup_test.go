package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/backup"
	"countersign/merkle"
)

// source is what a server has.
type source struct {
	t       testing.TB
	signer  *merkle.Signer
	plan    backup.Plan
	content map[string][]byte
	nonce   string // of the log
}

const logName = "wal/00000000000000000000.log"

func newSource(t testing.TB, origin string) *source {
	t.Helper()
	signer, err := merkle.NewSigner(origin)
	if err != nil {
		t.Fatal(err)
	}
	s := &source{t: t, signer: signer, content: map[string][]byte{}}
	s.grow(256)
	return s
}

// grow is what a server does between two backups.
func (s *source) grow(size uint64) {
	s.t.Helper()
	r := rand.New(rand.NewPCG(size, 1))
	fill := func(name string, n int) {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		s.content[name] = b
	}
	roots := append(s.content["roots"], make([]byte, int(size)*32-len(s.content["roots"]))...)
	for i := len(s.content["roots"]); i < len(roots); i++ {
		roots[i] = byte(r.Uint32())
	}
	s.content["roots"] = roots
	s.content["tiles/1"] = roots[:size>>8*32]
	fill(fmt.Sprintf("bodies/%020d.bodies", size-256), 50_000)
	maps.DeleteFunc(s.content, func(name string, _ []byte) bool { return strings.HasPrefix(name, "index/") && size%1024 == 0 })
	fill(fmt.Sprintf("index/%020d-%020d.index", 0, size), 3000)
	log := s.content[logName]
	fill(logName, 2000)
	s.content[logName] = append(slices.Clip(log), s.content[logName]...)
	for _, name := range []string{"salts", "manifest", "control.db", "checkpoints/00000000000000000001.notes"} {
		fill(name, 100+r.IntN(900))
	}
	c, err := merkle.Sign(s.signer.Origin(), size, merkle.Hash{byte(size)}, s.signer)
	if err != nil {
		s.t.Fatal(err)
	}
	var files []backup.File
	for _, name := range slices.Sorted(maps.Keys(s.content)) {
		f := backup.File{Name: name, Size: int64(len(s.content[name]))}
		switch {
		case strings.HasPrefix(name, "bodies/"), strings.HasPrefix(name, "index/"):
			f.Version = fmt.Sprintf("%x", len(name)+len(s.content[name]))
		case name == logName:
			f.Version, f.Grows = s.nonce, true
		case name == "roots", name == "tiles/1":
			f.Grows = true
		}
		files = append(files, f)
	}
	s.plan = backup.NewPlan(c, "test", time.Unix(int64(size), 0), files)
}

func (s *source) archive(have []backup.Held) []byte {
	s.t.Helper()
	var b bytes.Buffer
	err := backup.Write(&b, &s.plan, have, func(i int, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(s.content[s.plan.Files[i].Name][offset:])), nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b.Bytes()
}

func accept(*backup.Plan) error { return nil }

// take makes a backup as a client does, of an archive that may be changed on its way.
func (s *source) take(dir string, way func(b []byte, have []backup.Held) []byte) (*backup.Kept, int, error) {
	s.t.Helper()
	f, err := backup.OpenFolder(dir)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	have := f.Have()
	b := s.archive(have)
	if way != nil {
		b = way(b, have)
	}
	k, err := f.Receive(s.t.Context(), bytes.NewReader(b), have, accept, nil)
	return k, len(b), err
}

// check restores a backup and compares it with the source.
func (s *source) check(k *backup.Kept) {
	s.t.Helper()
	dir := filepath.Join(s.t.TempDir(), "restored")
	if err := k.Restore(s.t.Context(), dir, nil); err != nil {
		s.t.Fatal(err)
	}
	got := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		got[filepath.ToSlash(name)], err = os.ReadFile(path)
		if info, _ := d.Info(); info.Mode().Perm() != 0o600 {
			s.t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if !maps.EqualFunc(got, s.content, bytes.Equal) {
		s.t.Fatalf("restored are %v, not %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(s.content)))
	}
}

func TestALaterBackupBringsWhatIsNew(t *testing.T) {
	dir := t.TempDir()
	s := newSource(t, "example.com/trail")
	var kept []*backup.Kept
	var earlier []*source
	whole := 0
	for size := uint64(256); size <= 2048; size += 256 {
		s.grow(size)
		k, sent, err := s.take(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		whole = len(s.archive(nil))
		if size > 1024 && sent > whole/2 {
			t.Errorf("at %d: %d of %d bytes were sent", size, sent, whole)
		}
		s.check(k)
		kept = append(kept, k)
		earlier = append(earlier, &source{t: t, plan: s.plan, content: maps.Clone(s.content)})
	}
	for i, k := range kept { // an earlier one is as it was
		earlier[i].check(k)
	}
	again, _, err := s.take(dir, nil)
	if err != nil || again.Path != kept[len(kept)-1].Path {
		t.Errorf("the same again: %v, %v", again, err)
	}
	newest, err := backup.Newest(dir)
	if err != nil || newest.Plan.TreeSize != 2048 {
		t.Errorf("the newest: %v, %v", newest, err)
	}
	one, err := backup.Newest(kept[2].Path)
	if err != nil || one.Plan.TreeSize != kept[2].Plan.TreeSize {
		t.Errorf("one of them: %v, %v", one, err)
	}
}

// What is kept of a file that grows is the beginning of the next one only if it is the same file, and whole.
func TestAFileThatGrowsGoesOnFromWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	s := newSource(t, "example.com/trail")
	var sent int
	look := func(b []byte, _ []backup.Held) []byte {
		sent = bytes.Count(b, s.content[logName][:500])
		return b
	}
	for i, step := range []struct {
		nonce string
		want  int // times that the beginning of the log is sent
	}{{"one", 1}, {"one", 0}, {"two", 1}, {"two", 0}} {
		s.nonce = step.nonce
		if step.want > 0 {
			delete(s.content, logName)
		}
		s.grow(uint64(i+2) * 256)
		k, _, err := s.take(dir, look)
		if err != nil || sent != step.want {
			t.Fatalf("step %d: the log is sent %d times, %v", i, sent, err)
		}
		s.check(k)
	}
	newest, err := backup.Newest(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(newest.Path, "roots"))
	if err != nil {
		t.Fatal(err)
	}
	b[77] ^= 1
	if err := os.WriteFile(filepath.Join(newest.Path, "roots"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	s.grow(2048)
	_, _, err = s.take(dir, nil)
	if damaged, ok := errors.AsType[*backup.CorruptError](err); !ok || damaged.File != filepath.Join(newest.Path, "roots") {
		t.Errorf("what is kept was changed: %v", err)
	}
}

func TestABackupThatBrokeOffIsGoneOnWith(t *testing.T) {
	dir := t.TempDir()
	s := newSource(t, "example.com/trail")
	if _, _, err := s.take(dir, nil); err != nil {
		t.Fatal(err)
	}
	first := &source{t: t, plan: s.plan, content: maps.Clone(s.content)}
	for size := uint64(512); size <= 1536; size += 256 {
		s.grow(size)
	}
	r := rand.New(rand.NewPCG(1, 2))
	left, whole := 0, 0
	for i := range 40 {
		_, n, err := s.take(dir, func(b []byte, have []backup.Held) []byte {
			if whole == 0 {
				whole = len(b)
			}
			left = len(b)
			if i == 39 {
				return b
			}
			return b[:r.IntN(len(b)-2048)] // without the two blocks of zeros that end it
		})
		if (err == nil) != (i == 39) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if _, err := backup.Newest(dir); err != nil {
			t.Fatal(err)
		}
		if i%8 == 7 && i < 39 { // what is there is of an earlier moment by now
			s.grow(1536 + uint64(i/8+1)*256)
		}
	}
	if left > whole*3/4 {
		t.Errorf("the last time %d bytes were sent, the first time %d", left, whole)
	}
	newest, err := backup.Newest(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.check(newest)
	if parts, _ := filepath.Glob(filepath.Join(dir, "*.partial")); len(parts) > 0 {
		t.Errorf("left behind: %v", parts)
	}
	before, err := backup.Newest(filepath.Join(dir, fmt.Sprintf("%020d", 256)))
	if err != nil {
		t.Fatal(err)
	}
	first.check(before)
}

func TestEveryChangedByteOfABackupIsFound(t *testing.T) {
	dir := t.TempDir()
	s := newSource(t, "example.com/trail")
	k, _, err := s.take(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	to := filepath.Join(t.TempDir(), "restored")
	err = filepath.WalkDir(k.Path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for at := range whole {
			if r.IntN(max(1, len(whole)/20)) > 0 {
				continue
			}
			b := bytes.Clone(whole)
			b[at] ^= byte(1 + r.IntN(255))
			if err := os.WriteFile(path, b, 0o600); err != nil {
				return err
			}
			if err := restore(t, k.Path, to); err == nil || !strings.Contains(err.Error(), k.Path) {
				t.Errorf("%s, byte %d: %v", path, at, err)
			}
		}
		for name, b := range map[string][]byte{"cut off": whole[:len(whole)/2], "longer": append(bytes.Clone(whole), 0)} {
			if len(whole) == 0 && name == "cut off" {
				continue
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				return err
			}
			if err := restore(t, k.Path, to); err == nil {
				t.Errorf("%s is %s: %v", path, name, err)
			}
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		if err := restore(t, k.Path, to); err == nil {
			t.Errorf("%s is missing and not missed", path)
		}
		return os.WriteFile(path, whole, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := restore(t, k.Path, to); err != nil {
		t.Error(err)
	}
}

// restore restores a backup and removes what was restored. Nothing may be there after a failure.
func restore(t *testing.T, from, to string) error {
	t.Helper()
	k, err := backup.Newest(from)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	err = k.Restore(t.Context(), to, nil)
	left, _ := os.ReadDir(to)
	if err != nil && len(left) > 0 {
		t.Errorf("after %v there is %v", err, left)
	}
	os.RemoveAll(to)
	return err
}

func TestArchivesThatDoNotAddUpAreRefused(t *testing.T) {
	s := newSource(t, "example.com/trail")
	s.grow(512)
	with := func(change func(p *backup.Plan)) func([]byte, []backup.Held) []byte {
		return func(_ []byte, have []backup.Held) []byte {
			other := *s
			other.plan.Files = slices.Clone(s.plan.Files)
			other.content = maps.Clone(s.content)
			change(&other.plan)
			for _, f := range other.plan.Files {
				other.content[f.Name] = make([]byte, max(0, f.Size))
			}
			return other.archive(have)
		}
	}
	for name, way := range map[string]func([]byte, []backup.Held) []byte{
		"nothing":           func([]byte, []backup.Held) []byte { return nil },
		"no archive":        func([]byte, []backup.Held) []byte { return bytes.Repeat([]byte("no archive "), 500) },
		"without its end":   func(b []byte, _ []backup.Held) []byte { return b[:len(b)-2000] },
		"another format":    with(func(p *backup.Plan) { p.Format = 2 }),
		"outside":           with(func(p *backup.Plan) { p.Files[0].Name = "../outside" }),
		"absolute":          with(func(p *backup.Plan) { p.Files[0].Name = "/etc/passwd" }),
		"a key":             with(func(p *backup.Plan) { p.Files[0].Name = "keys/00000000.key" }),
		"a folder upwards":  with(func(p *backup.Plan) { p.Files[0].Name = "wal/../../00000000000000000000.log" }),
		"the same twice":    with(func(p *backup.Plan) { p.Files[1] = p.Files[0] }),
		"no manifest":       with(func(p *backup.Plan) { p.Files = p.Files[:3] }),
		"another size":      with(func(p *backup.Plan) { p.TreeSize++ }),
		"another origin":    with(func(p *backup.Plan) { p.Origin = "example.com/other" }),
		"no checkpoint":     with(func(p *backup.Plan) { p.Checkpoint = "none" }),
		"more than planned": func(b []byte, have []backup.Held) []byte { return append(b[:len(b)-1024], b...) },
	} {
		dir := t.TempDir()
		if k, _, err := s.take(dir, way); err == nil {
			t.Errorf("%s: kept as %s", name, k.Path)
		}
		if _, err := backup.Newest(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: there is a backup, %v", name, err)
		}
	}
}

func TestAFolderKeepsToOneTrail(t *testing.T) {
	dir := t.TempDir()
	s := newSource(t, "example.com/trail")
	s.grow(1024)
	if _, _, err := s.take(dir, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := newSource(t, "example.com/other").take(dir, nil); err == nil || !strings.Contains(err.Error(), "choose another folder") {
		t.Errorf("another trail: %v", err)
	}
	shorter := newSource(t, "example.com/trail")
	if _, _, err := shorter.take(dir, nil); err == nil || !strings.Contains(err.Error(), "rolled back") {
		t.Errorf("a shorter trail: %v", err)
	}
	f, err := backup.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.OpenFolder(dir); err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("a second process: %v", err)
	}
	forked := errors.New("another history")
	s.grow(1280)
	if _, err := f.Receive(t.Context(), bytes.NewReader(s.archive(f.Have())), f.Have(), func(*backup.Plan) error { return forked }, nil); !errors.Is(err, forked) {
		t.Errorf("a plan that was not accepted: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Receive(ended, bytes.NewReader(s.archive(f.Have())), f.Have(), accept, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "something"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := restore2(t, dir, full); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("restored over something: %v", err)
	}
	if _, err := os.Stat(filepath.Join(full, "something")); err != nil {
		t.Error(err)
	}
}

func restore2(t *testing.T, from, to string) error {
	t.Helper()
	k, err := backup.Newest(from)
	if err != nil {
		return err
	}
	return k.Restore(t.Context(), to, nil)
}

// FuzzArchive reads any bytes as an archive. A plan that is taken names nothing that lies elsewhere, and comes out of its own
// archive as it was.
func FuzzArchive(f *testing.F) {
	s := newSource(f, "example.com/trail")
	s.plan.Files = []backup.File{{Name: "control.db", Size: 3}, {Name: "manifest", Size: 4, Version: "v"}}
	s.content = map[string][]byte{"control.db": []byte("abc"), "manifest": []byte("text")}
	f.Add(s.archive(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := backup.ReadArchive(bytes.NewReader(b), nil)
		if err != nil {
			return
		}
		total := int64(0)
		for _, file := range p.Files {
			if !filepath.IsLocal(file.Name) || strings.HasPrefix(file.Name, "keys") {
				t.Errorf("the plan has %q", file.Name)
			}
			total += file.Size
		}
		if total > int64(len(b)) {
			t.Fatalf("%d bytes came out of %d", total, len(b))
		}
		var again bytes.Buffer
		if err := backup.Write(&again, p, nil, func(i int, offset int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(make([]byte, p.Files[i].Size-offset))), nil
		}); err != nil {
			t.Fatal(err)
		}
		if q, err := backup.ReadArchive(&again, nil); err != nil || !reflect.DeepEqual(p, q) {
			t.Errorf("%+v came back as %+v, %v", p, q, err)
		}
	})
}
