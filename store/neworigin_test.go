package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/event"
	"countersign/internal/crashfs"
	"countersign/internal/durable"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/store"
	"countersign/store/storetest"
	"countersign/verify"
)

// renamed opens the trail in a directory under a new origin.
func renamed(t *testing.T, dir string, o store.Options, origin string) (*store.Store, error) {
	t.Helper()
	d, err := store.Claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.NewOrigin(t.Context(), o, origin)
	if err != nil {
		return nil, errors.Join(err, d.Release())
	}
	return s, nil
}

func loseKeys(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
}

func vkeys(t *testing.T, keys ...string) merkle.Keys {
	t.Helper()
	parsed, err := merkle.ParseKeys([]byte(strings.Join(keys, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// A trail goes on without its keys: what was recorded is there, old checkpoints are good under the old keys, new ones
// have the new name, and the tree tells of the change. The time of the old keys is over, also of one whose overlap was not.
func TestATrailGoesOnUnderANewOrigin(t *testing.T) {
	for name, sealed := range map[string]int{"in the log": 20, "sealed": 600} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(storetest.Seed(t), 81))
			dir, o := t.TempDir(), small
			o.Origin, o.PublishEvery = "example.com/old", -1
			s := openTrail(t, dir, o)
			record(t, s, r, sealed)
			if _, err := s.RotateKey(t.Context(), 10_000); err != nil {
				t.Fatal(err)
			}
			record(t, s, r, 5)
			old := publish(t, s)
			s.WaitKept(never)
			before := s.Keys()
			closeTrail(t, s)
			loseKeys(t, dir)

			o.Origin = ""
			_, err := store.Open(dir, o)
			if err == nil || !strings.Contains(err.Error(), "put the file back") || !strings.Contains(err.Error(), "countersign restore --new-origin") {
				t.Fatalf("without its key: %v", err)
			}
			if s, err = renamed(t, dir, o, "example.com/new"); err != nil {
				t.Fatal(err)
			}
			m := modelOf(t, s)
			record(t, s, r, 3)
			c := publish(t, s)
			if s.Origin() != "example.com/new" || c.Origin != "example.com/new" || strings.Count(string(c.Note), "— ") != 1 {
				t.Errorf("goes on as %s: %s", s.Origin(), c.Note)
			}
			fact, err := s.Entry(old.Size)
			if err != nil || fact.Kind != event.KindKey || !strings.Contains(fact.Statement, fmt.Sprintf(`"previous_valid_until":%d,"valid_from":%d}`, old.Size, old.Size+1)) {
				t.Errorf("entry %d: %+v, %v", old.Size, fact, err)
			}
			path, err := s.Consistency(old.Size, c.Size)
			if err == nil {
				err = merkle.CheckConsistency(path, old.Size, old.Root, c.Size, c.Root)
			}
			if err != nil {
				t.Error(err)
			}
			closeTrail(t, s)

			origin, keys, err := store.Keys(dir)
			if err != nil || origin != "example.com/new" || len(keys) != 3 || *keys[0].Until != old.Size || *keys[1].Until != old.Size || keys[2].Until != nil {
				t.Errorf("keys %+v, %v", keys, err)
			}
			if report, err := store.Check(t.Context(), dir, checkKey); err != nil || !report.OK() {
				t.Errorf("%+v, %v", report, err)
			}
			v, err := verify.Data(t.Context(), dir, verify.Options{Keys: vkeys(t, before[1].VKey, keys[2].VKey), Kept: []merkle.Checkpoint{old, c}})
			if err != nil || !v.OK() {
				t.Errorf("%+v, %v", v, err)
			}
			for range 2 { // the second time with the manifest that the first wrote
				s = openTrail(t, dir, o)
				if got := modelOf(t, s); got.Entries[0].ID != m.Entries[0].ID || s.Origin() != "example.com/new" {
					t.Errorf("reopened as %s", s.Origin())
				}
				closeTrail(t, s)
			}
		})
	}
}

