package logfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// fields are those of an entry of the journal that are read.
type fields struct {
	Realtime   string `json:"__REALTIME_TIMESTAMP"` // microseconds since 1970
	Hostname   string `json:"_HOSTNAME"`
	Identifier string `json:"SYSLOG_IDENTIFIER"`
	PID        string `json:"_PID"`
	Message    text   `json:"MESSAGE"`
}

// line returns the entry as a line.
func (f *fields) line() Line {
	l := Line{Host: f.Hostname, Program: f.Identifier, PID: f.PID, Text: withoutPriority(string(f.Message))}
	if us, err := strconv.ParseInt(f.Realtime, 10, 64); err == nil {
		l.Time = time.UnixMicro(us).UTC()
	}
	return l
}

// realtime is the field that every entry has.
const realtime = "__REALTIME_TIMESTAMP"

// IsEntry says whether a line is the beginning of an entry of the journal, as journalctl -o export or -o json has it.
func IsEntry(line []byte) bool {
	return isExport(line) || bytes.HasPrefix(line, []byte("{")) && bytes.Contains(line, []byte(`"`+realtime+`"`))
}

// fromJSON reads an entry as journalctl -o json has it.
func fromJSON(line string) (Line, bool) {
	if !strings.HasPrefix(line, "{") || !strings.Contains(line, `"`+realtime+`"`) {
		return Line{}, false
	}
	var f fields
	if json.Unmarshal([]byte(line), &f) != nil || f.Realtime == "" {
		return Line{}, false
	}
	return f.line(), true
}

// text is that of a field, which journalctl -o json writes as a list of octets if it is not plain.
type text string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(raw []byte) error {
	if raw[0] != '[' {
		return json.Unmarshal(raw, (*string)(t))
	}
	var list []int
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	octets := make([]byte, len(list))
	for i, n := range list {
		if n < 0 || n > 255 {
			return fmt.Errorf("%d is no octet", n)
		}
		octets[i] = byte(n)
	}
	*t = text(octets)
	return nil
}

// isExport says whether a line begins an entry in the export format of the journal (systemd.io/JOURNAL_EXPORT_FORMATS).
func isExport(line []byte) bool {
	return bytes.HasPrefix(line, []byte("__CURSOR=")) || bytes.HasPrefix(line, []byte(realtime+"="))
}

// export reads an entry whose first field has been read, up to an empty line. A field is NAME=TEXT or, if it has other than plain text,
// NAME, a line feed, the length in 8 octets, the lowest first, so many octets, and a line feed.
func (r *reader) export(field []byte, whole bool) (Line, error) {
	var f fields
	cut := false
	for len(field) > 0 {
		name, value, plain := strings.Cut(string(field), "=")
		var err error
		if !plain {
			if value, whole, err = r.binary(); err != nil {
				return Line{}, err
			}
		}
		switch name {
		case realtime:
			f.Realtime = value
		case "_HOSTNAME":
			f.Hostname = value
		case "SYSLOG_IDENTIFIER":
			f.Identifier = value
		case "_PID":
			f.PID = value
		case "MESSAGE":
			f.Message, cut = text(value), !whole
		}
		if field, whole, err = r.line(); err == io.EOF {
			break
		} else if err != nil {
			return Line{}, err
		}
	}
	l := f.line()
	if l.Cut = cut; cut {
		l.Text = ""
	}
	return l, nil
}

// binary reads the value of a field that is not plain text. If it is not whole, it was skipped.
func (r *reader) binary() (value string, whole bool, err error) {
	var length [8]byte
	if _, err := io.ReadFull(r.in, length[:]); err != nil {
		return "", false, cutOff(err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > MaxLine {
		if n > 1<<62 {
			return "", false, io.ErrUnexpectedEOF
		}
		_, err := io.CopyN(io.Discard, r.in, int64(n)+1)
		return "", false, cutOff(err)
	}
	octets := make([]byte, n+1)
	if _, err := io.ReadFull(r.in, octets); err != nil {
		return "", false, cutOff(err)
	}
	return string(octets[:n]), true, nil
}

// cutOff returns the error of a journal that ends in the middle of a field: it is one, since what follows cannot be told apart.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
