package merkle

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	// TileWidth is how many hashes, or entries, a full tile has.
	TileWidth = 256

	maxTileLevel     = 63
	maxTilePathBytes = 64 // the longest has 7 groups of digits
)

// Tile names one tile of the log (C2SP tlog-tiles): hashes of one level, or the entries themselves.
type Tile struct {
	Entries bool
	Level   uint8  // 0 to 63; 0 when Entries
	Index   uint64 // which of its level, at most 2^63-1
	Width   uint16 // 1 to 255: only so many, which are not TileWidth yet
}

var errTilePath = errors.New("not the path of a tile, tile/{level or entries}/{index}[.p/{width}]")

// ParseTilePath reads the path of a tile in its one rendering: "tile/0/x001/234.p/7".
func ParseTilePath(path string) (Tile, error) {
	if len(path) > maxTilePathBytes {
		return Tile{}, errTilePath
	}
	rest, ok := strings.CutPrefix(path, "tile/")
	level, rest, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 {
		return Tile{}, errTilePath
	}
	t := Tile{Entries: level == "entries", Width: TileWidth}
	if !t.Entries {
		n, err := strconv.ParseUint(level, 10, 8)
		if err != nil || n > maxTileLevel {
			return Tile{}, errTilePath
		}
		t.Level = uint8(n)
	}
	index, width, partial := strings.Cut(rest, ".p/")
	if partial {
		n, err := strconv.ParseUint(width, 10, 8)
		if err != nil || n == 0 {
			return Tile{}, errTilePath
		}
		t.Width = uint16(n)
	}
	var digits strings.Builder
	for group := range strings.SplitSeq(index, "/") {
		digits.WriteString(strings.TrimPrefix(group, "x"))
	}
	n, err := strconv.ParseUint(digits.String(), 10, 63)
	if err != nil {
		return Tile{}, errTilePath
	}
	t.Index = n
	// Zeros, groups and marks in the wrong places all end here.
	if t.Path() != path {
		return Tile{}, errTilePath
	}
	return t, nil
}

// Path is the inverse of ParseTilePath. A Tile that no path gives is a mistake of the caller and panics.
func (t Tile) Path() string {
	if t.Level > maxTileLevel || t.Entries && t.Level != 0 || t.Index > math.MaxInt64 || t.Width == 0 || t.Width > TileWidth {
		panic(fmt.Sprintf("merkle: no tile is %+v", t))
	}
	index := fmt.Sprintf("%03d", t.Index%1000)
	for n := t.Index / 1000; n > 0; n /= 1000 {
		index = fmt.Sprintf("x%03d/", n%1000) + index
	}
	level := "entries"
	if !t.Entries {
		level = strconv.Itoa(int(t.Level))
	}
	if t.Width < TileWidth {
		index += ".p/" + strconv.Itoa(int(t.Width))
	}
	return "tile/" + level + "/" + index
}
