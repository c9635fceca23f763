package bounce

import "strings"

// blame sets what the words of the report say about the tag in the envelope sender: for each recipient that failed or waits, and for a
// notice that names no recipient. Only the reply and the explanation count, not the tag in a command or a returned message.
func (r *Report) blame(f *facts) {
	own := r.untagged(f)
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		f.items(1)
		if !rcpt.Undelivered() {
			continue
		}
		rcpt.BlamesTag = f.blames(rcpt, own)
		if len(r.Recipients) == 1 && !rcpt.BlamesTag {
			rcpt.BlamesTag = f.refusesStrangers(f.explanation(), own)
		}
	}
	// Programs write of "your message"; other mail with the null sender may speak of members and subscribers as well.
	if r.Kind == None || r.Kind == AutoReply || r.Kind == Challenge {
		lead := f.explanation()
		if (f.origin > person || f.bulk()) && !f.quotes && f.refusesStrangers(lead, own) && (yourMessage.in(f.subject) || yourMessage.in(lead)) {
			r.HeldBy = r.From
		}
	}
}

// explanationBytes is how much of the text of a report is searched for its explanation, from the beginning.
const explanationBytes = 2000

// explanation returns the beginning of the text of the report, in lower case.
func (f *facts) explanation() string { return f.folded[:min(len(f.folded), explanationBytes)] }

// badSender says whether the status is that of an envelope sender whose syntax is refused (RFC 3463 section 3.2, X.1.7).
func (r *Recipient) badSender() bool {
	s := first(r.Exact, r.Status)
	return len(s) > 1 && s[1:] == ".1.7"
}

// blames says whether the reply about a recipient refuses the envelope sender for what it is: it compares it with something, or quotes its
// tag and speaks of the sender. own are the addresses of the sender without the tag.
func (f *facts) blames(rcpt *Recipient, own []string) bool {
	reply, badSender := f.lower(rcpt.Diagnostic[:min(len(rcpt.Diagnostic), maxDiagnosticBytes)]), rcpt.badSender()
	f.look(len(reply))
	if !badSender && !blamers.in(reply) {
		return false // like nearly all replies
	}
	f.look(8 * len(reply))
	reply = withoutCommands(reply)
	tag := tagMarks.in(reply) && !tagMarks.in(lower(rcpt.Address)) // which may be the sender of another message
	words := withoutAddresses(reply)
	switch {
	case otherReasons.in(words):
		return false
	case !tag && f.quotesAny(reply, own):
		return false // the destination has looked at an address without the tag
	case badSender, comparesSender.in(words), refusesStranger.in(words):
		return true
	}
	return tag && aboutSender.in(words)
}

// refusesStrangers says whether a text, in lower case, says that a list or a service does not know the sender. It does not count if the
// text names the sender without the tag.
func (f *facts) refusesStrangers(text string, own []string) bool {
	f.look(4 * len(text))
	return refusesStranger.in(text) && (tagMarks.in(text) || !f.quotesAny(text, own))
}

// untagged returns the addresses of the author of the original, in lower case and without a tag.
func (r *Report) untagged(f *facts) []string {
	o := r.Original()
	var own []string
	for _, a := range [...]string{fieldAddress(f.header.get("to")), o.From, o.Sender} {
		f.items(1)
		if a = plainAddress(lower(a)); a != "" && len(a) <= maxAddressBytes {
			own = append(own, a)
		}
	}
	return own
}

// plainAddress returns an address in lower case without its tag: "prvs=KDDDSSSSSS=user@example.com" and
// "user+prvs=KDDDSSSSSS@example.com" become "user@example.com".
func plainAddress(a string) string {
	local, domain, ok := strings.Cut(a, "@")
	if !ok {
		return ""
	}
	if rest, tagged := strings.CutPrefix(local, "prvs="); tagged {
		_, local, _ = strings.Cut(rest, "=")
	}
	local, _, _ = strings.Cut(local, "+prvs=")
	return local + "@" + domain
}

// quotesAny says whether a text in lower case quotes one of the addresses, and not as the end of a longer one.
func (f *facts) quotesAny(text string, addresses []string) bool {
	for _, a := range addresses {
		f.look(len(text))
		for at := 0; ; {
			i := strings.Index(text[at:], a)
			if i < 0 {
				break
			}
			if i += at; i == 0 || !isAlnum(text[i-1]) && strings.IndexByte("=+._-", text[i-1]) < 0 {
				return true
			}
			at = i + len(a)
		}
	}
	return false
}

// withoutCommands returns a text in lower case without the addresses in the commands MAIL and RCPT, which transcripts and Exim quote:
// "SMTP error from remote mail server after MAIL FROM:<prvs=1234abcdef=user@example.com>: 550 ...".
func withoutCommands(text string) string {
	var b strings.Builder
	for {
		i := commands.first(text)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		colon := i + strings.IndexByte(text[i:], ':') + 1
		b.WriteString(text[:colon])
		if text = strings.TrimLeft(text[colon:], " "); strings.HasPrefix(text, "<") {
			_, text, _ = strings.Cut(text, ">")
		}
	}
}

// withoutAddresses returns a text without the words that are or contain an address, whose domain may be "sender.example".
func withoutAddresses(text string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(text) {
		if strings.IndexByte(word, '@') < 0 {
			b.WriteString(word)
			b.WriteByte(' ')
		}
	}
	return b.String()
}
