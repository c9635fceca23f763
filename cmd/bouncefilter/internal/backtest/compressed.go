package backtest

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

var errOtherCompression = errors.New("compressed with something else than gzip: decompress it first")

// uncompressed returns the contents of a file, which is f itself unless gzip has compressed it.
func uncompressed(f *os.File) (io.Reader, error) {
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
			return nil, errOtherCompression
		}
	}
	return f, nil
}

// messageReader returns the contents of a message file, and their size. Dovecot compresses messages in a Maildir (mail_compress).
func messageReader(f *os.File) (r io.ReaderAt, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	plain, err := uncompressed(f)
	if err != nil || plain == io.Reader(f) {
		return f, info.Size(), err
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxMessage))
	if err != nil && len(text) == 0 {
		return nil, 0, err
	}
	return bytes.NewReader(text), int64(len(text)), nil
}
