package backtest

import (
	"bytes"
	"io"
	"os"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/gunzip"
)

// messageReader returns the contents of a message file, and their size. Dovecot compresses messages in a Maildir (mail_compress).
func messageReader(f *os.File) (r io.ReaderAt, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	plain, err := gunzip.Reader(f)
	if err != nil || plain == io.Reader(f) {
		return f, info.Size(), err
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxMessage))
	if err != nil && len(text) == 0 {
		return nil, 0, err
	}
	return bytes.NewReader(text), int64(len(text)), nil
}
