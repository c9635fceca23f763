package logread

import (
	"strconv"
	"strings"
	"time"
)

// prefix returns the time that syslog, a container or journalctl has put in front of a line, and the line of the daemon. If there is no
// such prefix, it returns the zero time and the line. What is behind a prefix has the daemon written from its beginning: text in the
// middle of a line of another program, which outsiders may choose, is none.
func (c Clock) prefix(line string) (time.Time, string) {
	if line := severity(line); begins(line) {
		return time.Time{}, line
	}
	at, rest, found := c.time(line)
	if !found {
		return time.Time{}, line
	}
	rest = strings.TrimPrefix(rest, " ")
	if begins(severity(rest)) {
		return at, severity(rest)
	}
	// HOST PROGRAM[PID]: or HOST PROGRAM:
	_, tagged, found := strings.Cut(rest, " ")
	tag, message, ended := strings.Cut(tagged, ": ")
	if !found || !ended || strings.ContainsAny(tag, " <") {
		return at, rest
	}
	return at, severity(message)
}

// severity removes a severity as sd-daemon(3) has it, such as <6>.
func severity(line string) string {
	if len(line) > 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>' {
		return line[3:]
	}
	return line
}

// layouts are the times in front of a line, by how many words they have. A zone of "" is in the text.
var layouts = [...]struct {
	words  int
	layout string
	year   bool
}{
	{1, time.RFC3339, true},                      // syslog, containers
	{1, "2006-01-02T15:04:05Z0700", true},        // journalctl -o short-iso
	{3, time.Stamp, false},                       // syslog, journalctl -o short
	{4, "Mon 2006-01-02 15:04:05 MST", true},     // journalctl -o short-full
	{4, "Mon 2006-01-02 15:04:05.000 MST", true}, // the same with parts of a second
}

// time reads the time in front of a line.
func (c Clock) time(line string) (at time.Time, rest string, found bool) {
	for _, l := range layouts {
		text, rest := words(line, l.words)
		if text == "" {
			continue
		}
		at, err := time.ParseInLocation(l.layout, text, c.Zone)
		if err != nil {
			continue
		}
		if !l.year {
			at = c.withYear(at)
		}
		return at.UTC(), rest, true
	}
	text, rest := words(line, 1) // journalctl -o short-unix
	seconds, part, dotted := strings.Cut(text, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	us, err2 := strconv.ParseInt(part, 10, 64)
	if !dotted || err != nil || err2 != nil || len(part) != 6 || s < 1e9 || s > 1e11 {
		return time.Time{}, "", false
	}
	return time.Unix(s, us*1000).UTC(), rest, true
}

// limit is the latest time that a line may have: the clock of another host, or a zone that is not known, may be ahead.
func (c Clock) limit() time.Time { return c.Now.Add(24 * time.Hour) }

// withYear gives a time the year in which it is the last such time before tomorrow.
func (c Clock) withYear(at time.Time) time.Time {
	limit := c.limit()
	for year := limit.In(c.Zone).Year(); ; year-- {
		t := time.Date(year, at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), c.Zone)
		if !t.After(limit) && t.Day() == at.Day() { // 29 February is not in each year
			return t
		}
	}
}

// words returns the first n words of a line, with one space between them, and what is behind them; "" if there are fewer. A day of a
// month may have two spaces in front.
func words(line string, n int) (text, rest string) {
	rest = line
	for i := range n {
		if i > 0 {
			text += " "
			rest = strings.TrimPrefix(rest, " ")
			if strings.HasPrefix(rest, " ") {
				text, rest = text+" ", rest[1:]
			}
		}
		end := strings.IndexByte(rest, ' ')
		if end <= 0 {
			return "", ""
		}
		text, rest = text+rest[:end], rest[end:]
	}
	return text, rest
}
