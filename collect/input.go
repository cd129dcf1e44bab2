package collect

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
)

// open returns the text of a file, unpacking it when it begins like one of gzip (RFC 1952, section 2.3.1).
func open(r io.Reader, progress func(int64)) (io.Reader, error) {
	if progress != nil {
		r = &meter{r: r, progress: progress}
	}
	br := bufio.NewReader(r)
	magic, err := br.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if string(magic) != "\x1f\x8b" {
		return br, nil
	}
	z, err := gzip.NewReader(br)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return z, nil
}

// meter counts what is read.
type meter struct {
	r        io.Reader
	n        int64
	progress func(int64)
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	m.progress(m.n)
	return n, err
}
