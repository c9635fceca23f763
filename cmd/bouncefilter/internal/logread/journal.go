package logread

import (
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"strings"
	"time"
)

// isExport says whether a line begins an entry in the export format of the journal (systemd.io/JOURNAL_EXPORT_FORMATS).
func isExport(line []byte) bool { return bytes.HasPrefix(line, []byte("__CURSOR=")) }

// export reads the rest of an entry, up to an empty line. A field is NAME=TEXT or, if it has other than plain text, NAME, a line feed, the
// length in 8 octets, the lowest first, so many octets, and a line feed.
func (r *reader) export(line []byte, whole bool) error {
	r.stats.Lines++
	fields := attrs{}
	var err error
	for len(line) > 0 {
		name, value, plain := strings.Cut(string(line), "=")
		if !plain {
			if value, whole, err = r.binary(); err != nil {
				return err
			}
		}
		if name == "MESSAGE" || name == realtime {
			if !whole {
				value = ""
			}
			fields[name] = value
		}
		if line, whole, err = r.line(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	r.text(fields["MESSAGE"], fields.realtime())
	return nil
}

// binary reads the value of a field that is not plain text. If it is not whole, it was skipped.
func (r *reader) binary() (value string, whole bool, err error) {
	var length [8]byte
	if _, err := io.ReadFull(r.in, length[:]); err != nil {
		return "", false, cutOff(err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxLine {
		if n > 1<<62 {
			return "", false, io.ErrUnexpectedEOF
		}
		_, err := io.CopyN(io.Discard, r.in, int64(n)+1)
		return "", false, cutOff(err)
	}
	text := make([]byte, n+1)
	if _, err := io.ReadFull(r.in, text); err != nil {
		return "", false, cutOff(err)
	}
	return string(text[:n]), true, nil
}

// cutOff returns the error of a journal that ends in the middle of a field: it is one, since what follows cannot be told apart.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// realtime is the field with the time of an entry, in microseconds since 1970.
const realtime = "__REALTIME_TIMESTAMP"

// realtime returns the time of an entry of the journal; the zero time if it has none.
func (a attrs) realtime() time.Time {
	us, err := strconv.ParseInt(a[realtime], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
