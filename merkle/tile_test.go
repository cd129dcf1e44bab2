package merkle_test

import (
	"math"
	"testing"

	"countersign/merkle"
)

func TestTilePaths(t *testing.T) {
	for path, want := range map[string]merkle.Tile{
		"tile/0/000":                               {Width: 256},
		"tile/0/999":                               {Index: 999, Width: 256},
		"tile/0/x001/000":                          {Index: 1000, Width: 256},
		"tile/2/x001/x234/067":                     {Level: 2, Index: 1234067, Width: 256},
		"tile/63/000.p/1":                          {Level: 63, Width: 1},
		"tile/1/017.p/255":                         {Level: 1, Index: 17, Width: 255},
		"tile/entries/x001/x234/067.p/7":           {Entries: true, Index: 1234067, Width: 7},
		"tile/entries/273":                         {Entries: true, Index: 273, Width: 256},
		"tile/0/x009/x223/x372/x036/x854/x775/807": {Index: math.MaxInt64, Width: 256},
	} {
		got, err := merkle.ParseTilePath(path)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
		if want.Path() != path {
			t.Errorf("%+v has the path %s, want %s", want, want.Path(), path)
		}
	}
}

func TestTilePathHasOneRendering(t *testing.T) {
	for _, path := range []string{
		"", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile//000", "tile/0//000",
		"tile/00/000", "tile/+1/000", "tile/-1/000", "tile/64/000", "tile/256/000", "tile/data/000", "tile/Entries/000", "tile/x/000",
		"tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/1000", "tile/0/x000/001", "tile/0/001/000", "tile/0/x001/x000", "tile/0/x01/000",
		"tile/0/x001000", "tile/0/xx01/000", "tile/0/X001/000", "tile/0/ 01", "tile/0/+01", "tile/0/-01", "tile/0/1e3",
		"tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/07", "tile/0/000.p/+7", "tile/0/000.p/7/",
		"tile/0/000.p/7.p/7", "tile/0/000.P/7", "tile/0/.p/7", "tile/0/000?", "tile/0/000\n", "tile/0/٠٠٠",
		"tile/0/x009/x223/x372/x036/x854/x775/808", "tile/0/x018/x446/x744/x073/x709/x551/616", "tile/0/x001/x009/x223/x372/x036/x854/x775/807",
		"tile/../checkpoint", "tile/0/../000",
	} {
		if tile, err := merkle.ParseTilePath(path); err == nil {
			t.Errorf("%q was read as %+v", path, tile)
		}
	}
}

func FuzzTilePath(f *testing.F) {
	f.Add("tile/0/x001/x234/067.p/12")
	f.Add("tile/entries/000")
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := merkle.ParseTilePath(path)
		if err == nil && tile.Path() != path {
			t.Fatalf("%q was read as %+v, whose path is %q", path, tile, tile.Path())
		}
	})
}
