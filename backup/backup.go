// Package backup holds what a backup is outside of a server: the archive in which it travels, and the folder in which it is
// kept until it is put back.
//
// Terms. A plan says what a backup has: the checkpoint that it ends with, and its files with their sizes. An archive is a
// plan and the files that its receiver does not have yet, as a tar stream. A kept backup is a folder with all files of a
// plan, laid out as a data directory without signing keys, with the plan (backup.json) and the hash of each file
// (SHA256SUMS) beside them. docs/format/backup.md has all of it.
//
// Promises. A kept backup is whole under its name or not there: it is received in a folder of another name, and what was
// received of one that broke off is gone on with. What an earlier backup has and did not change is not sent again; the
// two then share the file. A changed byte of a kept backup is found when it is put back, and nothing is put back then.
//
// Durability. Files and folders are synced before a backup gets its name, and before a restored directory gets its
// manifest.
//
// Trust. An archive comes from a server: no file of it is written elsewhere than in the folder, and what does not add up is
// refused. The hashes find accidents; whether a backup is the trail that it says it is, package verify tells.
//
// It leaves to others: which files there are (store), who may have a backup (server), and what to do with a restored
// directory.
package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"countersign/merkle"
)

const (
	// planFormat is the number of the format that is written and read here.
	planFormat = 1
	// PlanName is the file that the plan is kept in, SumsName that of the hashes.
	PlanName = "backup.json"
	SumsName = "SHA256SUMS"

	maxPlanBytes = 64 << 20
)

// Plan says what a backup has.
type Plan struct {
	Format int    `json:"format"`
	Origin string `json:"origin"`
	// TreeSize is the number of entries, Checkpoint the published checkpoint over them, a signed note.
	TreeSize   uint64    `json:"tree_size"`
	Checkpoint string    `json:"checkpoint"`
	TakenAt    time.Time `json:"taken_at"`
	// Server is the version of the program that it comes from.
	Server string `json:"server"`
	Files  []File `json:"files"`
}

// File is one file of a backup.
type File struct {
	// Name is its path with slashes, Size how many bytes it has.
	Name string `json:"name"`
	Size int64  `json:"size"`
	// Version is the same for two files of one name only if their bytes are, or one begins with the other where it Grows.
	// Without one they need not be.
	Version string `json:"version,omitempty"`
	// Grows tells that the file of a later backup of the same trail begins with these bytes, if its version is the same.
	Grows bool `json:"grows,omitempty"`
}

// Held is what a receiver has of a file.
type Held struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Version string `json:"version,omitempty"`
}

// NewPlan returns the plan of a backup that ends with a checkpoint.
func NewPlan(c merkle.Checkpoint, server string, now time.Time, files []File) Plan {
	return Plan{Format: planFormat, Origin: c.Origin, TreeSize: c.Size, Checkpoint: string(c.Note), TakenAt: now.UTC(), Server: server, Files: files}
}

// from returns where what has to be sent of a file begins, given what the receiver has; its size when that is nothing.
func (f *File) from(h Held, held bool) int64 {
	switch {
	case held && f.Grows && h.Version == f.Version && h.Size >= 0 && h.Size <= f.Size:
		return h.Size
	case held && f.Version != "" && h.Version == f.Version && h.Size == f.Size:
		return f.Size
	}
	return 0
}

// names are the files that a backup may have: those of a data directory, and nothing that could lie elsewhere.
var names = regexp.MustCompile(`^(manifest|salts|roots|control\.db|tiles/1|(bodies|index|ids|state|wal|checkpoints)/[0-9-]{20,41}\.[a-z]+)$`)

func parsePlan(b []byte) (Plan, error) {
	var p Plan
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("the plan cannot be read: %w", err)
	}
	if d.More() {
		return p, errors.New("the plan cannot be read: there is more than one")
	}
	if p.Format != planFormat {
		return p, fmt.Errorf("the backup has format %d and this release reads %d", p.Format, planFormat)
	}
	c, err := merkle.ParseCheckpoint([]byte(p.Checkpoint))
	if err == nil && (c.Origin != p.Origin || c.Size != p.TreeSize) {
		err = fmt.Errorf("it is of %d entries of %s", c.Size, c.Origin)
	}
	if err != nil {
		return p, fmt.Errorf("the checkpoint of the plan: %w", err)
	}
	seen := map[string]bool{}
	for _, f := range p.Files {
		if !names.MatchString(f.Name) || f.Size < 0 || seen[f.Name] || strings.Contains(f.Version, "\n") {
			return p, fmt.Errorf("the plan has a file %.100q of %d bytes, which is none of a data directory or there twice", f.Name, f.Size)
		}
		seen[f.Name] = true
	}
	for _, name := range []string{"manifest", "control.db"} {
		if !seen[name] {
			return p, fmt.Errorf("the plan has no %s", name)
		}
	}
	return p, nil
}

// ContradictionError says that a server's trail does not go on from the backups that are kept of it.
type ContradictionError struct{ What string }

func (e *ContradictionError) Error() string { return e.What }

// CorruptError says that a kept backup is not what was received.
type CorruptError struct {
	File string
	What string
}

func (e *CorruptError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.File, e.What) }
