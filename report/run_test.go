package report_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"countersign/event"
	"countersign/identity"
	"countersign/internal/crashfs"
	"countersign/internal/durable"
	"countersign/problem"
	"countersign/query"
	"countersign/report"
)

// found returns the entries that a search text finds, in the order of the trail.
func (w *world) found(text string) []*event.Entry {
	w.Helper()
	f, err := query.Parse(text)
	w.must(err)
	var out []*event.Entry
	_, err = w.trail.Each(context.Background(), query.Query{Filter: f}, func(e *event.Entry) error {
		out = append(out, e)
		return nil
	})
	w.must(err)
	return out
}

// phases returns what the trail has of a run, in each of its accounts.
func (w *world) phases(id string) map[string][]string {
	out := map[string][]string{}
	for _, e := range w.found("action:=REPORT resource.id:=" + id) {
		out[e.Account.ID] = append(out[e.Account.ID], e.Attribute("phase").Value+" "+e.Outcome)
	}
	return out
}

func TestRunIsRecordedWhereItsScopeIs(t *testing.T) {
	w := newWorld(t, 200)
	whole := w.make(w.request("soc-2"))
	if got := w.phases("0197-report"); len(got) != 1 || !slices.Equal(got[identity.OwnAccount], []string{"begun unknown", "finished success"}) {
		t.Errorf("a report over everything: %v", got)
	}
	r := w.request("soc-2")
	r.ID, r.Accounts = "some", []string{w.estate.Accounts[1].ID, w.estate.Accounts[0].ID}
	w.make(r)
	if got := w.phases("some"); len(got) != 2 || len(got[r.Accounts[0]]) != 2 || len(got[r.Accounts[1]]) != 2 {
		t.Errorf("a report over two accounts: %v", got)
	}
	b, err := w.trail.EntryBytes(whole.PackSeq)
	w.must(err)
	kind, _, statement, err := event.DecodeEntryBytes(b)
	if err != nil || kind != event.KindPack || !strings.Contains(string(statement), whole.ManifestSHA256) || strings.Contains(string(statement), "Administrator") {
		t.Errorf("entry %d is %d, %s, %v", whole.PackSeq, kind, statement, err)
	}
}

// dirOf returns what is in the folder of a run.
func dirOf(t testing.TB, fs durable.FS) []string {
	t.Helper()
	names, err := fs.ReadDir("/run")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func newDisk(t testing.TB) *crashfs.FS {
	t.Helper()
	fs := crashfs.New()
	if err := fs.MkdirAll("/run", durable.DirMode); err != nil {
		t.Fatal(err)
	}
	return fs
}

// TestNoHalfPackIsLeft lets each call of the disk fail in turn, until a run is through.
func TestNoHalfPackIsLeft(t *testing.T) {
	w := newWorld(t, 60)
	f, err := report.Load([]byte(small))
	w.must(err)
	failed, step := 0, int64(1)
	for n := int64(1); ; n += step {
		fs := newDisk(t)
		w.maker.FS = fs
		before := fs.Calls()
		fs.SetFault(crashfs.Fault{Call: before + n})
		r := w.request("soc-2")
		r.Framework = f
		made, err := w.maker.Make(t.Context(), r, "/run", nil)
		if err == nil && fs.Calls() < before+n {
			if made == nil || failed == 0 {
				t.Errorf("the test does not test much: %v after %d failures", made, failed)
			}
			return
		}
		failed++
		names := dirOf(t, fs)
		if err == nil && slices.Contains(names, report.PackName) {
			continue // what failed was no part of the pack: taking a working file away, say
		}
		if err == nil || slices.Contains(names, report.PackName) {
			t.Fatalf("call %d fails: %v, and the folder has %v", n, err, names)
		}
		if n > 60 {
			step = 7 // all the same: writes of files of the pack
		}
	}
}

func TestFullDiskIsToldAndLeavesNothing(t *testing.T) {
	w := newWorld(t, 2000)
	for _, space := range []int64{0, 10_000, 100_000, 400_000} {
		fs := newDisk(t)
		fs.SetSpace(space)
		w.maker.FS = fs
		r := w.request("pci-dss")
		r.ID = fmt.Sprintf("full-%d", space)
		_, err := w.maker.Make(t.Context(), r, "/run", nil)
		if p, ok := errors.AsType[*problem.Error](err); !ok || p.Kind != problem.Unavailable || !strings.Contains(p.Detail, "disk is full") || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d bytes: %v", space, err)
		}
		if names := dirOf(t, fs); len(names) != 0 {
			t.Errorf("%d bytes: left behind: %v", space, names)
		}
		if got := w.phases(r.ID)[identity.OwnAccount]; !slices.Equal(got, []string{"begun unknown", "failed failure"}) {
			t.Errorf("%d bytes: recorded as %v", space, got)
		}
	}
}

