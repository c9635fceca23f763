// Package gunzip reads files that gzip may have compressed, as rotated logs and the messages of some mail servers are: see [Reader] and [Stream].
package gunzip

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
)

// Magic numbers of compressed files (RFC 1952, RFC 8878, and those of xz and bzip2).
var (
	gzipMagic  = []byte{0x1f, 0x8b}
	otherMagic = [][]byte{{0x28, 0xb5, 0x2f, 0xfd}, {0xfd, '7', 'z', 'X', 'Z'}, []byte("BZh")}
)

// magicLen is how many octets the longest of them has.
const magicLen = 6

// ErrOther says that a file is compressed in another way.
var ErrOther = errors.New("compressed with something else than gzip: decompress it first")

// Reader returns the contents of a file, from its beginning: f itself if it is not compressed, or cannot be read at an offset, as a pipe.
// The error may be [ErrOther].
func Reader(f *os.File) (io.Reader, error) {
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return f, err
	}
	var magic [magicLen]byte
	n, err := f.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return plain(f, magic[:n])
}

// Stream returns a reader of the contents of what r reads, which may be a pipe. Nothing is read of r before the first Read, whose error may
// be [ErrOther].
func Stream(r io.Reader) io.Reader { return &stream{in: bufio.NewReader(r)} }

type stream struct {
	in    *bufio.Reader
	plain io.Reader // nil before the first Read
}

// Read implements [io.Reader].
func (s *stream) Read(p []byte) (int, error) {
	if s.plain == nil {
		magic, err := s.in.Peek(magicLen)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if s.plain, err = plain(s.in, magic); err != nil {
			s.plain = nil
			return 0, err
		}
	}
	return s.plain.Read(p)
}

// plain returns r, or what gzip has compressed in it, by the octets with which it begins.
func plain(r io.Reader, magic []byte) (io.Reader, error) {
	if bytes.HasPrefix(magic, gzipMagic) {
		return gzip.NewReader(r)
	}
	for _, m := range otherMagic {
		if bytes.HasPrefix(magic, m) {
			return nil, ErrOther
		}
	}
	return r, nil
}
