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
		t.own[strings.ToLower(o.MessageID)] = true // a Message-ID looks like an address
		if o.Depth == 1 && o.Returned() {
			// A sender who writes to himself is told that it failed for himself.
			for _, a := range o.Recipients {
				delete(t.own, strings.ToLower(a))
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
		t.lines = strings.Split(f.tail, "\n")
		t.lines = t.lines[:min(len(t.lines), maxTextLines)]
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

// maxTextLines bounds the lines of a report's text that are read: 1,000 recipients with four lines each, and a margin.
const maxTextLines = 5000

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
	lines []string
	own   map[string]bool // addresses, in lower case, that are no failed recipients: those of the report's own header
}

// textOf returns the text of a report.
func textOf(f *facts) *reportText {
	t := &reportText{own: ownAddresses(f.header), lines: strings.Split(f.text, "\n")}
	t.lines = t.lines[:min(len(t.lines), maxTextLines)]
	return t
}

// maxOwn is how many addresses are read of each field of a report's own header.
const maxOwn = 20

func ownAddresses(h header) map[string]bool {
	own := make(map[string]bool, 4)
	for _, name := range [...]string{"from", "to", "sender", "reply-to", "delivered-to", "envelope-to"} {
		for _, a := range fieldAddresses(h.get(name), maxOwn) {
			own[strings.ToLower(a)] = true
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
			for _, a := range fieldAddresses(f.value, maxRecipients) {
				list.add(a)
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	said := t.listed()
	for i := range list {
		for _, s := range said {
			if strings.EqualFold(s.Address, list[i].Address) {
				list[i] = s
			}
		}
	}
	return list
}

// fields reads the recipients from fields of RFC 3464 in the text.
func (t *reportText) fields(r *Report) []Recipient {
	var b strings.Builder
	seen := false
	for i, line := range t.lines {
		line = strings.TrimLeft(line, " \t>|*")
		name, _, ok := splitField(line)
		name = strings.ToLower(name)
		switch {
		case ok && (name == "final-recipient" || name == "original-recipient"):
			seen = true
			fallthrough
		case ok && statusFields[name]:
			b.WriteString(line + "\n")
			for _, more := range t.lines[i+1 : min(len(t.lines), i+20)] {
				if more == "" || more[0] != ' ' && more[0] != '\t' || statusField0(more) {
					break
				}
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
	inner.deliveryStatus(b.String())
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
	name = strings.ToLower(name)
	return ok && (statusFields[name] || name == "final-recipient" || name == "original-recipient")
}

// listed reads the recipients at the beginning of a line, alone or followed by what is said about them.
func (t *reportText) listed() []Recipient {
	var list recipientList
	for i := 0; i < len(t.lines); i++ {
		address, rest, ok := leadingAddress(t.lines[i])
		if !ok || t.own[strings.ToLower(address)] && !strings.HasPrefix(rest, ":") || len(list) > 0 && wraps(t.lines[i-1], t.lines[i]) {
			continue
		}
		if i > 0 && stranger(t.lines[i-1]) && rest == "" {
			continue
		}
		rcpt := list.add(address)
		if rcpt == nil {
			rcpt = list.withoutClass(address)
		}
		if rcpt != nil {
			rcpt.say(rest, t.lines[i:])
		}
	}
	return list
}

// wraps says whether a line that begins with an address only goes on with what the line before it says, so that it begins with no
// further recipient.
func wraps(before, line string) bool {
	const long = 50
	before = strings.TrimRight(before, " \t")
	switch {
	case len(before) < 4:
		return false
	case before[len(before)-1] == '-' && isAlnum(before[len(before)-2]):
		return true // "identity some-long-" "name@example.com"
	}
	if _, said, ok := leadingAddress(before); ok {
		// "<user@example.com>: host mx.example.com said: 550 5.7.1" "    <from@example.net>: Sender address rejected"
		return len(said) > 10 && said[0] == ':' && indentation(line) > indentation(before)
	}
	return len(before) >= long && strings.IndexByte(".:;!>", before[len(before)-1]) < 0 && indentation(before) <= indentation(line)
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

// leadingAddress returns the address at the beginning of a line, and what follows it.
func leadingAddress(line string) (address, rest string, ok bool) {
	s := strings.TrimLeft(line, " \t*-•·|>+")
	s = strings.TrimPrefix(s, "\"")
	open := strings.HasPrefix(s, "<")
	s = strings.TrimPrefix(strings.TrimLeft(s, "<'\""), "mailto:")
	if s == "" || len(s) > 4*maxAddressBytes {
		return "", "", false
	}
	address, start, end := findAddress(s, 0)
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
	case tail != "" && tail[0] == ',' && !goesOn(tail[1:]):
		return "", "", false // "user@example.com, and ip 192.0.2.1": the end of a sentence that began on the line before
	case tail == "", strings.IndexByte(":([<,;", tail[0]) >= 0, strings.HasPrefix(tail, "..."), strings.HasPrefix(tail, "->"),
		strings.HasPrefix(tail, "- "), strings.HasPrefix(tail, "on "):
		return address, tail, true
	}
	// "user@example.com Invalid address": what follows must say that delivery failed.
	if rest[0] == ' ' || rest[0] == '\t' {
		low := strings.ToLower(tail)
		if replyCode(tail) > 0 || findStatus(tail) != "" || failureWords.in(low) {
			return address, tail, true
		}
	}
	return "", "", false
}

// goesOn says whether a list of recipients goes on after a comma: with another address, what failed, or nothing.
func goesOn(s string) bool {
	s = strings.TrimLeft(s, " \t<\"'")
	if s == "" || replyCode(s) > 0 || findStatus(s) != "" || failureWords.in(strings.ToLower(s)) {
		return true
	}
	_, start, _ := findAddress(s, 0)
	return start == 0
}

// failureWords may follow an address on its line.
var failureWords = newPhrases([]string{"invalid", "unknown", "no such", "not found", "not exist", "error", "fail", "rejected", "disabled", "full", "quota", "expired", "timed out"})

// transcript reads the recipients of an SMTP session: "550 <user@example.com>... User unknown", "RCPT TO:<...>".
func (t *reportText) transcript() []Recipient {
	var list recipientList
	pending := "" // the recipient of the last RCPT command, until the reply to it is read
	for i, line := range t.lines {
		s := strings.TrimLeft(line, " \t<>")
		low := strings.ToLower(s[:min(len(s), 12)])
		code := 0
		if len(s) > 3 && (s[3] == ' ' || s[3] == '-') {
			code = replyCode(s[:3])
		}
		switch {
		case strings.HasPrefix(low, "rcpt to"):
			pending, _, _ = findAddress(s, 0)
		case code > 0:
			address := pending
			if open := strings.IndexByte(s, '<'); open > 0 {
				if a, start, end := findAddress(s, open); start == open+1 && end < len(s) && s[end] == '>' && !t.own[strings.ToLower(a)] {
					address = a
				}
			}
			if address == "" || t.own[strings.ToLower(address)] {
				continue
			}
			pending = ""
			if rcpt := list.add(address); rcpt != nil {
				reply := wholeReply(s, t.lines[i+1:])
				rcpt.say(reply, nil)
			}
		}
	}
	if len(list) == 0 && pending != "" && !t.own[strings.ToLower(pending)] {
		list.add(pending)
	}
	return list
}

// spoken reads the recipients that a sentence names: "Unable to deliver message to <user@example.com>".
func (t *reportText) spoken() []Recipient {
	var list recipientList
	for i, line := range t.lines {
		if strings.IndexByte(line, '@') < 0 || len(line) > 4096 {
			continue
		}
		for at := 0; ; {
			address, start, end := findAddress(line, at)
			if address == "" {
				break
			}
			before := strings.ToLower(line[at:start])
			if at == 0 && i > 0 && len(strings.TrimSpace(before)) < 4 {
				before = strings.ToLower(t.lines[i-1]) + " " + before
			}
			at = end
			if t.own[strings.ToLower(address)] || stranger(before) || !recipientWords.in(before) && !endsIn(before, recipientPrefixes) {
				continue
			}
			if rcpt := list.add(address); rcpt != nil {
				rcpt.say(line[end:], t.lines[i:])
			}
		}
	}
	return list
}

func endsIn(s string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.HasSuffix(s, w) })
}

// only returns the address in the text if there is exactly one.
func (t *reportText) only() []Recipient {
	var list recipientList
	for i, line := range t.lines {
		for at := 0; ; {
			address, start, end := findAddress(line, at)
			if address == "" {
				break
			}
			before := strings.ToLower(line[at:start])
			at = end
			if t.own[strings.ToLower(address)] || stranger(before) {
				continue
			}
			if rcpt := list.add(address); rcpt != nil {
				rcpt.say(line[end:], t.lines[i:])
			}
		}
	}
	if len(list) != 1 {
		return nil
	}
	return list
}

// stranger says whether the words in front of an address show that it is not the recipient's.
func stranger(before string) bool {
	before = strings.ToLower(before)
	return strangers.in(before) && !aliasWords.in(before)
}
