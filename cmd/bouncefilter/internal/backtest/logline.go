package backtest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// line is a line of a log.
type line struct {
	time    time.Time
	host    string
	program string // "postfix/smtpd", "sm-mta"
	pid     string
	text    string
}

// parseLine reads a line of syslog, in the traditional form or with a time of RFC 3339, as files and journalctl have it. The year that the
// traditional form lacks is the last one in which the time is not after now.
func parseLine(s string, now time.Time) (l line, ok bool) {
	if strings.HasPrefix(s, "<") { // the priority of RFC 3164
		if end := strings.IndexByte(s[:min(len(s), 6)], '>'); end > 0 {
			s = s[end+1:]
		}
	}
	if len(s) < 16 {
		return l, false
	}
	var rest string
	if s[0] >= '0' && s[0] <= '9' {
		stamp, after, found := strings.Cut(s, " ")
		if !found || !isoTime(stamp, &l.time) {
			return l, false
		}
		rest = after
	} else {
		t, err := time.ParseInLocation("Jan _2 15:04:05", s[:15], now.Location())
		if err != nil || s[15] != ' ' && s[15] != '.' {
			return l, false
		}
		if t = t.AddDate(now.Year(), 0, 0); t.After(now.AddDate(0, 0, 1)) {
			t = t.AddDate(-1, 0, 0)
		}
		l.time = t
		_, rest, _ = strings.Cut(s[15:], " ")
	}
	var found bool
	if l.host, rest, found = strings.Cut(rest, " "); !found {
		return l, false
	}
	tag, text, found := strings.Cut(rest, ": ")
	if !found || strings.ContainsAny(tag, " =") {
		return l, false
	}
	l.text = text
	l.program, l.pid, _ = strings.Cut(strings.TrimSuffix(tag, "]"), "[")
	return l, true
}

// isoTime reads a time of RFC 3339, whose zone journalctl writes without a colon.
func isoTime(s string, t *time.Time) bool {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"} {
		var err error
		if *t, err = time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// maxLine is how many octets of a line are read.
const maxLine = 64 << 10

// readLog calls yield with each line of a log, until it returns false. Lines that cannot be read are left out. The forms are those of
// parseLine, and the export and json formats of journalctl, which may follow each other in one file.
func readLog(r io.Reader, now time.Time, yield func(line) bool) error {
	br := bufio.NewReaderSize(r, maxLine)
	var entry journalEntry
	for {
		raw, err := br.ReadSlice('\n')
		for partial := err == bufio.ErrBufferFull; partial; partial = err == bufio.ErrBufferFull {
			_, err = br.ReadSlice('\n') // the rest of a line that is too long
			raw = nil
		}
		if err != nil && err != io.EOF {
			return err
		}
		text := strings.TrimRight(string(raw), "\r\n")
		l, ok := line{}, false
		switch name, value, isField := strings.Cut(text, "="); {
		case strings.HasPrefix(text, "{"):
			l, ok = journalJSON(text)
		case isField && isJournalField(name):
			entry.set(name, value)
		case isJournalField(text) && entry.begun():
			value, binaryErr := binaryField(br)
			if binaryErr != nil {
				return binaryErr
			}
			entry.set(text, value)
		case text == "":
			l, ok = entry.line()
			entry = journalEntry{}
		default:
			l, ok = parseLine(text, now)
		}
		if ok && !yield(l) {
			return nil
		}
		if err == io.EOF {
			if l, ok = entry.line(); ok {
				yield(l)
			}
			return nil
		}
	}
}

// journalEntry is an entry of the journal (Journal Export Format).
type journalEntry struct {
	Time       string `json:"__REALTIME_TIMESTAMP"`
	Host       string `json:"_HOSTNAME"`
	Identifier string `json:"SYSLOG_IDENTIFIER"`
	PID        string `json:"_PID"`
	Message    any    `json:"MESSAGE"` // an array of octets if it is not UTF-8
}

func (e *journalEntry) begun() bool { return e.Time != "" }

func (e *journalEntry) set(name, value string) {
	switch name {
	case "__REALTIME_TIMESTAMP":
		e.Time = value
	case "_HOSTNAME":
		e.Host = value
	case "SYSLOG_IDENTIFIER":
		e.Identifier = value
	case "_PID":
		e.PID = value
	case "MESSAGE":
		e.Message = value
	}
}

func (e *journalEntry) line() (line, bool) {
	us, err := strconv.ParseInt(e.Time, 10, 64)
	text, isText := e.Message.(string)
	if err != nil || !isText {
		return line{}, false
	}
	return line{time.UnixMicro(us), e.Host, e.Identifier, e.PID, text}, true
}

func journalJSON(text string) (line, bool) {
	var e journalEntry
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return line{}, false
	}
	return e.line()
}

// isJournalField says whether s is the name of a field of the journal.
func isJournalField(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && (s[0] < '0' || s[0] > '9')
}

var errJournal = errors.New("a field of the journal export is not complete")

// binaryField reads the value of a field that is not text: its length as 64 bits, the value, a line feed.
func binaryField(br *bufio.Reader) (string, error) {
	var size [8]byte
	if _, err := io.ReadFull(br, size[:]); err != nil {
		return "", errJournal
	}
	n := binary.LittleEndian.Uint64(size[:])
	if n > 64<<20 {
		return "", errJournal
	}
	value := make([]byte, min(n, maxLine))
	if _, err := io.ReadFull(br, value); err != nil {
		return "", errJournal
	}
	if _, err := br.Discard(int(n) - len(value) + 1); err != nil {
		return "", errJournal
	}
	return string(value), nil
}
