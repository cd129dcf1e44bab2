package bodies

import (
	"bytes"
	"cmp"
	"slices"
)

// What stands in many bodies is said once in a file, by its dictionary and its UUIDs. Both are taken from bodies that
// stand at even distances. A dictionary so made is as good as a trained one (docs/format/bodies.md has the figures).
const (
	// samples is how many bodies are looked at.
	samples = 8192
	// largestSample leaves out bodies of which a few would fill the dictionary.
	largestSample = 4 << 10
	// Two copies of the dictionary and of each UUID must be worth their bytes: small files get less of them.
	dictionaryPerBody = 2
	bodiesPerUUID     = 16
)

// gather makes the dictionary and the UUIDs for a file.
func gather(first uint64, count int, body func(seq uint64) ([]byte, error)) (directory, error) {
	step := max(1, count/samples)
	counts := map[uuid]int{}
	size := 0
	for row := 0; row < count; row += step {
		b, err := body(first + uint64(row))
		if err != nil {
			return directory{}, err
		}
		if len(b) > largestSample {
			continue
		}
		size += len(b)
		countUUIDs(counts, b)
	}
	dir := directory{uuids: frequent(counts, min(maxUUIDs, count/bodiesPerUUID))}

	room := min(maxDictionary, count*dictionaryPerBody)
	packer := packer{file: map[uuid]int{}, keep: true}
	for i := 0; i < len(dir.uuids); i += uuidBytes {
		packer.file[uuid(dir.uuids[i:])] = i / uuidBytes
	}
	// Of the bodies looked at, about as many as there is room for.
	step *= max(1, size/max(1, room))
	for row := 0; row < count && len(dir.dictionary) < room; row += step {
		b, err := body(first + uint64(row))
		if err != nil {
			return directory{}, err
		}
		if len(b) <= largestSample {
			dir.dictionary = packer.appendPacked(dir.dictionary, b)
		}
	}
	dir.dictionary = dir.dictionary[:min(len(dir.dictionary), room)]
	// Fewer bytes are no dictionary to zstd.
	if len(dir.dictionary) < 8 {
		dir.dictionary = nil
	}
	return dir, nil
}

func countUUIDs(counts map[uuid]int, body []byte) {
	for {
		i := bytes.IndexByte(body, uuidText)
		if i < 0 {
			return
		}
		body = body[i+1:]
		if u, ok := parseUUID(body); ok {
			counts[u]++
			body = body[uuidText:]
		}
	}
}

// frequent returns the UUIDs that came more than once, those that came most often first, so that their numbers are
// short.
func frequent(counts map[uuid]int, most int) []byte {
	type counted struct {
		uuid  uuid
		times int
	}
	var all []counted
	for u, n := range counts {
		if n > 1 {
			all = append(all, counted{u, n})
		}
	}
	slices.SortFunc(all, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.times, a.times), bytes.Compare(a.uuid[:], b.uuid[:]))
	})
	var b []byte
	for _, c := range all[:min(len(all), most)] {
		b = append(b, c.uuid[:]...)
	}
	return b
}
