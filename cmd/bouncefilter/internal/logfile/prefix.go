package logfile

import (
	"strconv"
	"strings"
	"time"
)

// Clock says what a time without a year or a zone means.
type Clock struct {
	Now  time.Time      // a time without a year is the last such time before [Clock.Limit]
	Zone *time.Location // of times without one
}

// Parse reads one line, without its end. What is behind a prefix is Text from its beginning: text in the middle of a line, which outsiders
// may choose, is never taken for what a program has written.
func (c Clock) Parse(line string) Line {
	line = withoutPriority(line)
	if l, is := fromJSON(line); is {
		return l
	}
	at, rest, found := c.time(line)
	if !found {
		return Line{Text: line}
	}
	l := Line{Time: at, Text: withoutPriority(strings.TrimPrefix(rest, " "))}
	host, tagged, found := strings.Cut(l.Text, " ")
	if !found || strings.ContainsAny(host, "={") { // a container writes no host
		return l
	}
	tag, message, ended := strings.Cut(tagged, ": ") // PROGRAM[PID]: or PROGRAM:
	if !ended || strings.ContainsAny(tag, " <=") {
		return l
	}
	l.Host, l.Text = host, withoutPriority(message)
	l.Program, l.PID, _ = strings.Cut(strings.TrimSuffix(tag, "]"), "[")
	return l
}

// withoutPriority removes a priority in front of a text: as sd-daemon(3) has it, such as <6>, or RFC 3164 section 4.1.1, such as <22>.
func withoutPriority(s string) string {
	if len(s) < 3 || s[0] != '<' {
		return s
	}
	end := strings.IndexByte(s[:min(len(s), len("<191>"))], '>')
	if end < 2 || strings.Trim(s[1:end], "0123456789") != "" {
		return s
	}
	return s[end+1:]
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
	if line == "" || !isDigit(line[0]) && !beginsTime[line[:min(3, len(line))]] {
		return time.Time{}, "", false
	}
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

// beginsTime are the words with which a time begins if it does not begin with a digit: months and days of the week.
var beginsTime = map[string]bool{
	"Jan": true, "Feb": true, "Mar": true, "Apr": true, "May": true, "Jun": true, "Jul": true, "Aug": true, "Sep": true, "Oct": true, "Nov": true, "Dec": true,
	"Mon": true, "Tue": true, "Wed": true, "Thu": true, "Fri": true, "Sat": true, "Sun": true,
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Limit returns the latest time that a line may have: the clock of another host, or a zone that is not known, may be ahead.
func (c Clock) Limit() time.Time { return c.Now.Add(24 * time.Hour) }

// withYear gives a time the year in which it is the last such time before tomorrow.
func (c Clock) withYear(at time.Time) time.Time {
	limit := c.Limit()
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
