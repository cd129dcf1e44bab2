package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"countersign/internal/durable"
)

// Options are the settings of a log. The zero value of each but AsideDir is useful.
type Options struct {
	// RollBytes is the size at which a new file is begun, 64 MiB if 0. A frame larger than that gets a file
	// of its own.
	RollBytes int64
	// AllocateBytes is how much room is set aside at a time, 8 MiB if 0.
	AllocateBytes int64
	// NoPreallocate leaves it out: a full disk then shows at Write.
	NoPreallocate bool
	// AsideDir is the folder for torn bytes.
	AsideDir string
	// Clean is where the last Close ended the log, nil when the last stop was no clean one. Whoever keeps it
	// must have forgotten it, durably, before the first Reserve or Write.
	Clean *Position
	// From is the seq of the first entry that must be in the log; those before are kept elsewhere.
	From uint64
}

var errClosed = errors.New("the log is closed")

// Log is an open log, at its end. It is for one goroutine; only AppendFrame may run beside it.
//
// To make a batch durable: AppendFrame, Reserve(len(frame)), Write(frame), Sync. An error of Reserve or Write
// leaves the log as it was and the call may be made again, unless errors.Is(err, ErrFailed).
type Log struct {
	fsys durable.FS
	dir  string
	o    Options

	file durable.File
	tag  [tagBytes]byte
	end  Position
	// allocated is the size up to which room has been set aside, as far as we know.
	allocated int64
	// unsynced is set between Write and Sync.
	unsynced bool
	// rolling is set when the next file could not be made, or so it was said: its name may be there all the
	// same, and then nothing more may be added to this one.
	rolling bool
	// refused is what every call answers after a failed sync or the end.
	refused error
}

// Reserve makes sure that a frame of n bytes can be written: it begins a new file if the present one is full, and
// sets room aside. On file systems that copy on write a Write may still find the disk full.
func (l *Log) Reserve(n int64) error {
	if l.refused != nil {
		return l.refused
	}
	if n > MaxFrameBytes {
		return fmt.Errorf("reserve %d bytes: %w", n, ErrTooLarge)
	}
	if l.rolling || l.end.Offset > fileHeadSize && l.end.Offset+n > l.o.RollBytes {
		if err := l.roll(); err != nil {
			return fmt.Errorf("begin log file %s: %w", fileName(l.end.Next), err)
		}
	}
	need := l.end.Offset + n
	if l.o.NoPreallocate || need <= l.allocated {
		return nil
	}
	size := max(need, min(l.allocated+l.o.AllocateBytes, l.o.RollBytes))
	// A crash from here on leaves zeros after the last frame, which replay takes for the end.
	if err := l.file.Allocate(l.allocated, size-l.allocated); err != nil {
		return fmt.Errorf("allocate %s: %w", l.end.File, cause(err))
	}
	l.allocated = size
	return nil
}

// Write puts a frame that AppendFrame made at the end of the log; it changes the frame's header. The frame must
// begin with the next seq, and the frame before it must have been synced. After an error the end is where it
// was and the next Write goes to the same place; but the bytes may have reached the file, and if the process
// ends before another frame is written over them, Open gives that batch back. It was not acknowledged, and it
// is whole or not there.
func (l *Log) Write(frame []byte) error {
	if l.refused != nil {
		return l.refused
	}
	if l.unsynced {
		// Two frames under way could reach the disk in either order, and then a torn frame would not be the last.
		return fmt.Errorf("write %s: the frame before is not synced", l.end.File)
	}
	if l.rolling {
		return fmt.Errorf("write %s: the next file is not there yet", l.end.File)
	}
	if len(frame) < frameHeadSize || int64(binary.BigEndian.Uint32(frame[framePayload:])) != int64(len(frame)-frameHeadSize) {
		return fmt.Errorf("write %s: not a frame", l.end.File)
	}
	if first := binary.BigEndian.Uint64(frame[frameFirst:]); first != l.end.Next {
		return fmt.Errorf("write %s: the frame begins with seq %d, the next is %d", l.end.File, first, l.end.Next)
	}
	chain := stamp(frame, l.tag, l.end.Chain)
	// A crash from here to the end of the sync leaves the frame whole, in part, or not at all: a torn tail.
	if _, err := l.file.WriteAt(frame, l.end.Offset); err != nil {
		return fmt.Errorf("write %s: %w", l.end.File, cause(err))
	}
	l.end.Offset += int64(len(frame))
	l.end.Next += uint64(binary.BigEndian.Uint32(frame[frameCount:]))
	l.end.Chain = chain
	l.unsynced = true
	return nil
}

