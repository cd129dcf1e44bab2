package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"countersign/internal/durable"
)

// Recovery says what was found in a log.
type Recovery struct {
	// End is where the last whole frame ends; for a log of no files, File is empty and Next is Options.From.
	End Position
	// Torn is how many bytes of a torn tail begin at End, 0 when there is none, and TornReason what is wrong
	// with them. Zeros at their end are not counted.
	Torn       int64
	TornReason string
	// AsideFile is where Open put them, with its folder.
	AsideFile string
}

// Check reads a whole log and changes nothing: fn gets every batch in order, and the answer is what Open would
// find. o.AsideDir and the sizes are not looked at.
//
// What the batch holds is overwritten by the next one: fn copies what it keeps. Batches before a damage have
// been given to fn when the *CorruptError comes. An error of fn ends the reading.
func Check(fsys durable.FS, dir string, o Options, fn func(Batch) error) (Recovery, error) {
	r := &fileReader{fsys: fsys, dir: dir}
	return r.walk(o, fn)
}

func (r *fileReader) walk(o Options, fn func(Batch) error) (Recovery, error) {
	names, err := r.logFiles()
	if err != nil {
		return Recovery{}, err
	}
	names = neededFrom(names, o.From)
	rec := Recovery{End: Position{Next: o.From}}
	for i, name := range names {
		var before *Position
		if i > 0 {
			before = &rec.End
		}
		if rec, err = r.walkFile(name, before, i == len(names)-1, o, fn); err != nil {
			return rec, err
		}
	}
	if rec.End.Next < o.From {
		return rec, r.corrupt(rec.End.Offset, "the log ends here with seq %d next, but the entries up to seq %d were in it", rec.End.Next, o.From-1)
	}
	if o.Clean != nil && rec.End != *o.Clean {
		return rec, &CorruptError{File: o.Clean.File, Offset: o.Clean.Offset, Ended: true, What: fmt.Sprintf(
			"the log was closed here with seq %d next and checksum %08x, and now ends in %q at byte %d with seq %d next and checksum %08x",
			o.Clean.Next, o.Clean.Chain, rec.End.File, rec.End.Offset, rec.End.Next, rec.End.Chain)}
	}
	return rec, nil
}

// Files returns the names of the files that have the entries from seq from on, in order. It may be called beside the Log
// that writes the folder.
func Files(fsys durable.FS, dir string, from uint64) ([]string, error) {
	names, err := (&fileReader{fsys: fsys, dir: dir}).logFiles()
	return neededFrom(names, from), err
}

// Nonce returns what a log file has and no other: a file that has it later, after a restart too, begins with the same
// durable frames.
func Nonce(fsys durable.FS, dir, name string) ([]byte, error) {
	r := fileReader{fsys: fsys, dir: dir}
	if err := r.open(name); err != nil {
		return nil, err
	}
	return r.head.bytes[fileNonce:fileFirst], r.file.Close()
}

// neededFrom leaves out the files whose entries all lie before from. They are no longer part of the log: a crash while
// they were being removed can leave any of them.
func neededFrom(names []string, from uint64) []string {
	for i := len(names) - 1; i > 0; i-- {
		if first, _ := parseFileName(names[i]); first <= from {
			return names[i:]
		}
	}
	return names
}

// walkFile reads one file, which follows the end before, or is the first if that is nil.
func (r *fileReader) walkFile(name string, before *Position, last bool, o Options, fn func(Batch) error) (Recovery, error) {
	if err := r.open(name); err != nil {
		return Recovery{}, err
	}
	defer r.file.Close()
	switch {
	case before == nil && r.head.first > o.From:
		return Recovery{}, r.corrupt(0, "the log begins here with seq %d, and seq %d must be in it", r.head.first, o.From)
	case before != nil && r.head.first != before.Next:
		return Recovery{}, r.corrupt(0, "the file begins with seq %d, and the file before it, %s, ends with seq %d next", r.head.first, before.File, before.Next)
	case before != nil && r.head.chain != before.Chain:
		return Recovery{}, r.corrupt(0, "the file follows a frame with checksum %08x, and the last one of %s has %08x", r.head.chain, before.File, before.Chain)
	}
	var bad *badFrame
	for bad == nil {
		err := r.next()
		if err == nil {
			if err := fn(r.batch); err != nil {
				return Recovery{}, fmt.Errorf("replay %s before byte %d: %w", name, r.at.Offset, err)
			}
		} else if !errors.As(err, &bad) {
			return Recovery{}, err
		}
	}
	torn, err := r.judgeTail(bad, last, o.Clean != nil)
	if err != nil || torn == 0 {
		return Recovery{End: r.at}, err
	}
	return Recovery{End: r.at, Torn: torn, TornReason: bad.reason}, nil
}

// judgeTail says whether what follows the last good frame is room set aside, a torn tail (it returns its length
// up to the last byte that is not zero) or damage.
func (r *fileReader) judgeTail(bad *badFrame, last, clean bool) (int64, error) {
	if !last {
		// It was trimmed before the next file got its name.
		if r.at.Offset != r.size {
			return 0, r.corrupt(r.at.Offset, "%s, and this is not the last file", bad.reason)
		}
		return 0, nil
	}
	torn, err := r.tail()
	if err != nil || torn == 0 {
		return 0, err
	}
	if clean {
		return 0, r.corrupt(r.at.Offset, "%s, and the log was closed cleanly", bad.reason)
	}
	// Frames are synced one by one, so whatever comes before a whole frame was promised to somebody.
	found, err := r.findFrame()
	if err != nil {
		return 0, err
	}
	if found >= 0 {
		return 0, r.corrupt(r.at.Offset, "%s, and a whole frame begins at byte %d", bad.reason, found)
	}
	return torn, nil
}

// logFiles returns the names of the log's files in order.
func (r *fileReader) logFiles() ([]string, error) {
	all, err := r.fsys.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, name := range all {
		if _, ok := parseFileName(name); ok {
			names = append(names, name)
		} else if strings.HasSuffix(name, suffix) {
			// A renamed log file must not look like one that is gone.
			return nil, &CorruptError{File: name, What: "this is not the name of a log file"}
		}
	}
	return names, nil
}
