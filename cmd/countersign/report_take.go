package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"

	"countersign/bundle"
	"countersign/client"
	"countersign/report"
)

// taking brings a pack into a folder: the files for people loose beside it. Each file gets its name when it is whole and
// on the disk, the pack last.
type taking struct {
	c      *client.Client
	dir    string
	made   bool // the folder was not there
	stderr io.Writer
	names  []string // that were given
}

func newTaking(c *client.Client, dir string, stderr io.Writer) (*taking, error) {
	made, err := emptyFolder(dir)
	if err != nil {
		return nil, err
	}
	return &taking{c: c, dir: dir, made: made, stderr: stderr}, nil
}

// abandon leaves the folder as it was found.
func (t *taking) abandon() error {
	var errs []error
	for _, name := range t.names {
		errs = append(errs, os.Remove(filepath.Join(t.dir, name)))
	}
	if t.made {
		errs = append(errs, os.Remove(t.dir))
	}
	return errors.Join(errs...)
}

// take downloads the pack of a report and takes the loose files out of it.
func (t *taking) take(ctx context.Context, job *report.Job, stdout io.Writer) error {
	if err := t.bring(ctx, job); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		return errors.Join(fmt.Errorf("%w\nthe report is made, bring it with: countersign report get %s --out DIR", err, job.ID), t.abandon())
	}
	_, err := fmt.Fprintf(stdout, "%s: %d entries from %s to %s, claim level %s, fixed by entry %d of the trail\n%s\ncheck it: countersign verify --key FILE %s\n",
		visible(job.Framework), job.Made.Rows, job.From, job.To, visible(job.Made.ClaimLevel), job.Made.PackSeq,
		filepath.Join(t.dir, report.PackName), filepath.Join(t.dir, report.PackName))
	return err
}

func (t *taking) bring(ctx context.Context, job *report.Job) error {
	zip, err := os.OpenFile(filepath.Join(t.dir, partName(report.PackName)), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	t.names = append(t.names, partName(report.PackName))
	defer zip.Close()
	show, done := t.bar(job.Made.Bytes)
	n, err := t.c.Download(ctx, reportsPath+"/"+url.PathEscape(job.ID)+"/"+report.PackName, zip, show)
	done()
	if err != nil {
		return err
	}
	if err := t.unpack(ctx, zip, n); err != nil {
		return err
	}
	return t.name(zip, report.PackName)
}

func (t *taking) bar(size int64) (show func(done, total int64), done func()) {
	if !isTerminal(t.stderr) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(size, progressbar.OptionSetWriter(t.stderr), progressbar.OptionSetDescription(report.PackName),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	return func(n, _ int64) { _ = bar.Set64(n) }, func() { _ = bar.Finish() }
}

// name gives a file its name, once it is on the disk.
func (t *taking) name(f *os.File, name string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(t.dir, name)); err != nil {
		return err
	}
	for i := range t.names {
		if t.names[i] == partName(name) {
			t.names[i] = name
		}
	}
	dir, err := os.Open(t.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// inPackOnly are files that only countersign verify reads.
var inPackOnly = map[string]bool{bundle.PackRows: true, bundle.PackExcluded: true}

// unpack takes the loose files out of the pack, each held to the manifest.
func (t *taking) unpack(ctx context.Context, zip *os.File, size int64) error {
	p, err := bundle.OpenPack(zip, size)
	if err != nil {
		return err
	}
	text, err := p.ReadFile(bundle.PackManifest, bundle.MaxManifestBytes)
	if err != nil {
		return err
	}
	m, err := bundle.ParseManifest(text)
	if err != nil {
		return err
	}
	for i := range m.Files {
		if f := &m.Files[i]; !inPackOnly[f.Name] {
			if err := t.loose(ctx, p, f); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	return nil
}

func (t *taking) loose(ctx context.Context, p *bundle.Pack, f *bundle.PackFile) error {
	in, err := p.Open(f.Name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(filepath.Join(t.dir, partName(f.Name)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	t.names = append(t.names, partName(f.Name))
	defer out.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, sum), &interruptible{ctx, in}); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return errors.New("it is not the file that the manifest names")
	}
	return t.name(out, f.Name)
}

// interruptible reads until its context ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}