// Sync makes what was written durable. Its error is final.
func (l *Log) Sync() error {
	if l.refused != nil {
		return l.refused
	}
	if err := l.file.Sync(); err != nil {
		return l.fail(&durable.SyncError{Name: l.end.File, Err: cause(err)})
	}
	l.unsynced = false
	return nil
}

// cause leaves out the path that an error of an open file names: it is the one that the file was made under,
// NAME.tmp, and there is no such file any more.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// fail makes err final.
func (l *Log) fail(err error) error {
	l.refused = fmt.Errorf("%w: %w", ErrFailed, err)
	return l.refused
}

// roll ends the present file and begins the next one.
func (l *Log) roll() error {
	// A crash up to here finds the present file as the last one, whole or with a torn last frame. From the end of
	// this trim on it is whole and ends with its last frame.
	if err := l.trim(); err != nil {
		return err
	}
	old := l.file
	l.rolling = true
	if err := l.create(newFileHead(l.end.Next, l.end.Chain)); err != nil {
		if _, ok := errors.AsType[*durable.SyncError](err); ok {
			return l.fail(err)
		}
		return err
	}
	// All of it is synced, so closing has nothing left to lose.
	_ = old.Close()
	return nil
}

// create makes a file without frames and goes on in it. A crash up to its end leaves the file before as the last
// one, and maybe a temporary file; or the new one, whole.
func (l *Log) create(head fileHead) error {
	name := fileName(head.first)
	f, err := durable.Replace(l.fsys, filepath.Join(l.dir, name), func(f durable.File) error {
		_, err := f.WriteAt(head.bytes[:], 0)
		return err
	})
	if err != nil {
		return err
	}
	l.use(f, head, Position{File: name, Offset: fileHeadSize, Next: head.first, Chain: head.chain})
	return nil
}

// use makes f, which ends at end, the file being written.
func (l *Log) use(f durable.File, head fileHead, end Position) {
	l.file, l.tag, l.end = f, head.tag, end
	l.allocated = end.Offset
	l.rolling = false
}

// trim syncs the file, cuts off what follows its last frame, and syncs that. In this order a crash in
// between finds every frame.
func (l *Log) trim() error {
	if err := l.Sync(); err != nil {
		return err
	}
	if err := l.file.Truncate(l.end.Offset); err != nil {
		return fmt.Errorf("trim %s: %w", l.end.File, cause(err))
	}
	l.allocated = l.end.Offset
	return l.Sync()
}

// Close is a clean stop: everything is synced and the room set aside is given back. It returns the end of
// the log, to be kept where Options.Clean will find it. After an error the stop was not clean. The log is closed
// in either case.
func (l *Log) Close() (Position, error) {
	err := l.trim()
	if err == nil && l.rolling {
		// The end that is returned must be that of the last file.
		err = l.roll()
	}
	l.Abandon()
	if err != nil {
		return Position{}, fmt.Errorf("close log: %w", err)
	}
	return l.end, nil
}

// Abandon closes the log as it is, as the end of the process would.
func (l *Log) Abandon() {
	if l.refused != errClosed {
		// What was promised has been synced, so closing has nothing to lose.
		_ = l.file.Close()
	}
	l.refused = errClosed
}
