package bounce

import (
	"slices"
	"strings"
)

// textRecipients reads the recipients that a report names outside its machine-readable part, with what it says about each.
// It tries several ways, the surest one first, until one finds a recipient.
func (r *Report) textRecipients(f *facts) {
	if r.hasAddresses() {
		return
	}
	t := textOf(f)
	for i := range r.Originals {
		o := &r.Originals[i]
		t.own[lower(o.MessageID)] = true // a Message-ID looks like an address
		if o.Depth == 1 && o.Returned() {
			// A sender who writes to himself is told that it failed for himself.
			for _, a := range o.Recipients {
				delete(t.own, lower(a))
			}
		}
	}
	found := t.named(f.header)
	if len(found) == 0 {
		found = t.fields(r)
	}
	for _, way := range [...]func() []Recipient{t.listed, t.transcript, t.spoken, t.only} {
		if len(found) == 0 {
			found = way()
		}
	}
	if len(found) == 0 && f.tail != "" {
		// The report summarizes the original before it says what happened to it.
		t.textLines = newTextLines(f.work, f.tail)
		for _, way := range [...]func() []Recipient{t.transcript, t.spoken} {
			if found = way(); len(found) > 0 {
				break
			}
		}
	}
	if len(r.Recipients) > 0 && len(found) > 0 {
		// The status part names no recipient: its first block is about the first recipient that the text names.
		found[0].Action, found[0].Status = r.Recipients[0].Action, first(r.Recipients[0].Status, found[0].Status)
		found[0].Diagnostic = first(r.Recipients[0].Diagnostic, found[0].Diagnostic)
	}
	if len(found) > 0 {
		r.Recipients = found
	}
}

func (r *Report) hasAddresses() bool {
	for i := range r.Recipients {
		if r.Recipients[i].Address != "" {
			return true
		}
	}
	return false
}

// reportText is the text of a report, line by line.
type reportText struct {
	*textLines
	own map[string]bool // addresses, in lower case, that are no failed recipients: those of the report's own header
}

// textOf returns the text of a report.
func textOf(f *facts) *reportText {
	if f.lines == nil {
		f.lines = newTextLines(f.work, f.text)
	}
	return &reportText{textLines: f.lines, own: ownAddresses(f.work, f.header)}
}

// maxOwn is how many addresses are read of each field of a report's own header.
const maxOwn = 20

func ownAddresses(w *work, h header) map[string]bool {
	own := make(map[string]bool, 4)
	for _, name := range [...]string{"from", "to", "sender", "reply-to", "delivered-to", "envelope-to"} {
		for _, a := range fieldAddresses(w, h.get(name), maxOwn) {
			own[lower(a)] = true
		}
	}
	return own
}

// named reads the recipients from header fields that MTAs add for this purpose.
func (t *reportText) named(h header) []Recipient {
	var list recipientList
	for _, f := range h {
		switch f.name {
		case "x-failed-recipients", "x-bounced-address", "x-failed-recipient":
			for _, a := range fieldAddresses(t.work, f.value, maxRecipients) {
				list.add(a)
			}
		}
	}
	if len(list.all) == 0 {
		return nil
	}
	for _, s := range t.listed() {
		if known := list.of(s.Address); known != nil {
			*known = s
		}
	}
	return list.all
}

// fields reads the recipients from fields of RFC 3464 in the text.
func (t *reportText) fields(r *Report) []Recipient {
	var b strings.Builder
	seen := false
	for i, line := range t.lines {
		line = strings.TrimLeft(line, fieldMarks+"*")
		name, _, ok := splitField(line)
		name = lower(name)
		switch {
		case ok && (name == "final-recipient" || name == "original-recipient"):
			seen = true
			fallthrough
		case ok && statusFields[name]:
			t.skim(len(line))
			b.WriteString(line + "\n")
			for _, more := range t.lines[i+1 : min(len(t.lines), i+20)] {
				if more == "" || more[0] != ' ' && more[0] != '\t' || statusField0(more) {
					break
				}
				t.items(1)
				t.look(len(more))
				b.WriteString(" " + strings.TrimSpace(more) + "\n")
			}
		case strings.TrimSpace(line) == "" && seen:
			b.WriteByte('\n')
		}
	}
	if !seen {
		return nil
	}
	var inner Report
	inner.deliveryStatus(t.work, b.String())
	r.ReportingMTA = first(r.ReportingMTA, inner.ReportingMTA)
	if !inner.hasAddresses() {
		return nil
	}
	return inner.Recipients
}

