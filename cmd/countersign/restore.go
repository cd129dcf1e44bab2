package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"countersign/backup"
	"countersign/merkle"
	"countersign/server"
	"countersign/store"
	"countersign/verify"
)

func newRestore() *cobra.Command {
	var r restoration
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Put a backup back, verified, under its name or a new one",
		Long: `Restore copies the newest backup in a folder to a directory that is missing or empty, holds every file to its hash,
and verifies the whole as countersign verify --data does. If anything is wrong nothing is left there.

A backup has no signing keys. There are two ways to go on:

  --keys DIR           with your own copy of keys/, under the name that the trail has. Only if nothing was recorded after
                       the backup: the server would sign other entries for the same places, and anybody with an
                       older answer could prove that there are two histories. Every --checkpoint that you have of a
                       larger size refuses it.
  --new-origin NAME    under a name that the trail never had, with a new key. What was recorded stays proven under the
                       old name; an entry says where the new one begins. Whoever verifies needs both keys.

Without --from the directory is one that is there already, of a stopped server, and --new-origin is what it gets: when its
signing key is lost, when it is older than what others hold, or when a restore was interrupted behind the copying.

Exit 0: done. 1: not done. 2: misused. 3: the backup is damaged, or it is not what was signed.`,
		Example: `  countersign restore --from /backup/countersign --data /var/lib/countersign --keys /safe/countersign-keys --key trail.vkey
  countersign restore --from /backup/countersign --data /var/lib/countersign --new-origin log.example.com/trail-2 \
      --key trail.vkey --checkpoint kept-2026-01.txt`,
		Args: noArgs,
	}
	dataFlag(cmd, &r.data)
	f := cmd.Flags()
	f.Lookup("data").Usage = "directory to put it in (COUNTERSIGN_DATA; required)"
	f.StringVar(&r.from, "from", "", "folder of backups, of which the newest is taken, or one backup in it")
	f.StringVar(&r.keys, "keys", "", "folder with a copy of keys/ that was kept elsewhere")
	f.StringVar(&r.newOrigin, "new-origin", "", "name under which the trail goes on")
	f.StringArrayVar(&r.vkeys, "key", nil, "file of vkeys to trust, one a line; may be given more than once")
	f.StringArrayVar(&r.checkpoints, "checkpoint", nil, "file with a checkpoint that you kept, such as that of --checkpoint-file; may be given more than once")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settleData(cmd, &r.data); err != nil {
			return err
		}
		if err := errors.Join(checkOutput(*output), r.check()); err != nil {
			return err
		}
		r.stdout, r.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
		done, err := r.run(cmd.Context())
		if err != nil {
			return err
		}
		if *output == "json" {
			return printJSON(r.stdout, done)
		}
		return done.print(r.stdout)
	}
	return cmd
}

// restoration is one call of the command.
type restoration struct {
	from, data, keys, newOrigin string
	vkeys, checkpoints          []string

	stdout, stderr io.Writer
}

// restored is what came of it.
type restored struct {
	Data    string     `json:"data"`
	From    string     `json:"from,omitempty"`
	TakenAt *time.Time `json:"taken_at,omitempty"`
	// TreeSize and Root are those that were verified, SignedBy the keys that signed them.
	TreeSize uint64   `json:"tree_size"`
	Root     string   `json:"root"`
	SignedBy []string `json:"signed_by"`
	Origin   string   `json:"origin"`
	// Before is the name that the trail had, when it has a new one, Ends the largest size that it signs, and Key the new
	// key.
	Before string `json:"origin_before,omitempty"`
	Ends   uint64 `json:"origin_before_ends,omitempty"`
	Key    string `json:"key,omitempty"`
	// Lost are the sizes of the checkpoints given that the trail does not reach.
	Lost []uint64 `json:"checkpoints_beyond,omitempty"`
}

func (r *restoration) check() error {
	switch {
	case r.from == "" && r.keys != "":
		return misused("--keys goes with --from: to a directory that is there already the key files go back into %s", filepath.Join(r.data, "keys"))
	case r.from == "" && r.newOrigin == "":
		return misused("give --from FOLDER, or --new-origin NAME for a directory that is there already")
	case r.keys != "" && r.newOrigin != "":
		return misused("--keys and --new-origin exclude each other: a trail goes on under its name, with its keys, or under a new one")
	case r.keys == "" && r.newOrigin == "":
		return misused("a backup has no signing keys: give --keys DIR, your own copy of them, or --new-origin NAME, with a key of its own")
	}
	if r.newOrigin == "" {
		return nil
	}
	if err := merkle.CheckOrigin(r.newOrigin); err != nil {
		return misused("--new-origin %q cannot name a trail: %w", r.newOrigin, err)
	}
	return nil
}

