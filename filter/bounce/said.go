package bounce

import (
	"slices"
	"strings"
)

// recipientList is a list of recipients that has each address once. The zero value is an empty list.
type recipientList struct {
	all   []Recipient
	known map[string]int // addresses in lower case, and where they are
}

// add appends a recipient and returns it. It returns nil if the list has the address already or is full.
func (l *recipientList) add(address string) *Recipient {
	if len(l.all) >= maxRecipients || l.of(address) != nil {
		return nil
	}
	if l.known == nil {
		l.known = make(map[string]int)
	}
	l.known[lower(address)] = len(l.all)
	l.all = append(l.all, Recipient{Address: address})
	return &l.all[len(l.all)-1]
}

// unnamed appends a recipient without an address, unless the list is full.
func (l *recipientList) unnamed(r Recipient) {
	if len(l.all) < maxRecipients {
		l.all = append(l.all, r)
	}
}

// of returns the recipient with this address, or nil.
func (l *recipientList) of(address string) *Recipient {
	if i, ok := l.known[lower(address)]; ok {
		return &l.all[i]
	}
	return nil
}

// withoutClass returns the recipient with this address if the report has given no status and no reply code for it so far, or
// nil.
//
// QUIRK: Exchange names each recipient twice: at the beginning for the reader, and below with the server's reply.
func (l *recipientList) withoutClass(address string) *Recipient {
	if r := l.of(address); r != nil && r.Class() == 0 {
		return r
	}
	return nil
}

// say sets what the report says about a recipient that line at of a text names: the rest of this line, and the lines below up to the
// next blank one or the next recipient.
func (r *Recipient) say(t *textLines, at int, rest string) {
	const maxLines = 12
	words := []string{strings.TrimLeft(beginning(rest), ":;,>'\" .)]")}
	if strings.HasPrefix(rest, "<mailto:") {
		words[0] = ""
	}
	last, size := words[0], len(words[0])
	for i := at + 1; i < len(t.lines) && i <= at+maxLines && size < maxDiagnosticBytes; i++ {
		line := beginning(t.lines[i])
		t.items(1)
		t.look(len(line))
		if strings.TrimSpace(line) == "" {
			// A blank line ends what is said, unless the report has said nothing yet or only announced it: "because:".
			if last != "" && !strings.HasSuffix(last, ":") {
				break
			}
			continue
		}
		last = strings.TrimSpace(line)
		if isRule(last) {
			// A rule with words in it begins another topic, one without is decoration.
			if strings.Trim(last, ruleOctets) != "" {
				break
			}
			continue
		}
		if t.leading(i).ok && !t.wraps(i) {
			break
		}
		words = append(words, line)
		size += len(" ") + len(line)
	}
	t.look(4 * min(size, maxDiagnosticBytes))
	diagnostic := foldSpace(strings.Join(words, " "), maxDiagnosticBytes)
	if strings.Count(diagnostic, `"`) == 1 {
		diagnostic = strings.TrimSuffix(diagnostic, `"`) // the first one is trimmed above
	}
	r.Status, r.Code = findStatus(diagnostic), replyCode(diagnostic)
	if r.Diagnostic == "" || r.Class() != 0 {
		r.Diagnostic = diagnostic
	}
}

// beginning returns so much of a line that a diagnostic can be taken from it.
func beginning(line string) string { return line[:min(len(line), 2*maxDiagnosticBytes)] }

// complete fills in from the rest of the report what the recipients of a bounce lack.
func (r *Report) complete(f *facts) {
	if len(r.Recipients) == 0 {
		r.Recipients = ownRecipients(f)
	}
	if to := r.Original().Recipients; len(r.Recipients) == 0 && len(to) == 1 {
		// The report names no recipient. A message with one recipient failed for that one.
		r.Recipients = []Recipient{{Address: to[0]}}
	}
	action := "failed"
	if delays.in(f.folded) {
		action = "delayed"
	}
	if r.ReportingMTA == "" {
		r.ReportingMTA = reporter(f.work, f.text)
	}
	status, code := "", 0
	if len(r.Recipients) == 1 || !r.anyStatus() {
		f.look(2 * len(f.text))
		status, code = findStatus(f.text), replyCode(f.text)
	}
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		rcpt.Action = first(rcpt.Action, action)
		if len(r.Recipients) == 1 && rcpt.Code == 0 && rcpt.Status == "" {
			rcpt.Diagnostic = first(reason(f.work, f.text), rcpt.Diagnostic)
		}
		rcpt.Status = first(rcpt.Status, status)
		if rcpt.Code == 0 {
			rcpt.Code = code
		}
	}
}