var statusFields = map[string]bool{
	"reporting-mta": true, "arrival-date": true, "action": true, "status": true, "diagnostic-code": true, "remote-mta": true,
}

func statusField0(line string) bool {
	name, _, ok := splitField(strings.TrimSpace(line))
	name = lower(name)
	return ok && (statusFields[name] || name == "final-recipient" || name == "original-recipient")
}

// listed reads the recipients at the beginning of a line, alone or followed by what is said about them.
func (t *reportText) listed() []Recipient {
	var list recipientList
	for i := range t.lines {
		lead := t.leading(i)
		if !lead.ok || t.own[lower(lead.address)] && !strings.HasPrefix(lead.rest, ":") || len(list.all) > 0 && t.wraps(i) {
			continue
		}
		if i > 0 && lead.rest == "" && stranger(t.lower(t.lines[i-1])) {
			continue
		}
		rcpt := list.add(lead.address)
		if rcpt == nil {
			rcpt = list.withoutClass(lead.address)
		}
		if rcpt != nil {
			rcpt.say(t.textLines, i, lead.rest)
		}
	}
	return list.all
}

// transcript reads the recipients of an SMTP session: "550 <user@example.com>... User unknown", "RCPT TO:<...>".
func (t *reportText) transcript() []Recipient {
	var list recipientList
	pending := "" // the recipient of the last RCPT command, until the reply to it is read
	for i, line := range t.lines {
		s := strings.TrimLeft(line, " \t<>")
		t.items(1)
		t.look(len(line) - len(s))
		low := lower(s[:min(len(s), 12)])
		code := 0
		if len(s) > 3 && (s[3] == ' ' || s[3] == '-') {
			code = replyCode(s[:3])
		}
		switch {
		case strings.HasPrefix(low, "rcpt to"):
			pending, _, _ = findAddress(t.work, s, 0)
		case code > 0:
			address := pending
			t.skim(len(s))
			if open := strings.IndexByte(s, '<'); open > 0 {
				if a, start, end := findAddress(t.work, s, open); start == open+1 && end < len(s) && s[end] == '>' && !t.own[lower(a)] {
					address = a
				}
			}
			if address == "" || t.own[lower(address)] {
				continue
			}
			pending = ""
			if rcpt := list.add(address); rcpt != nil {
				rcpt.say(&textLines{work: t.work}, 0, wholeReply(t.work, s, t.lines[i+1:]))
			}
		}
	}
	if len(list.all) == 0 && pending != "" && !t.own[lower(pending)] {
		list.add(pending)
	}
	return list.all
}

// spoken reads the recipients that a sentence names: "Unable to deliver message to <user@example.com>".
func (t *reportText) spoken() []Recipient {
	var list recipientList
	left := maxTextAddresses
	for i, line := range t.lines {
		t.skim(len(line))
		if strings.IndexByte(line, '@') < 0 || len(line) > 4096 {
			continue
		}
		for at := 0; left > 0; left-- {
			address, start, end := findAddress(t.work, line, at)
			if address == "" {
				break
			}
			before := t.lower(line[at:start])
			if at == 0 && i > 0 && len(strings.TrimSpace(before)) < 4 {
				before = t.lower(t.lines[i-1]) + " " + before
			}
			at = end
			if t.own[lower(address)] || stranger(before) || !recipientWords.in(before) && !endsIn(before, recipientPrefixes) {
				continue
			}
			if rcpt := list.add(address); rcpt != nil {
				rcpt.say(t.textLines, i, line[end:])
			}
		}
	}
	return list.all
}

func endsIn(s string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.HasSuffix(s, w) })
}

// only returns the address in the text if there is exactly one.
func (t *reportText) only() []Recipient {
	var list recipientList
	left := maxTextAddresses
	for i, line := range t.lines {
		t.skim(len(line))
		for at := 0; left > 0; left-- {
			address, start, end := findAddress(t.work, line, at)
			if address == "" {
				break
			}
			before := t.lower(line[at:start])
			at = end
			if t.own[lower(address)] || stranger(before) {
				continue
			}
			if rcpt := list.add(address); rcpt != nil {
				rcpt.say(t.textLines, i, line[end:])
			}
			if len(list.all) > 1 {
				return nil
			}
		}
	}
	return list.all
}

// stranger says whether the words in front of an address, in lower case, show that it is not the recipient's.
func stranger(before string) bool { return strangers.in(before) && !aliasWords.in(before) }