func (r *restoration) run(ctx context.Context) (done *restored, err error) {
	given, err := trustedOrNone(r.vkeys)
	if err != nil {
		return nil, err
	}
	kept, err := readCheckpoints(r.checkpoints)
	if err != nil {
		return nil, err
	}
	done = &restored{Data: r.data}
	if r.from == "" {
		if err := r.checkInPlace(); err != nil {
			return nil, err
		}
	} else {
		if err := r.copy(ctx, done, kept); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, emptied(r.data))
			}
		}()
	}
	if err := r.verify(ctx, done, given, kept); err != nil {
		return nil, err
	}
	if r.newOrigin == "" {
		return done, r.putKeysBack()
	}
	key, size, err := server.NewOrigin(ctx, server.Config{Data: r.data, Logger: slog.New(slog.DiscardHandler)}, r.newOrigin)
	if err != nil {
		return nil, err
	}
	_, keys, err := store.Keys(r.data)
	if err != nil {
		return nil, err
	}
	done.Before, done.Origin, done.Key, done.Ends = keys[len(keys)-2].Origin(), key.Origin(), key.VKey, size
	return done, nil
}

// checkInPlace tells whether there is anything to do: a run that was interrupted at its end has done it.
func (r *restoration) checkInPlace() error {
	origin, keys, err := store.Keys(r.data)
	if err == nil && origin == r.newOrigin && keys[0].Origin() != origin {
		err = fmt.Errorf("the trail in %s goes on as %s already: start the server", r.data, origin)
	}
	return err
}

// copy puts the files in place. What is known to make a restore under the old name a fork is refused before it.
func (r *restoration) copy(ctx context.Context, done *restored, kept []keptCheckpoint) error {
	b, err := backup.Newest(r.from)
	if err != nil {
		return r.damaged(err)
	}
	if err := r.refuseFork(&b.Plan, kept); err != nil {
		return err
	}
	done.From, done.TakenAt, done.TreeSize = b.Path, &b.Plan.TakenAt, b.Plan.TreeSize
	show, end := r.bar("copying")
	err = b.Restore(ctx, r.data, show)
	end()
	return r.damaged(err)
}

// damaged makes evidence of a backup that is not as it was kept, after it has been told.
func (r *restoration) damaged(err error) error {
	damage, ok := errors.AsType[*backup.CorruptError](err)
	if !ok {
		return err
	}
	fmt.Fprintf(r.stderr, "%s: %s\nNothing was put back. Take the backup before this one, or another copy of it.\n", visible(damage.File), visible(damage.What))
	return damageError{1}
}

// refuseFork refuses to go on under the old name where others hold more than the backup has.
func (r *restoration) refuseFork(p *backup.Plan, kept []keptCheckpoint) error {
	if r.newOrigin != "" {
		return nil
	}
	for _, k := range kept {
		if k.Size > p.TreeSize {
			return fmt.Errorf("the backup has %d entries, and %s is a checkpoint of %d: if the trail went on as %s it would sign other entries for the same places, and anybody who holds both could prove the fork. Restore a newer backup, or give --new-origin NAME",
				p.TreeSize, k.file, k.Size, p.Origin)
		}
	}
	return nil
}

// verify holds what is in the directory to the keys and the checkpoints.
func (r *restoration) verify(ctx context.Context, done *restored, keys merkle.Keys, kept []keptCheckpoint) error {
	origin, named, err := store.Keys(r.data)
	if err != nil {
		return err
	}
	if len(r.vkeys) == 0 {
		var lines strings.Builder
		for _, k := range named {
			lines.WriteString(k.VKey + "\n")
		}
		if keys, err = merkle.ParseKeys([]byte(lines.String())); err != nil {
			return err
		}
		fmt.Fprintln(r.stderr, "no --key was given: the keys are those that the directory names itself, which shows that it is whole, and not whose it is")
	}
	if r.from == "" { // how many entries there are tells which checkpoints it must have
		if err := r.verifyData(ctx, done, verify.Options{Keys: keys}); err != nil {
			return err
		}
	}
	within := verify.Options{Keys: keys}
	for _, k := range kept {
		if k.Size <= done.TreeSize {
			within.Kept = append(within.Kept, k.Checkpoint)
			continue
		}
		// Nothing here can tell whether it goes on from these entries; that it is of this trail its name and key tell.
		if err := k.Verify(keys); err != nil || !ofTrail(k.Origin, named) {
			return r.strange(k, origin, err)
		}
		done.Lost = append(done.Lost, k.Size)
	}
	if r.from != "" || len(within.Kept) > 0 {
		return r.verifyData(ctx, done, within)
	}
	return nil
}