func TestRunIsCancelledAtAnyTime(t *testing.T) {
	w := newWorld(t, 500)
	for _, phase := range []string{report.PhaseLooking, report.PhaseReading, report.PhaseProving, report.PhaseWriting, report.PhaseSealing} {
		fs := newDisk(t)
		w.maker.FS = fs
		ctx, cancel := context.WithCancel(t.Context())
		r := w.request("soc-2")
		r.ID = "cancelled-" + phase
		_, err := w.maker.Make(ctx, r, "/run", func(p report.Progress) {
			if p.Phase == phase {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) || report.Reason(err) != "the run was cancelled" {
			t.Errorf("%s: %v", phase, err)
		}
		if names := dirOf(t, fs); len(names) != 0 {
			t.Errorf("%s: left behind: %v", phase, names)
		}
		if got := w.phases(r.ID)[identity.OwnAccount]; !slices.Equal(got, []string{"begun unknown", "failed failure"}) {
			t.Errorf("%s: recorded as %v", phase, got)
		}
	}
}

func TestWhoLosesTheRightsGetsNoReport(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(w *world, id string)
	}{
		{"purged", func(w *world, id string) { w.must(w.people.DeleteUser(w.Context(), w.admin, id, true)) }},
		{"role taken", func(w *world, id string) {
			w.must(w.people.Revoke(w.Context(), w.admin, id, identity.Grant{Role: identity.Auditor, Account: w.estate.Accounts[0].ID}))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 300)
			r := w.request("soc-2")
			r.Caller = w.caller("auditor", identity.Grant{Role: identity.Auditor, Account: w.estate.Accounts[0].ID}, identity.Grant{Role: identity.Auditor, Account: w.estate.Accounts[1].ID})
			fs := newDisk(t)
			w.maker.FS = fs
			_, err := w.maker.Make(t.Context(), r, "/run", func(p report.Progress) {
				if p.Phase == report.PhaseProving {
					c.lose(w, r.Caller.UserID)
				}
			})
			if problem.KindOf(err) != problem.Denied {
				t.Errorf("it was made: %v", err)
			}
			if names := dirOf(t, fs); len(names) != 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

func TestUserPurgedDuringTheRunIsUnknown(t *testing.T) {
	w := newWorld(t, 1500)
	user := w.estate.People[0]
	w.maker.FS = newDisk(t)
	made, err := w.maker.Make(t.Context(), w.request("pci-dss"), "/run", func(p report.Progress) {
		if _, known := w.people.Roster(nil).Users[user.ID]; known && p.Phase == report.PhaseReading {
			w.must(w.people.DeleteUser(t.Context(), w.admin, user.ID, true))
		}
	})
	w.must(err)
	i := slices.IndexFunc(made.Report.People, func(p report.Person) bool { return p.ID == user.ID })
	if i < 0 || made.Report.People[i].State != report.KnownNot || len(made.Report.People[i].Roles) != 0 || made.Report.People[i].Name != user.Name() {
		t.Errorf("the report has %+v", made.Report.People[max(i, 0)])
	}
}

func TestFailedRenderingLeavesNothing(t *testing.T) {
	w := newWorld(t, 100)
	fs := newDisk(t)
	w.maker.FS = fs
	w.maker.Renderings = []report.Rendering{{Name: "report.txt", Title: "Text", Render: func(out io.Writer, r *report.Report) error {
		_, err := io.WriteString(out, r.Title)
		return errors.Join(err, errors.New("no font"))
	}}}
	_, err := w.maker.Make(t.Context(), w.request("soc-2"), "/run", nil)
	if err == nil || !strings.Contains(err.Error(), "no font") || len(dirOf(t, fs)) != 0 {
		t.Errorf("%v, left behind: %v", err, dirOf(t, fs))
	}
	if reason := report.Reason(err); strings.Contains(reason, "font") {
		t.Errorf("callers are told: %s", reason)
	}
}