// ownRecipients reads the failed recipients from a text that names none but the recipient of the report itself: a sender may have
// written to himself. There must be a reason beside it.
func ownRecipients(f *facts) []Recipient {
	t := textOf(f)
	for _, a := range fieldAddresses(f.work, f.header.get("to"), maxOwn) {
		delete(t.own, lower(a))
	}
	for _, way := range [...]func() []Recipient{t.listed, t.transcript, t.spoken} {
		found := slices.DeleteFunc(way(), func(r Recipient) bool {
			return r.Class() == 0 && !failureWords.in(lower(r.Diagnostic))
		})
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// explain adds to each recipient what only the text of the report says, and the more exact of two status codes.
func (r *Report) explain(f *facts) {
	var said map[string]string // what the text says, by recipient; read where it is needed, once
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		f.items(1)
		f.look(len(rcpt.Diagnostic))
		if rcpt.Diagnostic == "" && rcpt.Action != "delivered" && rcpt.Action != "relayed" {
			if said == nil {
				said = f.said()
			}
			rcpt.Diagnostic = said[lower(rcpt.Address)]
			if rcpt.Diagnostic == "" && len(r.Recipients) == 1 {
				rcpt.Diagnostic = strings.TrimLeft(reason(f.work, f.text), "<> ")
			}
			if rcpt.Code == 0 {
				rcpt.Code = replyCode(rcpt.Diagnostic)
			}
		}
		if rcpt.Action == "delayed" && rcpt.Status == "4.4.7" && strings.EqualFold(rcpt.Diagnostic, "envelope expired") {
			// QUIRK: OpenSMTPD 6.8 says that the message is delayed when it has given up.
			r.problem("it says that the message is delayed, but also that it has expired")
		}
		if exact := findStatus(rcpt.Diagnostic); exact != "" && exact != rcpt.Status && strings.HasSuffix(rcpt.Status, ".0.0") && exact[0] == rcpt.Status[0] {
			rcpt.Exact = exact
		}
	}
}

// said returns what the text says about the recipients that it names, by their addresses in lower case.
func (f *facts) said() map[string]string {
	t := textOf(f)
	clear(t.own)
	said := make(map[string]string)
	for _, rcpt := range append(t.listed(), t.spoken()...) {
		if address := lower(rcpt.Address); said[address] == "" && isReason(rcpt.Diagnostic) {
			said[address] = rcpt.Diagnostic
		}
	}
	return said
}

// isReason says whether a text is neither a field of a status part nor the announcement of something, and could be decoded.
func isReason(s string) bool {
	const actual = "x-actual-recipient:"
	return s != "" && !statusField0(s) && !strings.EqualFold(s[:min(len(s), len(actual))], actual) && !strings.HasSuffix(s, ":") && !strings.ContainsRune(s, '\ufffd')
}

// reporter returns the host that the text of a report names as the reporting MTA.
func reporter(w *work, text string) string {
	w.look(2 * len(text))
	for _, end := range reporters.ends(lowerASCII(text)) {
		if end < 0 {
			continue
		}
		name := text[end:]
		name = strings.TrimRight(firstWord(name[:min(len(name), 2*maxNameBytes)]), ".,:;")
		if strings.IndexByte(name, '.') > 0 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == "" {
			return name
		}
	}
	return ""
}

func (r *Report) anyStatus() bool {
	for i := range r.Recipients {
		if r.Recipients[i].Status != "" {
			return true
		}
	}
	return false
}

// reason returns the remote server's reply that the text of a report quotes, or "".
func reason(w *work, text string) string {
	for text != "" {
		var line string
		line, text = cutLine(text)
		w.items(1)
		w.skim(len(line))
		if len(line) >= 2000 {
			continue
		}
		if w.look(len(line)); replyCode(line) > 0 {
			return foldSpace(wholeReply(w, line, strings.SplitN(text, "\n", maxReplyLines+1)), maxDiagnosticBytes)
		}
	}
	return ""
}

// maxReplyLines bounds the lines of one SMTP reply.
const maxReplyLines = 10

// wholeReply adds to the first line of an SMTP reply the lines that continue it: lines that begin with its code, as long as a
// hyphen follows the code (RFC 5321 section 4.2.1).
func wholeReply(w *work, line string, more []string) string {
	w.skim(len(line))
	line = strings.TrimSpace(line)
	if len(line) < 4 || line[3] != '-' {
		return line
	}
	reply, code := line, line[:3]
	for _, next := range more[:min(len(more), maxReplyLines)] {
		next = strings.TrimLeft(beginning(next), " \t<>")
		w.items(1)
		w.skim(len(reply) + len(next))
		if !strings.HasPrefix(next, code) {
			break
		}
		reply += " " + next
		if len(next) < 4 || next[3] != '-' || len(reply) >= maxDiagnosticBytes {
			break
		}
	}
	return reply
}
