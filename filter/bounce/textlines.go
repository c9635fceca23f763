package bounce

import "strings"

// textLines is a text line by line, as far as it is read.
type textLines struct {
	*work
	lines []string
	leads []lead // of each line
}

// lead is the address at the beginning of a line, and what follows it.
type lead struct {
	known         bool // the line was looked at
	ok            bool // there is one
	address, rest string
}

func newTextLines(w *work, text string) *textLines {
	w.skim(2 * len(text))
	lines := make([]string, 0, min(maxTextLines, strings.Count(text, "\n")+1))
	for more := true; more && len(lines) < maxTextLines; {
		var line string
		line, text, more = strings.Cut(text, "\n")
		lines = append(lines, line)
	}
	w.items(len(lines))
	return &textLines{work: w, lines: lines, leads: make([]lead, len(lines))}
}

// leading returns the address at the beginning of a line. It looks at each line once.
func (t *textLines) leading(i int) *lead {
	l := &t.leads[i]
	if !l.known {
		l.known = true
		l.address, l.rest, l.ok = leadingAddress(t.work, t.lines[i])
	}
	return l
}

// wraps says whether a line that begins with an address only goes on with what the line before it says, so that it begins with no
// further recipient.
func (t *textLines) wraps(i int) bool {
	const long = 50
	line, before := t.lines[i], strings.TrimRight(t.lines[i-1], " \t")
	t.look(len(t.lines[i-1]) - len(before))
	switch {
	case len(before) < 4:
		return false
	case before[len(before)-1] == '-' && isAlnum(before[len(before)-2]):
		return true // "identity some-long-" "name@example.com"
	}
	if l := t.leading(i - 1); l.ok {
		// "<user@example.com>: host mx.example.com said: 550 5.7.1" "    <from@example.net>: Sender address rejected"
		return len(l.rest) > 10 && l.rest[0] == ':' && indentation(line) > indentation(before)
	}
	return len(before) >= long && strings.IndexByte(".:;!>", before[len(before)-1]) < 0 && indentation(before) <= indentation(line)
}

// indentation returns how many spaces and tabs a line begins with, up to 100.
func indentation(line string) int {
	line = line[:min(len(line), 100)]
	return len(line) - len(strings.TrimLeft(line, " \t"))
}

// leadingAddress returns the address at the beginning of a line, and what follows it.
func leadingAddress(w *work, line string) (address, rest string, ok bool) {
	s := strings.TrimLeft(line, " \t*-•·|>+")
	w.items(1)
	w.decode(len(line) - len(s))
	s = strings.TrimPrefix(s, "\"")
	open := strings.HasPrefix(s, "<")
	s = strings.TrimPrefix(strings.TrimLeft(s, "<'\""), "mailto:")
	if s == "" || len(s) > 4*maxAddressBytes {
		return "", "", false
	}
	address, start, end := findAddress(w, s, 0)
	if start != 0 || end < 0 {
		return "", "", false
	}
	rest = s[end:]
	if open && !strings.HasPrefix(rest, ">") {
		return "", "", false
	}
	rest = strings.TrimLeft(rest, ">'\"")
	tail := strings.TrimSpace(rest)
	switch {
	case tail != "" && tail[0] == ',' && !goesOn(w, tail[1:]):
		return "", "", false // "user@example.com, and ip 192.0.2.1": the end of a sentence that began on the line before
	case tail == "", strings.IndexByte(":([<,;", tail[0]) >= 0, strings.HasPrefix(tail, "..."), strings.HasPrefix(tail, "->"),
		strings.HasPrefix(tail, "- "), strings.HasPrefix(tail, "on "):
		return address, tail, true
	}
	// "user@example.com Invalid address": what follows must say that delivery failed.
	if (rest[0] == ' ' || rest[0] == '\t') && saysFailure(w, tail) {
		return address, tail, true
	}
	return "", "", false
}

// saysFailure says whether a text says that something has failed.
func saysFailure(w *work, s string) bool {
	w.look(2 * len(s))
	return replyCode(s) > 0 || findStatus(s) != "" || failureWords.in(w.lower(s))
}

// goesOn says whether a list of recipients goes on after a comma: with another address, what failed, or nothing.
func goesOn(w *work, s string) bool {
	s = strings.TrimLeft(s, " \t<\"'")
	if s == "" || saysFailure(w, s) {
		return true
	}
	_, start, _ := findAddress(w, s, 0)
	return start == 0
}

// failureWords may follow an address on its line.
var failureWords = newPhrases([]string{"invalid", "unknown", "no such", "not found", "not exist", "error", "fail", "rejected", "disabled", "full", "quota", "expired", "timed out"})
