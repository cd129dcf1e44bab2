package verify_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"countersign/event"
	"countersign/merkle"
	"countersign/verify"
)

var dataTamperings = []tampering{
	{name: "data: a bit of the log flipped", kinds: []verify.Kind{verify.Changed}, do: directory(flippedIn("wal/"))},
	{name: "data: a bit of the roots flipped", kinds: []verify.Kind{verify.Disagrees}, do: directory(flippedIn("roots"))},
	{name: "data: a bit of the tiles flipped", kinds: []verify.Kind{verify.Disagrees}, do: directory(flippedIn("tiles/1"))},
	{name: "data: a bit of the published checkpoints flipped", kinds: []verify.Kind{verify.Malformed}, do: directory(flippedIn("checkpoints/"))},
	{name: "data: a bit of the manifest flipped", do: directory(flippedIn("manifest"))},
	{name: "data: a file of the log gone", in: inLog, kinds: []verify.Kind{verify.Changed}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		delete(f, f.some(r, "wal/"))
		return f
	})},
	{name: "data: an entry edited", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		l.edit(r, func(e *event.Entry) { changeValue(r, e) })
	}))},
	{name: "data: a value gone as if it were erased", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		l.edit(r, func(e *event.Entry) { e.RecordedBy = event.Text{} })
	}))},
	{name: "data: an entry back-dated", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		l.edit(r, func(e *event.Entry) {
			e.OccurredAt, e.ReceivedAt = e.OccurredAt/2+1, e.ReceivedAt-1-event.Micros(r.IntN(1e9))
		})
	}))},
	{name: "data: an entry edited, and its root", in: inLog, kinds: []verify.Kind{verify.Changed}, do: directory(func(t testing.TB, r *rand.Rand, _ *world, f files) files {
		l := readLog(t, f)
		seq, e := l.edit(r, func(e *event.Entry) { changeValue(r, e) })
		root := event.Root(l.seedOf(seq), &e)
		roots := bytes.Clone(f["roots"])
		copy(roots[seq*32:], root[:])
		return l.write(t, f).with("roots", roots)
	})},
	{name: "data: a seed altered", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		for {
			if b := &l.batches[r.IntN(len(l.batches))]; len(b.Seeds) > 0 {
				b.Seeds[0].Bytes[r.IntN(32)] ^= 1 << r.IntN(8)
				return
			}
		}
	}))},
	{name: "data: entries swapped", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		for {
			b, i := l.draw(r)
			c, j := l.draw(r)
			if x, y := &l.batches[b].Entries[i], &l.batches[c].Entries[j]; !bytes.Equal(*x, *y) {
				*x, *y = *y, *x
				return
			}
		}
	}))},
	{name: "data: an entry dropped", kinds: []verify.Kind{verify.Changed, verify.Moved}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		b, i := l.draw(r)
		l.batches[b].Entries = slices.Delete(l.batches[b].Entries, i, i+1)
	}))},
	{name: "data: an entry put in", kinds: []verify.Kind{verify.Changed, verify.Moved}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		b, i := l.draw(r)
		_, _, e := l.drawEvent(r)
		e.ID = "made-up"
		l.batches[b].Entries = slices.Insert(l.batches[b].Entries, i, event.AppendBody(nil, &e))
	}))},
	{name: "data: an entry twice", kinds: []verify.Kind{verify.Changed, verify.Moved}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		b, i := l.draw(r)
		l.batches[b].Entries = slices.Insert(l.batches[b].Entries, i, l.batches[b].Entries[i])
	}))},
	{name: "data: an event recorded twice, and signed", in: inLog, kinds: []verify.Kind{verify.Repeated}, do: dishonest(func(_ *rand.Rand, e *event.Entry) {})},
	{name: "data: a number of an account given twice, and signed", in: inLog, kinds: []verify.Kind{verify.Misnumbered}, do: dishonest(func(_ *rand.Rand, e *event.Entry) {
		e.ID, e.AccountSeq = "new", e.AccountSeq-1
	})},
	{name: "data: a chain that leads past entries, and signed", in: inLog, kinds: []verify.Kind{verify.Misnumbered}, do: dishonest(func(r *rand.Rand, e *event.Entry) {
		e.ID, e.AccountPrev = "new", r.Uint64N(e.AccountPrev)
	})},
	{name: "data: received before the one before, and signed", in: inLog, kinds: []verify.Kind{verify.Misnumbered}, do: dishonest(func(r *rand.Rand, e *event.Entry) {
		e.ID, e.ReceivedAt = "new", e.ReceivedAt-1-event.Micros(r.IntN(1e9))
	})},
	{name: "data: an entry of the server's own by a client, and signed", in: inLog, kinds: []verify.Kind{verify.Forbidden}, do: dishonest(func(r *rand.Rand, e *event.Entry) {
		e.ID, e.Source = "new", []string{"countersign/server", "countersign/store"}[r.IntN(2)]
	})},
	{name: "data: a system fact by a client, and signed", in: inLog, kinds: []verify.Kind{verify.Forbidden}, do: dishonest(func(_ *rand.Rand, e *event.Entry) {
		fact, err := event.NewFact(event.KindKey, `{"key":"mine"}`)
		if err != nil {
			panic(err)
		}
		fact.ReceivedAt, fact.OccurredAt, fact.Seq = e.ReceivedAt, e.ReceivedAt, e.Seq
		*e = fact
	})},
	{name: "data: a system fact in place of an event", kinds: []verify.Kind{verify.Changed}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		b, i, e := l.drawEvent(r)
		fact, err := event.NewFact(byte(1+r.IntN(6)), `{"nothing":"to see"}`)
		if err != nil {
			panic(err)
		}
		fact.ReceivedAt = e.ReceivedAt
		l.batches[b].Entries[i] = event.AppendBody(nil, &fact)
	}))},
	{name: "data: a change of keys edited", kinds: []verify.Kind{verify.Forbidden}, in: inLog, do: directory(logged(func(r *rand.Rand, w *world, l *logOf) {
		for b := range l.batches {
			for i, body := range l.batches[b].Entries {
				e, err := event.DecodeBody(body)
				if err != nil || e.Kind != event.KindKey {
					continue
				}
				var c struct {
					Key           string `json:"key"`
					Previous      string `json:"previous"`
					PreviousUntil uint64 `json:"previous_valid_until"`
					From          uint64 `json:"valid_from"`
				}
				if err := json.Unmarshal([]byte(e.Statement), &c); err != nil {
					panic(err)
				}
				switch r.IntN(3) {
				case 0:
					c.Previous = w.strangeKey.VKey()
				case 1:
					c.From--
				default:
					c.PreviousUntil = 0
				}
				text, _ := json.Marshal(c)
				e.Statement = string(text)
				l.batches[b].Entries[i] = event.AppendBody(nil, &e)
				return
			}
		}
	}))},
	{name: "data: a batch checkpoint of another batch", kinds: []verify.Kind{verify.Moved}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		i := r.IntN(len(l.batches) - 1)
		l.batches[i].Checkpoint = l.batches[i+1].Checkpoint
	}))},
	{name: "data: a batch checkpoint signed with another key", in: inLog, kinds: []verify.Kind{verify.WrongKey}, do: directory(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		return logged(func(r *rand.Rand, w *world, l *logOf) {
			b := &l.batches[r.IntN(len(l.batches))]
			c, err := merkle.ParseCheckpoint(b.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			b.Checkpoint = w.resign(t, c).Note
		})(t, r, w, f)
	})},
	{name: "data: a published checkpoint signed with another key", kinds: []verify.Kind{verify.WrongKey}, do: directory(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		return f.published(t, func(notes [][]byte) [][]byte {
			i := r.IntN(len(notes))
			c, err := merkle.ParseCheckpoint(notes[i])
			if err != nil {
				t.Fatal(err)
			}
			if r.IntN(2) == 0 {
				c.Root[r.IntN(32)]++
			}
			notes[i] = w.resign(t, c).Note
			return notes
		})
	})},
	{name: "data: published checkpoints exchanged", kinds: []verify.Kind{verify.Moved}, do: directory(func(t testing.TB, r *rand.Rand, _ *world, f files) files {
		return f.published(t, func(notes [][]byte) [][]byte {
			i := r.IntN(len(notes) - 1)
			notes[i], notes[i+1] = notes[i+1], notes[i]
			return notes
		})
	})},
	{name: "data: the tail of the log dropped", kinds: []verify.Kind{verify.DroppedTail}, in: inLog, do: directory(logged(func(r *rand.Rand, _ *world, l *logOf) {
		l.batches = l.batches[:len(l.batches)-1-r.IntN(len(l.batches)-2)]
	}))},
	{name: "data: the tail dropped everywhere", in: inLog, kinds: []verify.Kind{verify.RolledBack, verify.DroppedTail},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			l := readLog(t, w.dir)
			l.batches = l.batches[:len(l.batches)-1-r.IntN(len(l.batches)-2)]
			last := l.batches[len(l.batches)-1]
			f := l.write(t, w.dir.without(t, last.FirstSeq+uint64(len(last.Entries))))
			if r.IntN(2) == 0 { // as if it had been killed: then nothing of a clean stop is missed
				f = f.manifest(t, func(m *manifest) { m.Clean = nil })
			}
			return w.check(t, f, w.kept[len(w.kept)-1])
		}},
	{name: "data: rolled back", kinds: []verify.Kind{verify.RolledBack},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			return w.check(t, w.earlier, w.kept[w.keptEarlier+r.IntN(len(w.kept)-w.keptEarlier)])
		}},
	{name: "data: a clone that went another way", kinds: []verify.Kind{verify.Forked, verify.RolledBack},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			return w.check(t, w.clone, w.kept[w.keptEarlier+r.IntN(len(w.kept)-w.keptEarlier)])
		}},
	{name: "data: a file of an earlier time put in its place", do: directory(func(_ testing.TB, r *rand.Rand, w *world, f files) files {
		for {
			name := f.some(r, "")
			if b, ok := w.earlier[name]; (ok || strings.HasPrefix(name, "wal/")) && !bytes.Equal(b, f[name]) && name != "LOCK" && !f.sameSalts(name, b) {
				if f[name] = b; !ok {
					delete(f, name)
				}
				return f
			}
		}
	})},
	{name: "data: files of a clone mixed in", do: directory(func(_ testing.TB, r *rand.Rand, w *world, f files) files {
		for {
			name := f.some(r, "")
			if b, ok := w.clone[name]; ok && !bytes.Equal(b, f[name]) && name != "LOCK" && !strings.HasPrefix(name, "ids/") && !f.sameSalts(name, b) {
				f[name] = b
				return f
			}
		}
	})},
	{name: "data: another history under another key", kinds: []verify.Kind{verify.WrongKey},
		do: func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error) {
			return w.check(t, w.strange, w.someKept(r))
		}},
	{name: "data: another history under another key, nothing kept", kinds: []verify.Kind{verify.WrongKey},
		do: func(t testing.TB, _ *rand.Rand, w *world) (*verify.Report, error) { return w.check(t, w.strange) }},
	{name: "data: roots exchanged", kinds: []verify.Kind{verify.Disagrees}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		return f.with("roots", exchanged(r, f["roots"]))
	})},
	{name: "data: the tree's files cut short", kinds: []verify.Kind{verify.Missing, verify.Malformed}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		name := []string{"roots", "tiles/1"}[r.IntN(2)]
		return f.with(name, f[name][:r.IntN(len(f[name]))])
	})},
	{name: "data: the tree's files with more", kinds: []verify.Kind{verify.DroppedTail, verify.Malformed}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		name := []string{"roots", "tiles/1"}[r.IntN(2)]
		return f.with(name, append(bytes.Clone(f[name]), make([]byte, 1+r.IntN(100))...))
	})},
	{name: "data: another key in the manifest", kinds: []verify.Kind{verify.Disagrees, verify.WrongKey, verify.Forbidden}, do: directory(func(t testing.TB, r *rand.Rand, w *world, f files) files {
		return f.manifest(t, func(m *manifest) {
			keys := m.Keys
			switch i := r.IntN(len(keys)); r.IntN(3) {
			case 0:
				keys[i].Key = w.strangeKey.VKey()
			case 1:
				keys[i].From++
			default:
				keys = keys[:len(keys)-1]
			}
			m.Keys = keys
		})
	})},
	{name: "data: another origin in the manifest", kinds: []verify.Kind{verify.Forked}, do: directory(func(t testing.TB, _ *rand.Rand, _ *world, f files) files {
		return f.manifest(t, func(m *manifest) { m.Origin = "example.com/other" })
	})},
	{name: "data: the published checkpoints gone", kinds: []verify.Kind{verify.Missing}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		delete(f, f.some(r, "checkpoints/"))
		return f
	})},
	{name: "data: bytes behind the last frame", kinds: []verify.Kind{verify.Changed}, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		names := f.names("wal/")
		name := names[len(names)-1]
		return f.with(name, append(bytes.Clone(f[name]), 1+byte(r.IntN(255))))
	})},

	{name: "data: the mark of a clean stop gone", harmless: true, do: directory(func(t testing.TB, _ *rand.Rand, _ *world, f files) files {
		return f.manifest(t, func(m *manifest) { m.Clean = nil })
	})},
	{name: "data: a published checkpoint forgotten", harmless: true, do: directory(func(t testing.TB, r *rand.Rand, _ *world, f files) files {
		return f.published(t, func(notes [][]byte) [][]byte {
			i := 1 + r.IntN(len(notes)-2) // neither the one that names the file nor the last
			return slices.Delete(notes, i, i+1)
		})
	})},
	{name: "data: what is not of the trail", harmless: true, do: directory(func(_ testing.TB, r *rand.Rand, _ *world, f files) files {
		f["control.db"] = []byte{byte(r.IntN(256))}
		f["LOCK"] = []byte("4711\n")
		f["aside/x.torn"] = []byte("torn")
		return f
	})},
}

// exchanged swaps two hashes.
func exchanged(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for {
		i, j := r.IntN(len(b)/32), r.IntN(len(b)/32)
		x, y := b[i*32:][:32], b[j*32:][:32]
		if !bytes.Equal(x, y) {
			was := bytes.Clone(x)
			copy(x, y)
			copy(y, was)
			return b
		}
	}
}
