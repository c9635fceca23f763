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
func startsLikeMessage(s string) bool {
	s = strings.TrimLeft(s, "\n\t ")
	if strings.HasPrefix(s, "From ") || strings.HasPrefix(s, ">From ") {
		_, s = cutLine(s)
	}
	known, strong := countFields(s, 12)
	return known >= 2 && (strong > 0 || known >= 3)
}

// countFields counts the known fields in the first lines of s, up to a blank line.
func countFields(s string, lines int) (known, strong int) {
	for ; lines > 0 && s != ""; lines-- {
		var line string
		line, s = cutLine(s)
		if strings.TrimSpace(line) == "" {
			break
		}
		name, _, ok := splitField(strings.TrimLeft(line, " \t>|"))
		if !ok {
			continue
		}
		name = strings.ToLower(name)
		if isStrong, is := mailFields[name]; is {
			known++
			if isStrong {
				strong++
			}
		} else if strings.HasPrefix(name, "x-") {
			known++
		}
	}
	return known, strong
}

// splitReturned splits the text of a report into lead, the report's own words, and the messages whose headers it quotes. tail
// is what follows the first of them.
func splitReturned(text string) (lead string, found []returned, tail string) {
	const maxFound = 2
	lead = text
	marked := false // the previous line says that the original follows, or it is a rule
	blank := true
	for at := 0; at < len(text) && len(found) < maxFound; {
		line, rest := cutLine(text[at:])
		trimmed := strings.TrimSpace(line)
		next := len(text) - len(rest)
		switch {
		case trimmed == "":
			blank = true
		case marked || blank:
			if headerHere(text[at:], line, marked) {
				block := dedent(text[at:])
				if len(found) == 0 {
					lead = text[:at]
				}
				h, after, _ := parseHeader(block, true)
				if len(found) == 0 || h.has("message-id") {
					found = append(found, returned{block, ReturnedText})
				}
				if h.has("message-id") {
					return lead, found, after
				}
				// A summary without Message-ID; the header itself may follow.
				_, after, _ = parseHeader(text[at:], true)
				next = max(len(text)-len(after), next)
				if len(found) == 1 {
					tail = text[next:]
				}
				marked, blank = false, true
				at = next
				continue
			}
			fallthrough
		default:
			blank = false
			if announces(trimmed) {
				marked = true
			} else if !isRule(trimmed) {
				marked = false
			}
		}
		at = next
	}
	return lead, found, tail
}

// headerHere says whether the header of a message begins at s, whose first line is line. After a line that announces it, two
// fields are enough. Elsewhere it must have a field that summaries do not have.
func headerHere(s, line string, marked bool) bool {
	if sender, ok := strings.CutPrefix(line, "From "); ok && !isDaemonAddress(strings.ToLower(sender)) {
		// As in an mbox file: the header begins after this line. If a mailer daemon is the sender, the text that follows
		// belongs to this report.
		_, s = cutLine(s)
		line, _ = cutLine(s)
	}
	name, _, ok := splitField(strings.TrimLeft(line, " \t>|"))
	if !ok {
		return false
	}
	if _, known := mailFields[strings.ToLower(name)]; !known && len(name) > 2 && !strings.EqualFold(name[:2], "x-") {
		return false
	}
	known, strong := countFields(s, 60)
	return marked && known >= 2 || known >= 3 && strong >= 2 || known >= 2 && strong >= 1 && hasMessageID(s)
}

// hasMessageID says whether the header at s has a Message-ID field.
func hasMessageID(s string) bool {
	for s != "" {
		var line string
		line, s = cutLine(s)
		line = strings.TrimLeft(line, " \t>|")
		if line == "" {
			return false
		}
		if len(line) > 11 && strings.EqualFold(line[:11], "message-id:") {
			return true
		}
	}
	return false
}

// announces says whether a line introduces a returned message.
func announces(line string) bool {
	if len(line) > 200 {
		return false
	}
	return returns.in(strings.ToLower(line)) || isRule(line)
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

// dedent removes from each line the indentation or quotation mark that the first line has.
func dedent(s string) string {
	n := 0
	for n < len(s) && strings.IndexByte(" \t>|", s[n]) >= 0 {
		n++
	}
	if n == 0 {
		return s
	}
	prefix := s[:n]
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		var line string
		line, s = cutLine(s)
		if strings.HasPrefix(line, prefix) {
			line = line[n:]
		} else {
			line = strings.TrimLeft(line, " \t")
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}