func TestANewOriginIsANameThatTheTrailNeverHad(t *testing.T) {
	dir, o := t.TempDir(), quiet
	o.Origin = "example.com/old"
	s := openTrail(t, dir, o)
	record(t, s, rand.New(rand.NewPCG(storetest.Seed(t), 82)), 3)
	closeTrail(t, s)
	manifest := readFile(t, dir, "manifest")
	for _, origin := range []string{"example.com/old", "", "a b"} {
		if _, err := renamed(t, dir, quiet, origin); err == nil {
			t.Errorf("taken: %q", origin)
		}
	}
	if readFile(t, dir, "manifest") != manifest {
		t.Error("a refusal changed the manifest")
	}
	for _, origin := range []string{"example.com/new", "example.com/newer"} {
		s, err := renamed(t, dir, quiet, origin)
		if err != nil {
			t.Fatal(err)
		}
		closeTrail(t, s)
	}
	for _, origin := range []string{"example.com/old", "example.com/new"} {
		if _, err := renamed(t, dir, quiet, origin); err == nil || !strings.Contains(err.Error(), "a name that it never had") {
			t.Errorf("%q again: %v", origin, err)
		}
	}
	// The same once more changes nothing; with the key lost it is a name like the others.
	s, err := renamed(t, dir, quiet, "example.com/newer")
	if err != nil || len(s.Keys()) != 3 {
		t.Fatalf("%v", err)
	}
	closeTrail(t, s)
	loseKeys(t, dir)
	if _, err := renamed(t, dir, quiet, "example.com/newer"); err == nil {
		t.Error("a second key for a name whose key is lost")
	}
}

func readFile(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A checkpoint file of the old name that says more than the directory has keeps the new name from recording; what it has
// within its time is good.
func TestACheckpointFileOfTheOldNameIsHeldToItsTime(t *testing.T) {
	r := rand.New(rand.NewPCG(storetest.Seed(t), 83))
	dir, o := t.TempDir(), quiet
	o.CheckpointFile = filepath.Join(t.TempDir(), "kept")
	s := openTrail(t, dir, o)
	record(t, s, r, 3)
	closeTrail(t, s)
	early := readFile(t, o.CheckpointFile, "")
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s = openTrail(t, dir, o)
	record(t, s, r, 3)
	closeTrail(t, s)
	late := readFile(t, o.CheckpointFile, "")

	loseKeys(t, copied)
	s, err := renamed(t, copied, o, "example.com/new")
	if err != nil {
		t.Fatal(err)
	}
	record(t, s, r, 9)
	closeTrail(t, s)
	for name, c := range map[string]struct {
		note  string
		taken bool
	}{"early": {early, true}, "late": {late, false}} {
		if err := os.WriteFile(o.CheckpointFile, []byte(c.note), 0o600); err != nil {
			t.Fatal(err)
		}
		s := openTrail(t, copied, o)
		if err := s.ReadOnly(); (err == nil) != c.taken || err != nil && !strings.Contains(err.Error(), "the checkpoint in --checkpoint-file is none of this trail") {
			t.Errorf("%s: %v", name, err)
		}
		closeTrail(t, s)
	}
}

// TestACrashLeavesTheOldOriginOrTheNewOne lets every call of the disk fail while a trail gets a new origin, in each way a
// call can fail, and takes the power away. After that the trail is as before, and the change can be made, or it is made.
func TestACrashLeavesTheOldOriginOrTheNewOne(t *testing.T) {
	seed := storetest.Seed(t)
	r := rand.New(rand.NewPCG(seed, 84))
	base := crashfs.New()
	s, err := openOn(base)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Append(t.Context(), batch(r, 200), "w"); err != nil {
			t.Fatal(err)
		}
	}
	s.WaitKept(never)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	oldOrigin, oldKey := s.Origin(), s.Keys()[0].VKey
	names, err := base.ReadDir("/data/keys")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := errors.Join(base.Remove("/data/keys/"+n), base.SyncDir("/data/keys")); err != nil {
			t.Fatal(err)
		}
	}
	made, repeated := 0, 0
	for call := int64(1); ; call++ {
		ran := false
		for mode := crashfs.NotDone; mode <= crashfs.Partly; mode++ {
			fs := base.Crash(seed)
			start := fs.Calls()
			fs.SetFault(crashfs.Fault{Call: start + call, Mode: mode, Sticky: mode == crashfs.NotDone})
			changed := giveOrigin(fs)
			ran = ran || fs.Calls() >= start+call
			when := fmt.Sprintf("call %d %v", call, mode)
			fs = fs.Crash(seed + uint64(call))
			s, err := openOn(fs)
			switch {
			case err == nil:
				made++
			case changed:
				t.Fatalf("%s: the change was confirmed: %v", when, err)
			case !strings.Contains(err.Error(), "countersign restore --new-origin"):
				t.Fatalf("%s: %v", when, err)
			default:
				repeated++
				if !giveOrigin(fs) {
					t.Fatalf("%s: the change cannot be repeated", when)
				}
				if s, err = openOn(fs); err != nil {
					t.Fatalf("%s: %v", when, err)
				}
			}
			if _, err := s.Append(t.Context(), []event.Event{testkit.Random(r)}, "w"); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			if keys := s.Keys(); s.Origin() != "example.com/new" || len(keys) != 2 {
				t.Fatalf("%s: %s, %v", when, s.Origin(), keys)
			}
			if err := s.Close(); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			verifyOn(t, fs, when, oldOrigin, vkeys(t, oldKey, s.Keys()[1].VKey))
		}
		if !ran {
			break
		}
	}
	if made == 0 || repeated == 0 {
		t.Errorf("after %d crashes the change was made, after %d not", made, repeated)
	}
}

