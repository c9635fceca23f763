package bounce

import (
	"slices"
	"strings"
)

// recipientList is a list of recipients that has each address once.
type recipientList []Recipient

// add appends a recipient and returns it. It returns nil if the list has the address already or is full.
func (l *recipientList) add(address string) *Recipient {
	if len(*l) >= maxRecipients {
		return nil
	}
	for i := range *l {
		if strings.EqualFold((*l)[i].Address, address) {
			return nil
		}
	}
	*l = append(*l, Recipient{Address: address})
	return &(*l)[len(*l)-1]
}

// withoutClass returns the recipient with this address if the report has given no status and no reply code for it so far, or
// nil.
//
// QUIRK: Exchange names each recipient twice: at the beginning for the reader, and below with the server's reply.
func (l recipientList) withoutClass(address string) *Recipient {
	for i := range l {
		if strings.EqualFold(l[i].Address, address) && l[i].Class() == 0 {
			return &l[i]
		}
	}
	return nil
}

// say sets what the report says about a recipient: the rest of its line, which is the first of lines, and the lines up to the next
// blank one or the next recipient.
func (r *Recipient) say(rest string, lines []string) {
	const maxLines = 12
	words := []string{strings.TrimLeft(rest, ":;,>'\" .)]")}
	if strings.HasPrefix(rest, "<mailto:") {
		words[0] = ""
	}
	last := words[0]
	for i, line := range lines {
		if i == 0 {
			continue
		}
		if i > maxLines {
			break
		}
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
		if _, _, ok := leadingAddress(line); ok && !wraps(lines[i-1], line) {
			break
		}
		words = append(words, line)
	}
	diagnostic := foldSpace(strings.Join(words, " "), maxDiagnosticBytes)
	if strings.Count(diagnostic, `"`) == 1 {
		diagnostic = strings.TrimSuffix(diagnostic, `"`) // the first one is trimmed above
	}
	r.Status, r.Code = findStatus(diagnostic), replyCode(diagnostic)
	if r.Diagnostic == "" || r.Class() != 0 {
		r.Diagnostic = diagnostic
	}
}

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
		r.ReportingMTA = reporter(f.text)
	}
	status, code := "", 0
	if len(r.Recipients) == 1 || !r.anyStatus() {
		status, code = findStatus(f.text), replyCode(f.text)
	}
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		rcpt.Action = first(rcpt.Action, action)
		if len(r.Recipients) == 1 && rcpt.Code == 0 && rcpt.Status == "" {
			rcpt.Diagnostic = first(reason(f.text), rcpt.Diagnostic)
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
	for _, a := range fieldAddresses(f.header.get("to"), maxOwn) {
		delete(t.own, strings.ToLower(a))
	}
	for _, way := range [...]func() []Recipient{t.listed, t.transcript, t.spoken} {
		found := slices.DeleteFunc(way(), func(r Recipient) bool {
			return r.Class() == 0 && !failureWords.in(strings.ToLower(r.Diagnostic))
		})
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// explain adds to each recipient what only the text of the report says, and the more exact of two status codes.
func (r *Report) explain(f *facts) {
	var said []Recipient
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		if rcpt.Diagnostic == "" && rcpt.Action != "delivered" && rcpt.Action != "relayed" {
			if said == nil {
				t := textOf(f)
				clear(t.own)
				said = append(append(t.listed(), t.spoken()...), Recipient{}) // so that it is read once
			}
			rcpt.explainBy(said)
			if rcpt.Diagnostic == "" && len(r.Recipients) == 1 {
				rcpt.Diagnostic = strings.TrimLeft(reason(f.text), "<> ")
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

// explainBy takes the diagnostic from what the text says about the recipients.
func (r *Recipient) explainBy(said []Recipient) {
	for i := range said {
		if strings.EqualFold(said[i].Address, r.Address) && isReason(said[i].Diagnostic) {
			r.Diagnostic = said[i].Diagnostic
			return
		}
	}
}

// isReason says whether a text is neither a field of a status part nor the announcement of something, and could be decoded.
func isReason(s string) bool {
	return s != "" && !statusField0(s) && indexFold(s, "x-actual-recipient:") != 0 && !strings.HasSuffix(s, ":") && !strings.ContainsRune(s, '\ufffd')
}

// reporter returns the host that the text of a report names as the reporting MTA.
func reporter(text string) string {
	for _, words := range reporters {
		i := indexFold(text, words)
		if i < 0 {
			continue
		}
		name := strings.TrimRight(firstWord(text[i+len(words):]), ".,:;")
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
func reason(text string) string {
	for text != "" {
		var line string
		line, text = cutLine(text)
		if len(line) < 2000 && replyCode(line) > 0 {
			return foldSpace(wholeReply(line, strings.SplitN(text, "\n", maxReplyLines+1)), maxDiagnosticBytes)
		}
	}
	return ""
}

// maxReplyLines bounds the lines of one SMTP reply.
const maxReplyLines = 10

// wholeReply adds to the first line of an SMTP reply the lines that continue it: lines that begin with its code, as long as a
// hyphen follows the code (RFC 5321 section 4.2.1).
func wholeReply(line string, more []string) string {
	line = strings.TrimSpace(line)
	if len(line) < 4 || line[3] != '-' {
		return line
	}
	reply, code := line, line[:3]
	for _, next := range more[:min(len(more), maxReplyLines)] {
		next = strings.TrimLeft(next, " \t<>")
		if !strings.HasPrefix(next, code) {
			break
		}
		reply += " " + next
		if len(next) < 4 || next[3] != '-' {
			break
		}
	}
	return reply
}
