package bodies

import (
	"runtime"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// decoder reads blocks of one file, and may then be set to another. It has the dictionary of its file, which the
// file itself does not keep: most files are read seldom.
type decoder struct {
	zstd *zstd.Decoder
	of   *File
	dir  []byte
	// uuids is a part of dir.
	uuids  []byte
	stored []byte
	text   []byte
}

// decoders are those that nobody uses at the moment.
var decoders pool

type pool struct {
	mu sync.Mutex
	// idle has the one used last at its end.
	idle []*decoder
	// alive counts the idle and those in use.
	alive int
}

// largestIdle is the size of a buffer that a decoder may keep for the next block. Larger ones were for a block that is
// not like others.
const largestIdle = 1 << 20

// get returns a decoder for f: one that has its dictionary if there is one, else the one used longest ago.
func (p *pool) get(f *File) (*decoder, error) {
	d, err := p.take(f)
	if err != nil {
		return nil, err
	}
	if err := d.set(f); err != nil {
		p.put(d)
		return nil, err
	}
	return d, nil
}

func (p *pool) take(f *File) (*decoder, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.idle, func(d *decoder) bool { return d.of == f })
	if i < 0 && (p.alive < p.most() || len(p.idle) == 0) {
		d, err := newDecoder()
		if err == nil {
			p.alive++
		}
		return d, err
	}
	d := p.idle[max(0, i)]
	p.idle = slices.Delete(p.idle, max(0, i), max(0, i)+1)
	return d, nil
}

// most is how many are kept: enough for two readers on each processor that go from file to file.
func (p *pool) most() int { return 4 * runtime.GOMAXPROCS(0) }

func (p *pool) put(d *decoder) {
	if cap(d.stored) > largestIdle {
		d.stored = nil
	}
	if cap(d.text) > largestIdle {
		d.text = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle = append(p.idle, d); len(p.idle) > p.most() {
		p.idle = slices.Delete(p.idle, 0, 1)
		p.alive--
	}
}

// forget lets go of a file that is closed.
func (p *pool) forget(f *File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.idle {
		if d.of == f {
			d.of = nil
		}
	}
}

func newDecoder() (*decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(maxTextSize))
	return &decoder{zstd: z}, err
}

// set makes d one for the blocks of f.
func (d *decoder) set(f *File) error {
	if d.of == f {
		return nil
	}
	d.of = nil
	var dir directory
	var err error
	for copy := range int64(2) {
		if d.dir, dir, err = f.readDirectory(d.dir, copy); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	if len(dir.dictionary) > 0 {
		err = d.zstd.ResetWithOptions(nil, zstd.WithDecoderDictRaw(dictionaryID, dir.dictionary))
	} else {
		err = d.zstd.ResetWithOptions(nil, zstd.WithDecoderDictDelete())
	}
	if err != nil {
		return err
	}
	d.of, d.uuids = f, dir.uuids
	return nil
}

// decompress puts the text that b was made of into buf, which is returned. More than size bytes are an error.
func (d *decoder) decompress(b, buf []byte, size int) ([]byte, error) {
	buf = slices.Grow(buf[:0], size)[:size]
	// Limited to the room it is given, the decoder takes no other. The copy is then one of bytes onto themselves; it keeps
	// the whole of buf for the next block.
	text, err := d.zstd.DecodeAll(b, buf[:0:size])
	return buf[:copy(buf, text)], err
}
