package render

import (
	"embed"
	"encoding/binary"
	"fmt"
	"sync"
	"unicode"
)

// The fonts of the PDF, unmodified; OFL.txt beside them is their licence.
//
//go:embed fonts/*.ttf fonts/OFL.txt
var fontFiles embed.FS

// A face is a font at any size. Charts are measured with the regular one in HTML too.
type face struct {
	family, style, file string // as the PDF library names it, and its file

	load   sync.Once
	data   []byte
	widths map[rune]uint16 // of what it has, in 1/1000 of the size
}

// Only the embedded files are read, each once.
var (
	regular = &face{family: "text", file: "fonts/NotoSans-Regular.ttf"}
	bold    = &face{family: "text", style: "B", file: "fonts/NotoSans-Bold.ttf"}
	mono    = &face{family: "mono", file: "fonts/NotoSansMono-Regular.ttf"}
)

// has tells whether the face draws a character as it is to be seen: scripts whose letters have to be joined, moved or
// set from right to left, which the PDF library does not do, count as not had.
func (f *face) has(c rune) bool {
	f.read()
	_, ok := f.widths[c]
	return ok && unicode.In(c, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Common, unicode.Inherited)
}

// width of a text at a size. What the face does not have is as wide as a digit.
func (f *face) width(s string, size float64) float64 {
	f.read()
	sum := 0
	for _, c := range s {
		w, ok := f.widths[c]
		if !ok {
			w = f.widths['0']
		}
		sum += int(w)
	}
	return float64(sum) * size / 1000
}

func textWidth(s string, size float64) float64 { return regular.width(s, size) }

// read reads the file's tables: which characters it has (cmap, format 4) and how wide they are (hmtx). The files are
// part of the program: one that cannot be read is our own mistake.
func (f *face) read() {
	f.load.Do(func() {
		data, err := fontFiles.ReadFile(f.file)
		if err != nil {
			panic(fmt.Sprintf("render: font: %v", err))
		}
		f.data = data
		tables := map[string][]byte{}
		for i := range int(u16(data, 4)) {
			record := data[12+16*i:]
			at, n := binary.BigEndian.Uint32(record[8:]), binary.BigEndian.Uint32(record[12:])
			tables[string(record[:4])] = data[at : at+n]
		}
		unitsPerEm := int(u16(tables["head"], 18))
		metrics := int(u16(tables["hhea"], 34))
		f.widths = map[rune]uint16{}
		for c, glyph := range characters(tables["cmap"]) {
			w := u16(tables["hmtx"], 4*min(int(glyph), metrics-1))
			f.widths[c] = uint16((int(w)*1000 + unitsPerEm/2) / unitsPerEm)
		}
	})
}

func u16(b []byte, at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }

// characters returns the glyph of each character of the basic plane, from the table's first subtable of format 4. The
// PDF library reads the same one and cannot set others.
func characters(cmap []byte) map[rune]uint16 {
	all := map[rune]uint16{}
	for i := range int(u16(cmap, 2)) {
		t := cmap[binary.BigEndian.Uint32(cmap[8+8*i:]):]
		if u16(t, 0) != 4 {
			continue
		}
		n := int(u16(t, 6)) // twice the number of segments
		for s := 0; s < n; s += 2 {
			end, start, delta, offset := u16(t, 14+s), u16(t, 16+n+s), u16(t, 16+2*n+s), u16(t, 16+3*n+s)
			for c := int(start); c <= int(end) && c != 0xffff; c++ {
				glyph := uint16(c) + delta
				if offset != 0 {
					if glyph = u16(t, 16+3*n+s+int(offset)+2*(c-int(start))); glyph != 0 {
						glyph += delta
					}
				}
				if glyph != 0 {
					all[rune(c)] = glyph
				}
			}
		}
		break
	}
	return all
}