// giveOrigin makes the change and tells whether it was confirmed.
func giveOrigin(fs *crashfs.FS) bool {
	d, err := store.ClaimOn(fs, "/data")
	if err != nil {
		return false
	}
	o := small
	o.PublishEvery = -1
	s, err := d.NewOrigin(context.Background(), o, "example.com/new")
	if err != nil {
		d.Release()
		return false
	}
	_ = s.Close() // what was confirmed is durable
	return true
}

func verifyOn(t *testing.T, fs durable.FS, when, oldOrigin string, keys merkle.Keys) {
	t.Helper()
	if report, err := store.CheckOn(fs, "/data", checkKey); err != nil || !report.OK() {
		t.Fatalf("%s: %+v, %v", when, report, err)
	}
	v, err := verify.Data(t.Context(), "/data", verify.Options{FS: fs, Keys: keys})
	if err != nil || !v.OK() || !strings.Contains(fmt.Sprint(v.Facts), oldOrigin) {
		t.Fatalf("%s: %+v, %v", when, v, err)
	}
}

// While the disk is full the newest published checkpoint must do for a backup, and its name may be that of before.
func TestABackupHasTheNameOfItsCheckpoint(t *testing.T) {
	fs := crashfs.New()
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), batch(rand.New(rand.NewPCG(1, 85)), 20), "w"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := store.ClaimOn(fs, "/data")
	if err != nil {
		t.Fatal(err)
	}
	o := small
	o.PublishEvery = -1
	if s, err = d.NewOrigin(t.Context(), o, "example.com/new"); err != nil {
		t.Fatal(err)
	}
	fs.SetSpace(0)
	b, err := s.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, err := b.Open(&b.Files[len(b.Files)-1], 0)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := io.ReadAll(in)
	if err != nil || b.Checkpoint.Size != 20 || strings.Contains(string(manifest), "example.com/new") || !strings.Contains(string(manifest), `"origin":"`+b.Checkpoint.Origin) {
		t.Errorf("a checkpoint of %s: %s, %v", b.Checkpoint.Origin, manifest, err)
	}
	b.Close()
	fs.SetSpace(-1)
	closeTrail(t, s)
}
