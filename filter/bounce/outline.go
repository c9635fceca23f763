package bounce

import "strings"

// outline says of each line of a text what matters to find the header of a returned message in it. Each line is looked at once, however
// many headers may begin in front of it.
type outline struct {
	text  string
	lines []outlined // and one for the end of the text
}

// outlined is a line.
type outlined struct {
	start         int32  // its first octet
	end           int32  // the number of the next blank line, from this one on
	known, strong uint16 // how many fields all lines in front of it have, see mailFields; only differences count
	blank         bool   // it is white space alone
	empty         bool   // it is empty but for quotation marks
	id            bool   // a Message-ID field comes in it, or below it and above the next empty line
}

// maxOutlined is how many lines of a text are searched for a returned message: 512 KiB of five octets each.
const maxOutlined = 100_000

// fieldMarks may be in front of a quoted header field.
const fieldMarks = " \t>|"

func newOutline(w *work, text string) *outline {
	w.skim(len(text))
	n := min(strings.Count(text, "\n")+1, maxOutlined)
	o := &outline{text: text, lines: make([]outlined, n+1)}
	known, strong, rest := uint16(0), uint16(0), text
	for i := range n {
		l := &o.lines[i]
		*l = outlined{start: int32(len(text) - len(rest)), known: known, strong: strong}
		var line string
		line, rest = cutLine(rest)
		l.blank = isBlank(w, line)
		w.items(1)
		w.skim(len(line))
		line = trimMarks(w, line)
		l.empty, l.id = line == "", isMessageIDField(line)
		if is, isStrong := mailField(line); is {
			known++
			if isStrong {
				strong++
			}
		}
	}
	w.truncated = w.truncated || rest != ""
	o.lines[n] = outlined{start: int32(len(text) - len(rest)), known: known, strong: strong, end: int32(n), blank: true, empty: true}
	for i := n - 1; i >= 0; i-- {
		l := &o.lines[i]
		if l.end = o.lines[i+1].end; l.blank {
			l.end = int32(i)
		}
		l.id = l.id || !l.empty && o.lines[i+1].id
	}
	return o
}

// trimMarks removes what may be in front of a quoted header field.
func trimMarks(w *work, line string) string {
	trimmed := strings.TrimLeft(line, fieldMarks)
	w.look(len(line) - len(trimmed))
	return trimmed
}

// size returns the number of lines.
func (o *outline) size() int { return len(o.lines) - 1 }

// line returns a line without its end, or "" behind the last one.
func (o *outline) line(i int) string {
	if i >= o.size() {
		return ""
	}
	line, _ := cutLine(o.text[o.lines[i].start:o.lines[i+1].start])
	return line
}

// at returns the number of the first line at or after from that begins at this octet or behind it.
func (o *outline) at(from, octet int) int {
	for from < o.size() && int(o.lines[from].start) < octet {
		from++
	}
	return from
}

// fields counts the known fields in up to so many lines, up to a blank one.
func (o *outline) fields(from, lines int) (known, strong int) {
	if from >= o.size() {
		return 0, 0
	}
	first := o.lines[from]
	end := o.lines[min(from+lines, int(first.end))]
	return int(end.known - first.known), int(end.strong - first.strong) // which wrap around
}

// mailField says whether a line without marks in front is a field of a mail header, and whether it is one that a report's own summary of
// the message does not have.
func mailField(line string) (is, strong bool) {
	name, _, ok := splitField(line)
	if !ok {
		return false, false
	}
	var folded [maxFieldName]byte
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		folded[i] = c
	}
	if strong, is = mailFields[string(folded[:len(name)])]; is {
		return true, strong
	}
	return strings.HasPrefix(string(folded[:min(len(name), 2)]), "x-"), false
}

func isMessageIDField(line string) bool {
	const name = "message-id:"
	return len(line) > len(name) && strings.EqualFold(line[:len(name)], name)
}
