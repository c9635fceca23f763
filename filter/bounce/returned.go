package bounce

import "strings"

// mailFields are the header fields by which a returned header is recognised in text. Those that are true do not occur in a
// report's own summary of the message.
var mailFields = map[string]bool{
	"return-path": true, "received": true, "message-id": true, "dkim-signature": true, "mime-version": true,
	"x-originating-ip": true, "delivered-to": true, "domainkey-signature": true, "x-apparently-from": true,
	"authentication-results": true, "arc-seal": true, "x-mailer": true, "resent-message-id": true, "content-type": true,
	"x-original-to": true, "envelope-to": true, "user-agent": true, "x-priority": true, "list-id": true,

	"from": false, "to": false, "cc": false, "subject": false, "date": false, "sender": false, "reply-to": false,
	"references": false, "in-reply-to": false, "content-transfer-encoding": false, "precedence": false, "importance": false,
	"organization": false, "errors-to": false, "x-loop": false, "sent": false, "thread-index": false, "thread-topic": false,
}

// startsLikeMessage says whether s begins with the header of a message: it has two or three known fields in its first lines.
func startsLikeMessage(w *work, s string) bool {
	trimmed := strings.TrimLeft(s, "\n\t ")
	w.look(len(s) - len(trimmed))
	s = trimmed
	if strings.HasPrefix(s, "From ") || strings.HasPrefix(s, ">From ") {
		_, s = cutLine(s)
	}
	known, strong := 0, 0
	for lines := 12; lines > 0 && s != ""; lines-- {
		var line string
		line, s = cutLine(s)
		if isBlank(w, line) {
			break
		}
		w.items(1)
		w.skim(len(line))
		if is, isStrong := mailField(trimMarks(w, line)); is {
			known++
			if isStrong {
				strong++
			}
		}
	}
	return known >= 2 && (strong > 0 || known >= 3)
}

// splitReturned splits the text of a report into lead, the report's own words, and the messages whose headers it quotes. tail
// is what follows the header of the last of them.
func splitReturned(w *work, text string) (lead string, found []returned, tail string) {
	o := newOutline(w, text)
	var begins []int
	marked := false // the previous line says that the original follows, or it is a rule
	blank := true
	for i := 0; i < o.size(); {
		switch trimmed := strings.TrimSpace(o.line(i)); {
		case trimmed == "":
			blank = true
		case (marked || blank) && o.headerAt(i, marked):
			at := int(o.lines[i].start)
			marks := marksOf(text[at:])
			h, rest, _ := parseIndented(w, text[at:], marks, true)
			identified := h.has("message-id")
			if len(begins) == 0 || identified {
				begins = append(begins, at)
			}
			tail = rest
			if identified {
				return splitAt(w, text, begins, dedent(w, rest, marks))
			}
			// A summary without Message-ID; the header itself may follow.
			i = o.at(i+1, len(text)-len(rest))
			marked, blank = false, true
			continue
		default:
			blank = false
			if announces(w, trimmed) {
				marked = true
			} else if !isRule(trimmed) {
				marked = false
			}
		}
		i++
	}
	return splitAt(w, text, begins, tail)
}

// splitAt splits a text where messages begin in it. Each is returned up to the next one: what a message contains is read with it.
func splitAt(w *work, text string, begins []int, after string) (lead string, found []returned, tail string) {
	lead = text
	for i, begin := range begins {
		if i == 0 {
			lead = text[:begin]
		}
		end := len(text)
		if i+1 < len(begins) {
			end = begins[i+1]
		}
		block := text[begin:end]
		found = append(found, returned{dedent(w, block, marksOf(block)), ReturnedText})
	}
	return lead, found, after
}

// headerAt says whether the header of a message begins at a line. After a line that announces it, two fields are enough. Elsewhere it
// must have a field that summaries do not have.
func (o *outline) headerAt(i int, marked bool) bool {
	if sender, ok := strings.CutPrefix(o.line(i), "From "); ok && !isDaemonAddress(strings.ToLower(sender[:min(len(sender), maxAddressBytes)])) {
		// As in an mbox file: the header begins after this line. If a mailer daemon is the sender, the text that follows
		// belongs to this report.
		i++
	}
	name, _, ok := splitField(strings.TrimLeft(o.line(i), fieldMarks))
	if !ok {
		return false
	}
	if _, known := mailFields[strings.ToLower(name)]; !known && len(name) > 2 && !strings.EqualFold(name[:2], "x-") {
		return false
	}
	known, strong := o.fields(i, 60)
	return marked && known >= 2 || known >= 3 && strong >= 2 || known >= 2 && strong >= 1 && o.lines[i].id
}

// announces says whether a line introduces a returned message.
func announces(w *work, line string) bool {
	if len(line) > 200 {
		return false
	}
	return returns.in(w.lower(line)) || isRule(line)
}

// ruleOctets are the octets that a rule consists of.
const ruleOctets = "-=_*|+# "

// isRule says whether a line is a rule, with or without words in it: "-----", "--- Unsent message ---", "=====".
func isRule(line string) bool {
	if len(line) < 3 || line[0] == ' ' || strings.IndexByte(ruleOctets, line[0]) < 0 {
		return false
	}
	n := 1
	for n < len(line) && strings.IndexByte(ruleOctets, line[n]) >= 0 {
		n++
	}
	return n >= 3
}

// marksOf returns the indentation or quotation mark in front of the first line of s.
func marksOf(s string) string { return s[:len(s)-len(strings.TrimLeft(s, fieldMarks))] }

// dedent removes from each line of s the marks that its first line has, see marksOf.
func dedent(w *work, s, marks string) string {
	if marks == "" {
		return s
	}
	w.look(len(s))
	var b strings.Builder
	b.Grow(len(s) + 1)
	for s != "" {
		var line string
		line, s = cutLine(s)
		w.items(1)
		b.WriteString(dedentLine(line, marks))
		b.WriteByte('\n')
	}
	return b.String()
}

func dedentLine(line, marks string) string {
	if marks == "" {
		return line
	}
	if rest, ok := strings.CutPrefix(line, marks); ok {
		return rest
	}
	return strings.TrimLeft(line, " \t")
}
