package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"countersign/client"
)

// job is what an export is to bring and how far it has come: enough to go on with it. It stands in a file
// beside the part.
type job struct {
	Server   string          `json:"server"`
	Text     string          `json:"query"`
	From     string          `json:"from"`
	To       string          `json:"to"`
	AsOf     *uint64         `json:"as_of,omitempty"` // as asked for
	Format   string          `json:"format"`
	Proof    bool            `json:"proof,omitempty"`
	Progress client.Progress `json:"progress"`
}

func (j job) query() client.Query {
	return client.Query{Text: j.Text, From: j.From, To: j.To, AsOf: j.AsOf}
}

// keepEvery is how much work a loss of power may cost.
const keepEvery = 2 * time.Second

func partName(out string) string { return out + ".part" }
func jobName(out string) string  { return out + ".part.json" }

// part is a file that is not complete. It has whole rows only, up to job.Progress.Bytes; what may stand after
// that, when a call ended without a chance to say so, is cut off by the next.
type part struct {
	f    *os.File
	out  string
	job  job
	kept time.Time
	err  error // of keeping
}

func mustNotExist(name, why string) error {
	switch _, err := os.Lstat(name); {
	case err == nil:
		return fmt.Errorf("%s: %s", name, why)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// createPart makes an empty part.
func createPart(out string, j job, force bool) (*part, error) {
	flag := os.O_CREATE | os.O_RDWR
	if !force {
		flag |= os.O_EXCL
	}
	// The trail is not for everybody who has an account on this machine.
	f, err := os.OpenFile(partName(out), flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := claim(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	p := &part{f: f, out: out, job: j}
	err = f.Truncate(0)
	if err == nil {
		err = p.save()
	}
	if err != nil {
		return nil, errors.Join(err, p.abandon())
	}
	return p, nil
}

// claim makes sure that nobody else writes the part, for as long as it is open: a command that is started again
// while the first still waits for the server would spoil it.
func claim(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%s: another export is writing it", f.Name())
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}

// openPart opens the part that an earlier call left. Where the command line says what is to be exported it
// must be the same.
func openPart(out string, wanted job, said bool) (*part, error) {
	f, err := os.OpenFile(partName(out), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no export to %s to go on with: leave --resume out", out)
	}
	if err != nil {
		return nil, err
	}
	p := &part{f: f, out: out}
	err = claim(f)
	if err == nil {
		err = p.load(wanted, said)
	}
	if err == nil {
		err = p.rewind()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// load reads how far the part has come.
func (p *part) load(wanted job, said bool) error {
	out := p.out
	b, err := os.ReadFile(jobName(out))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing, which says what %s is: begin anew with --force", jobName(out), partName(out))
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &p.job); err != nil {
		return fmt.Errorf("%s is damaged (%w): begin anew with --force", jobName(out), err)
	}
	if p.job.Server != wanted.Server {
		return fmt.Errorf("%s is of the server %s, not %s, which has other entries: begin anew with --force", partName(out), p.job.Server, wanted.Server)
	}
	if p.job.Proof {
		return fmt.Errorf("%s is of an export with proof, which cannot be gone on with: begin anew with --force", partName(out))
	}
	if said && !p.job.same(wanted) {
		return fmt.Errorf("%s is of another export (query %q, from %q, to %q, format %s): leave these out, or begin anew with --force",
			partName(out), p.job.Text, p.job.From, p.job.To, p.job.Format)
	}
	return nil
}

// same tells whether two jobs bring the same.
func (j job) same(o job) bool {
	return j.Text == o.Text && j.From == o.From && j.To == o.To && j.Format == o.Format &&
		(o.AsOf == nil || *o.AsOf == j.Progress.TreeSize)
}

// rewind cuts off what is not known to be whole.
func (p *part) rewind() error {
	info, err := p.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < p.job.Progress.Bytes {
		return fmt.Errorf("%s has %d bytes where %d were written: begin anew with --force", partName(p.out), info.Size(), p.job.Progress.Bytes)
	}
	if err := p.f.Truncate(p.job.Progress.Bytes); err != nil {
		return err
	}
	_, err = p.f.Seek(0, io.SeekEnd)
	return err
}

// Write appends to the part.
func (p *part) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	return p.f.Write(b)
}

// advance takes note of how far the part has come, now and then on the disk.
func (p *part) advance(at client.Progress, now time.Time) {
	p.job.Progress = at
	if at.Complete || now.Sub(p.kept) < keepEvery {
		return
	}
	p.kept = now
	p.err = p.save()
}

// save writes the job to the disk, after what it counts.
func (p *part) save() error {
	if err := p.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", partName(p.out), err)
	}
	b, err := json.MarshalIndent(p.job, "", "  ")
	if err != nil {
		return err
	}
	name := jobName(p.out)
	if err := writeSynced(name+".new", append(b, '\n')); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(p.out)
}

// keep closes a part that is not complete.
func (p *part) keep() error { return errors.Join(p.save(), p.f.Close()) }

// abandon closes a part, and removes one with nothing in it.
func (p *part) abandon() error {
	if p.job.Progress.Bytes > 0 {
		return p.f.Close()
	}
	return errors.Join(os.Remove(partName(p.out)), removeIfThere(jobName(p.out)), p.f.Close())
}

// discard closes and removes a part that nothing can go on with.
func (p *part) discard() error {
	p.job.Progress.Bytes = 0
	return p.abandon()
}

// finish gives a complete part its name, once all of it is on the disk. It is closed last: until the job is gone
// another call could take it for one to go on with.
func (p *part) finish() error { return errors.Join(p.settle(), p.f.Close()) }

func (p *part) settle() error {
	if err := p.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", partName(p.out), err)
	}
	if err := os.Rename(partName(p.out), p.out); err != nil {
		return err
	}
	if err := syncDir(p.out); err != nil {
		return err
	}
	return removeIfThere(jobName(p.out))
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func writeSynced(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the names in a file's directory last.
func syncDir(name string) error {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
