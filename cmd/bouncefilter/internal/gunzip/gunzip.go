// Package gunzip reads files that gzip may have compressed, as rotated logs and the messages of some mail servers are: see [Reader].
package gunzip

import (
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

// ErrOther says that a file is compressed in another way.
var ErrOther = errors.New("compressed with something else than gzip: decompress it first")

// Reader returns the contents of a file, from its beginning: f itself if it is not compressed, or cannot be read at an offset, as a pipe.
// The error may be [ErrOther].
func Reader(f *os.File) (io.Reader, error) {
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return f, err
	}
	var magic [6]byte
	n, err := f.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if bytes.HasPrefix(magic[:n], gzipMagic) {
		return gzip.NewReader(f)
	}
	for _, m := range otherMagic {
		if bytes.HasPrefix(magic[:n], m) {
			return nil, ErrOther
		}
	}
	return f, nil
}
