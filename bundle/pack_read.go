package bundle

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Pack is an archive that is read. Its layout is that of a PackWriter, byte for byte where zip readers may differ: no
// bytes between or around the files, no comments, no extra fields, no name twice. What the files hold is not looked at
// before they are read.
type Pack struct {
	files []*zip.File
}

// OpenPack reads the directory of an archive.
func OpenPack(r io.ReaderAt, size int64) (*Pack, error) {
	p, err := openPack(r, size)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return p, nil
}

func openPack(r io.ReaderAt, size int64) (*Pack, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("it is no zip archive: %w", err)
	}
	if len(z.File) > maxPackFiles+2 || len(z.File) < 2 {
		return nil, fmt.Errorf("it has %d files", len(z.File))
	}
	if z.Comment != "" {
		return nil, errors.New("it has a comment")
	}
	names := make([]string, len(z.File))
	var at int64
	for i, f := range z.File {
		names[i] = f.Name
		end, err := checkMember(r, f, at)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", f.Name, err)
		}
		at = end
	}
	n := len(names)
	if names[n-2] != PackManifest || names[n-1] != PackSeal {
		return nil, errors.New("its last files are not the manifest and the seal")
	}
	if !slices.IsSorted(names[:n-2]) {
		return nil, errors.New("its files are not in the order of their names")
	}
	if err := checkTail(r, size, at, z.File); err != nil {
		return nil, err
	}
	return &Pack{z.File}, nil
}

const (
	localHeadBytes   = 30
	centralHeadBytes = 46
	endBytes         = 22
	endBytes64       = 56 + 20 + endBytes
	zip64Extra       = 28
	uint32max        = 1<<32 - 1
)

// checkMember makes sure that a file begins at at, and returns where it ends.
func checkMember(r io.ReaderAt, f *zip.File, at int64) (end int64, err error) {
	data, err := f.DataOffset()
	switch {
	case err != nil:
		return 0, err
	case !packName.MatchString(f.Name):
		return 0, errors.New("it cannot name a file of a pack")
	case f.Method != zip.Deflate || f.Flags != zipFlags || f.Comment != "" || f.ExternalAttrs != 0:
		return 0, errors.New("it is not stored as a pack stores files")
	case len(f.Extra) != 0 && len(f.Extra) != zip64Extra:
		return 0, errors.New("it has an extra field")
	case data != at+localHeadBytes+int64(len(f.Name)):
		return 0, errors.New("there is something before it that belongs to no file")
	}
	head, behind := memberFrame(f)
	end = data + int64(f.CompressedSize64) + int64(len(behind))
	if !bytesAt(r, at, head) || !bytesAt(r, end-int64(len(behind)), behind) {
		return 0, errors.New("what stands around it says something else than the directory")
	}
	return end, nil
}

// memberFrame returns what a PackWriter writes before a file and behind it.
func memberFrame(f *zip.File) (head, behind []byte) {
	le := binary.LittleEndian
	head = append(head, "PK\x03\x04"...)
	for _, v := range []uint16{zipVersion, zipFlags, zip.Deflate, 0, dosEpoch} {
		head = le.AppendUint16(head, v)
	}
	head = append(head, make([]byte, 12)...)
	head = le.AppendUint16(head, uint16(len(f.Name)))
	head = append(le.AppendUint16(head, 0), f.Name...)
	behind = le.AppendUint32(append(behind, "PK\x07\x08"...), f.CRC32)
	if f.CompressedSize64 >= uint32max || f.UncompressedSize64 >= uint32max {
		return head, le.AppendUint64(le.AppendUint64(behind, f.CompressedSize64), f.UncompressedSize64)
	}
	return head, le.AppendUint32(le.AppendUint32(behind, uint32(f.CompressedSize64)), uint32(f.UncompressedSize64))
}

func bytesAt(r io.ReaderAt, at int64, want []byte) bool {
	got := make([]byte, len(want))
	_, err := r.ReadAt(got, at)
	return err == nil && bytes.Equal(got, want)
}

// checkTail makes sure that the directory begins at at and is the end of the archive.
func checkTail(r io.ReaderAt, size, at int64, files []*zip.File) error {
	want := at
	for _, f := range files {
		want += centralHeadBytes + int64(len(f.Name)) + int64(len(f.Extra))
	}
	if size != want+endBytes && size != want+endBytes64 {
		return errors.New("there are bytes in it that belong to no file")
	}
	var sig [4]byte
	if _, err := r.ReadAt(sig[:], at); err != nil || string(sig[:]) != "PK\x01\x02" {
		return errors.New("its directory is not where it must be")
	}
	return nil
}

// Names returns the names of the files, in their order.
func (p *Pack) Names() []string {
	names := make([]string, len(p.files))
	for i, f := range p.files {
		names[i] = f.Name
	}
	return names
}

// Size returns how large the archive says that a file is, 0 when there is none.
func (p *Pack) Size(name string) uint64 {
	if f := p.find(name); f != nil {
		return f.UncompressedSize64
	}
	return 0
}

func (p *Pack) find(name string) *zip.File {
	i := slices.IndexFunc(p.files, func(f *zip.File) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return p.files[i]
}

// Open opens a file. Reading it to its end checks its length and checksum.
func (p *Pack) Open(name string) (io.ReadCloser, error) {
	f := p.find(name)
	if f == nil {
		return nil, fmt.Errorf("pack: there is no %s", name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("pack: %s: %w", name, err)
	}
	return r, nil
}

// ReadFile returns a small file.
func (p *Pack) ReadFile(name string, most int64) ([]byte, error) {
	r, err := p.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("pack: %s: %w", name, err)
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("pack: %s: more than %d bytes", name, most)
	}
	return b, nil
}