// ofTrail tells whether a trail has or had a name.
func ofTrail(origin string, keys []store.KeyRange) bool {
	for i := range keys {
		if keys[i].Origin() == origin {
			return true
		}
	}
	return false
}

func (r *restoration) strange(k keptCheckpoint, origin string, err error) error {
	if err == nil {
		err = fmt.Errorf("it is of the trail %s, and this is %s", k.Origin, origin)
	}
	fmt.Fprintf(r.stderr, "%s: %s\n", visible(k.file), visible(err.Error()))
	return evidenceError{1}
}

func (r *restoration) verifyData(ctx context.Context, done *restored, o verify.Options) error {
	show, end := r.bar("verifying")
	if show != nil {
		o.Progress = func(n int64) { show(n, -1) }
	}
	report, err := verify.Data(ctx, r.data, o)
	end()
	if err != nil {
		return fmt.Errorf("%s: %w", r.data, err)
	}
	if !report.OK() {
		if err := printReport(r.stderr, r.data, report); err != nil {
			return err
		}
		return evidenceError{uint64(len(report.Findings)) + report.More}
	}
	done.TreeSize, done.Root, done.SignedBy, done.Origin = report.TreeSize, report.Root, report.SignedBy, report.Origin
	return nil
}

func (r *restoration) putKeysBack() (err error) {
	dir, err := store.Claim(r.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Release()) }()
	return dir.PutKeysBack(r.keys)
}

// keptCheckpoint is a checkpoint that somebody kept, with its file.
type keptCheckpoint struct {
	merkle.Checkpoint
	file string
}

func readCheckpoints(files []string) (kept []keptCheckpoint, err error) {
	for _, name := range files {
		b, err := readSmall(name, maxNoteFile)
		if err != nil {
			return nil, err
		}
		c, err := merkle.ParseCheckpoint(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		kept = append(kept, keptCheckpoint{c, name})
	}
	return kept, nil
}

func trustedOrNone(files []string) (merkle.Keys, error) {
	if len(files) == 0 {
		return merkle.Keys{}, nil
	}
	return trustedKeys(files)
}

// emptied takes back what was put in a directory that was empty.
func emptied(dir string) error {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, n := range names {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, n.Name())))
	}
	return err
}

// bar shows on a terminal how far it has come.
func (r *restoration) bar(what string) (show func(done, total int64), end func()) {
	if !isTerminal(r.stderr) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(r.stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	// A bar that cannot be drawn is no reason to stop.
	return func(done, total int64) {
		if total >= 0 {
			bar.ChangeMax64(total)
		}
		_ = bar.Set64(done)
	}, func() { _ = bar.Finish() }
}

// print tells people what is there now, and what they must do.
func (d *restored) print(w io.Writer) error {
	var b strings.Builder
	if d.From != "" {
		fmt.Fprintf(&b, "%s holds the backup %s, taken %s.\n", visible(d.Data), visible(d.From), d.TakenAt.Format(time.RFC3339))
	}
	fmt.Fprintf(&b, "%d entries are verified, root %s, signed by %s.\n", d.TreeSize, d.Root, strings.Join(d.SignedBy, ", "))
	if d.Key == "" {
		fmt.Fprintf(&b, "The trail goes on as %s. If anything was recorded after the backup it must not: restore it again with --new-origin.\n", d.Origin)
	} else {
		d.printOrigin(&b)
	}
	fmt.Fprintf(&b, "\nNext: countersign serve --data %s\n", visible(d.Data))
	_, err := io.WriteString(w, b.String())
	return err
}

func (d *restored) printOrigin(b *strings.Builder) {
	fmt.Fprintf(b, "The trail goes on as %s, with the key\n\n  %s\n\n", d.Origin, d.Key)
	fmt.Fprintf(b, "Before, it was %s. Give the new key to everybody who verifies; the old ones stay in their files.\n", d.Before)
	for _, size := range d.Lost {
		fmt.Fprintf(b, "A checkpoint of %d entries was given: %d of them are lost.\n", size, size-d.Ends)
	}
	fmt.Fprintf(b, "Tell the holders of old checkpoints that those of more than %d entries are of what was lost, and why.\n", d.Ends)
	fmt.Fprint(b, "Keep the server's --checkpoint-file elsewhere and give it a new one, and leave out --origin or change it.\n")
}
