package backtest

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"
)

// chunk is how many octets of an mbox are looked at at a time, at most; most messages are much smaller.
const chunk = 256 << 10

// window reads a file in large pieces, and keeps the last one: small messages are read from memory. It is not for concurrent use.
type window struct {
	r   io.ReaderAt
	at  int64 // of buf
	buf []byte
	mem []byte // for buf
}

func newWindow(r io.ReaderAt) *window { return &window{r: r, mem: make([]byte, 4*chunk)} }

// ReadAt implements [io.ReaderAt].
func (w *window) ReadAt(p []byte, at int64) (int, error) {
	if len(p) > len(w.mem) {
		return w.r.ReadAt(p, at)
	}
	if at < w.at || at+int64(len(p)) > w.at+int64(len(w.buf)) {
		n, err := w.r.ReadAt(w.mem, at)
		if w.at, w.buf = at, w.mem[:n]; err != nil && err != io.EOF {
			return 0, err
		}
	}
	n := copy(p, w.buf[at-w.at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// maxFromLine is the length of the longest "From " line, in octets.
const maxFromLine = 1 << 10

// splitMbox calls begin with where each message of an mbox begins, its "From " line included, and then yield with how long it is, until one
// of them returns false. The mbox is read once, from its beginning to its end, if begin reads headers through the same [window].
//
// The variants differ in how they tell a "From " line of a body from one between messages. mboxo and mboxrd quote the former; mboxcl and
// mboxcl2 count octets in Content-Length. A Content-Length is believed if it ends where the next message or the file does, as other
// programs leave wrong ones behind; otherwise a message ends in front of a blank line and a "From " line with a date.
func splitMbox(r io.ReaderAt, size int64, begin func(at int64) bool, yield func(at, length int64) bool) error {
	for at := int64(0); at < size; {
		if !begin(at) {
			return nil
		}
		end, err := endOfMessage(r, at, size)
		if err != nil {
			return err
		}
		if !yield(at, end-at) {
			return nil
		}
		at = end
	}
	return nil
}

// endOfMessage returns where the message at the offset at ends.
func endOfMessage(r io.ReaderAt, at, size int64) (int64, error) {
	first := make([]byte, min(size-at, firstRead))
	if n, err := r.ReadAt(first, at); err != nil && err != io.EOF {
		return 0, err
	} else {
		first = first[:n]
	}
	from := at + 1
	if body, length, ok := contentLength(first); ok {
		// In front of the next "From " line is a blank line, which is not counted.
		if end := at + body + length; end <= size {
			if next := end + blankAt(r, end, size); next == size || isFromLineAt(r, next, size) {
				return next, nil
			}
		}
	}
	var buf []byte
	for step := firstRead; from < size; step = min(2*step, chunk) {
		if len(buf) < step+maxFromLine {
			buf = make([]byte, step+maxFromLine)
		}
		n, err := r.ReadAt(buf[:min(int64(step+maxFromLine), size-from)], from)
		if err != nil && err != io.EOF {
			return 0, err
		}
		text := buf[:n]
		for i := 0; i < min(n, step); {
			k := bytes.Index(text[i:], []byte("\nFrom "))
			if k < 0 || i+k >= step {
				break
			}
			i += k + 1
			if blankBefore(r, text, i, from) && isFromLine(text[i:]) {
				return from + int64(i), nil
			}
		}
		from += int64(min(n, step))
		if n == 0 {
			break
		}
	}
	return size, nil
}

// blankBefore says whether the line in front of text[i] is blank. text is at the offset from.
func blankBefore(r io.ReaderAt, text []byte, i int, from int64) bool {
	var two [2]byte
	switch {
	case i >= 3:
		return text[i-2] == '\n' || text[i-2] == '\r' && text[i-3] == '\n'
	case from+int64(i) < 3:
		return from+int64(i) == 2 && text[0] == '\n'
	}
	if _, err := r.ReadAt(two[:], from+int64(i)-3); err != nil {
		return false
	}
	return two[1] == '\n' || two[1] == '\r' && two[0] == '\n'
}

// contentLength returns where the body begins, and the value of Content-Length.
func contentLength(text []byte) (body, length int64, ok bool) {
	rest := text
	for len(rest) > 0 {
		line := nextField(rest)
		rest = rest[len(line):]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return int64(len(text) - len(rest)), length, ok
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if found && strings.EqualFold(string(name), "content-length") {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 48)
			length, ok = n, err == nil && n >= 0
		}
	}
	return 0, 0, false
}

// blankAt returns the length of the blank line at the offset, 0 if there is none.
func blankAt(r io.ReaderAt, at, size int64) int64 {
	var two [2]byte
	n, _ := r.ReadAt(two[:min(2, size-at)], at)
	switch {
	case n >= 1 && two[0] == '\n':
		return 1
	case n == 2 && two[0] == '\r' && two[1] == '\n':
		return 2
	}
	return 0
}

func isFromLineAt(r io.ReaderAt, at, size int64) bool {
	buf := make([]byte, min(maxFromLine, size-at))
	n, _ := r.ReadAt(buf, at)
	return isFromLine(buf[:n])
}

// isFromLine says whether a line separates messages of an mbox: "From ", a sender, and the time of asctime(3), which some programs follow
// by the name of a zone, or have one in front of the year.
func isFromLine(text []byte) bool {
	line, _, _ := bytes.Cut(text[:min(len(text), maxFromLine)], []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("From "))
	if !ok {
		return false
	}
	words := strings.Fields(string(rest))
	for i := range words {
		if len(words[i]) == 3 && len(words)-i >= 5 && isWeekday(words[i]) {
			if _, err := time.Parse("Jan 2 15:04", words[i+1]+" "+words[i+2]+" "+shortTime(words[i+3])); err == nil {
				return true
			}
		}
	}
	return false
}

// shortTime returns hours and minutes of a time of day.
func shortTime(s string) string {
	if strings.Count(s, ":") == 2 {
		return s[:strings.LastIndexByte(s, ':')]
	}
	return s
}

func isWeekday(s string) bool {
	return strings.Contains("Mon Tue Wed Thu Fri Sat Sun", s)
}
