// Package logfile reads the lines of a log, in whatever form it was kept: [Read] calls a function with each of them. A line may have in
// front what syslog, a container or journalctl puts there, or be an entry of the journal of systemd as journalctl -o export or -o json has
// it. What a line says is not looked at.
//
// It streams: a line has a bounded length, and nothing is kept of it.
package logfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// MaxLine is how long a line or a field of the journal is at most, in octets: ten times as long as the longest line of the daemon.
const MaxLine = 256 << 10

// Line is a line of a log.
type Line struct {
	Time    time.Time // in UTC; the zero time if nothing in front of the text says it
	Host    string    // that wrote it; "" if nothing in front of the text says it, as of Program and PID
	Program string    // such as "postfix/smtpd"
	PID     string
	Text    string // what the program has written
	Cut     bool   // it is longer than MaxLine; it has no Text
}

// Read calls yield with each line that is not empty, until it returns false.
func Read(in io.Reader, clock Clock, yield func(Line) bool) error {
	r := &reader{bufio.NewReaderSize(in, MaxLine)}
	for {
		text, whole, err := r.line()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		l := Line{Cut: true}
		switch {
		case isExport(text):
			if l, err = r.export(text, whole); err != nil {
				return err
			}
		case len(bytes.TrimSpace(text)) == 0:
			continue
		case whole:
			l = clock.Parse(string(text))
		}
		if !yield(l) {
			return nil
		}
	}
}

type reader struct{ in *bufio.Reader }

// line returns the next line without its end. If it is not whole, its rest was skipped.
func (r *reader) line() (line []byte, whole bool, err error) {
	line, err = r.in.ReadSlice('\n')
	whole = true
	if errors.Is(err, bufio.ErrBufferFull) {
		line, whole = bytes.Clone(line), false
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.in.ReadSlice('\n')
		}
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	if err != nil {
		return nil, false, err
	}
	return bytes.TrimRight(line, "\r\n"), whole, nil
}
