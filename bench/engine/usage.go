package engine

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// tick is the unit of times in /proc/PID/stat: sysconf(_SC_CLK_TCK), which is 100 on every Linux there is.
const tick = 10 * time.Millisecond

// usage is what a process has taken so far.
type usage struct {
	cpu          time.Duration // with that of children that have ended
	anon, shared int64
}

// usageOf reads /proc. A process that is not there has taken nothing.
func usageOf(pid int) usage {
	var u usage
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	if stat, err := os.ReadFile(filepath.Join(dir, "stat")); err == nil {
		// The name in parentheses may hold anything; after it the fields from the third on are separated by blanks.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, i := range [...]int{14, 15, 16, 17} { // proc(5): utime, stime, cutime, cstime
			n, _ := strconv.ParseInt(fields[i-3], 10, 64)
			u.cpu += time.Duration(n) * tick
		}
	}
	status, err := os.Open(filepath.Join(dir, "status"))
	if err != nil {
		return u
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		switch name {
		case "RssAnon":
			u.anon = kb << 10
		case "RssShmem":
			u.shared = kb << 10
		}
	}
	return u
}

// usageOfTree adds up a process and its children. What they share is counted once.
func usageOfTree(pid int) usage {
	all := usageOf(pid)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		u := usageOf(child)
		all.cpu += u.cpu
		all.anon += u.anon
		all.shared = max(all.shared, u.shared)
	}
	return all
}

// ownCPU is the processor time of this process.
func ownCPU() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // fails on a bad argument only
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// meter takes the cost of an act.
type meter struct {
	of      func() usage
	began   time.Time
	cpu     time.Duration
	client  time.Duration
	peak    atomic.Int64
	stop    chan struct{}
	stopped chan struct{}
}

// newMeter begins to watch a process; load ends it.
func newMeter(of func() usage) *meter {
	m := &meter{of: of, began: time.Now(), cpu: of().cpu, client: ownCPU(), stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(m.stopped)
		each := time.NewTicker(200 * time.Millisecond)
		defer each.Stop()
		for {
			u := of()
			m.peak.Store(max(m.peak.Load(), u.anon+u.shared))
			select {
			case <-each.C:
			case <-m.stop:
				return
			}
		}
	}()
	return m
}

// load returns the cost so far of loading events.
func (m *meter) load(events int) Load {
	l := Load{Events: events, Took: time.Since(m.began), CPU: m.of().cpu - m.cpu, Client: ownCPU() - m.client}
	close(m.stop)
	<-m.stopped
	l.PeakAnonBytes = m.peak.Load()
	return l
}

// bytesUnder adds up the sizes of files by what kind returns for their paths under dir.
func bytesUnder(dir string, kind func(path string) string) (map[string]int64, error) {
	all := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile: the engine is at work
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		all[kind(name)] += info.Size()
		return nil
	})
	return all, err
}
