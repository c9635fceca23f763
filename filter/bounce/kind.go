package bounce

import (
	"slices"
	"strings"
)

// kind decides what the message is. Within multipart/report a machine-readable part decides by itself. Anything else
// needs a sender that reports come from, so that mail that only quotes or forwards a report is no report.
func (f *facts) kind(r *Report) Kind {
	from := f.origin()
	switch {
	case f.feedback != "" && (f.report != "" || from > person || len(f.returned) > 0 && !f.conversation()):
		return ARF // QUIRK: NetEase (163.com) sends it as multipart/mixed
	case len(f.returned) > 0 && strings.HasPrefix(f.subject(), complaintSubject):
		return ARF // QUIRK: Outlook.com's complaint service sends no feedback part
	case f.receipt != "" && (f.report != "" || from > person):
		return MDN
	case f.status != "" && len(r.Recipients) > 0 && (f.report != "" || from > person || f.bounceSubject()):
		return DSN
	case f.report == "delivery-status" && (from > person || f.bounceSubject()):
		return DSN // the status part is empty or was cut off
	case f.report == "disposition-notification" && (from > person || f.machine):
		return MDN
	case f.isBounce(r, from):
		return Bounce
	case f.isReply():
		return AutoReply
	}
	return None
}

// isBounce weighs the evidence for a bounce in no standard form.
func (f *facts) isBounce(r *Report, from origin) bool {
	if f.report != "" && f.report != "?" && f.report != "delivery-status" {
		return false // reports about TLS and DMARC
	}
	subject, says := f.bounceSubject(), f.failure()
	returned := len(f.returned) > 0
	if f.conversation() || f.virus && !returned || postmasterSubjects.in(f.subject()) {
		return false
	}
	named := len(r.Recipients) > 0
	quoted := len(r.Recipients) == 1 && quotesReply(f.text) // a server's reply is
	for i := range r.Recipients {
		quoted = quoted || r.Recipients[i].Class() != 0
	}
	switch {
	case f.header.has("x-failed-recipients"):
		return true
	case from == mailerDaemon:
		// In a language that no list has, a recipient with a reply code is enough.
		return subject && (says || returned || named) || says && (returned || named) || quoted && (returned || named)
	case f.reply() && !subject:
		return false
	case from == postmaster:
		// Quarantine digests and the like come from postmasters as well: the text must be about one message.
		return subject && (returned || named && (quoted || !digests.in(f.folded))) || says && (returned || quoted) || returned && quoted
	case from == nullSender:
		return (subject || says) && (returned || quoted) && (says || named)
	case from == system:
		// Phishing uses such names as well, but it returns no message and quotes no server.
		return subject && says && named && (returned || r.anyStatus())
	}
	// From any other sender the message must have everything, and must go to the author of the returned message. Bug reports
	// and trackers quote the bounces of other users, and people who answer under a new subject quote what they answer.
	if f.header.has("in-reply-to") || f.header.has("references") {
		return false
	}
	return subject && says && (returned && named || f.attached() && len(r.Original().Recipients) == 1) && f.answersItsRecipient(r)
}

// attached says whether a message is returned as a part of its own, not quoted in the text.
func (f *facts) attached() bool {
	return slices.ContainsFunc(f.returned, func(r returned) bool { return r.source != ReturnedText })
}

// origin is the sort of sender that a message seems to have. A higher one is more likely to send reports.
type origin int

const (
	person       origin = iota // or a program that does not say that it is one
	program                    // it says that the message is automatic (RFC 3834 section 5)
	system                     // an ordinary address under the name of a mail system
	nullSender                 // null envelope sender, or no From
	postmaster                 // an address that sends reports and other mail
	mailerDaemon               // an address that sends nothing but reports
)

// origin reads from the header what sort of sender wrote the message.
func (f *facts) origin() origin {
	h := f.header
	from := h.get("from")
	address := strings.ToLower(fieldAddress(from))
	switch {
	case h.has("from") && address == "", strings.HasPrefix(address, "mailer-daemon"), strings.HasPrefix(address, "mailerdaemon"):
		return mailerDaemon
	case h.has("x-failed-recipients"), isDaemonAddress(address):
		return postmaster
	case !h.has("from") && !h.has("sender"), f.hasNullSender():
		return nullSender
	case isDaemon(from):
		return system
	case strings.HasPrefix(strings.ToLower(h.get("auto-submitted")), "auto-"):
		return program
	}
	return person
}

// hasNullSender says whether the Return-Path field says that the envelope sender was null.
func (f *facts) hasNullSender() bool { return nullPath(f.header.get("return-path")) }

// answersItsRecipient says whether the report goes to the author of the message that it returns.
func (f *facts) answersItsRecipient(r *Report) bool {
	o := r.Original()
	return slices.ContainsFunc(fieldAddresses(f.header.get("to"), maxOriginalRcpts), func(to string) bool {
		return strings.EqualFold(to, o.From) || strings.EqualFold(to, o.Sender)
	})
}

// isDaemon says whether a From field is one that reports come from.
func isDaemon(from string) bool {
	from = strings.ToLower(decodeWords(from))
	address := fieldAddress(from)
	if isDaemonAddress(address) {
		return true
	}
	// Any sender may choose a display name, so it must begin with one of the names or have one in brackets at its end.
	display := strings.Trim(strings.TrimSpace(strings.Replace(from, "<"+address+">", "", 1)), `"' `)
	for _, name := range daemonNames {
		if strings.HasPrefix(display, name) || strings.HasSuffix(display, "("+name+")") {
			return true
		}
	}
	return false
}

// isDaemonAddress says whether an address, given in lower case, is one that reports come from.
func isDaemonAddress(address string) bool {
	local, _, _ := strings.Cut(address, "@")
	local = strings.Trim(local, `"`) // "system administrator"@example.com
	return slices.ContainsFunc(daemonNames, func(name string) bool { return strings.HasPrefix(local, name) })
}

// nullPath says whether the value of a Return-Path field is the null sender, or an address that MTAs write in its place.
func nullPath(value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	return value == "<>" || strings.HasPrefix(value, "<mailer-daemon") || strings.HasPrefix(value, "mailer-daemon")
}

// subject returns the decoded subject in lower case.
func (f *facts) subject() string { return strings.ToLower(decodeWords(f.header.get("subject"))) }

func (f *facts) bounceSubject() bool {
	subject := f.subject()
	return !isAnswer(subject) && bounceSubjects.in(subject)
}

// failure says whether the text says near its beginning that something was not delivered.
func (f *facts) failure() bool { return failures.in(f.folded) }

// conversation says whether a person or a list sent this message: answers, forwarded messages and list mail quote bounces.
func (f *facts) conversation() bool {
	subject := strings.ToLower(f.header.get("subject"))
	if isAnswer(subject) && !isDaemon(f.header.get("from")) {
		return true
	}
	return f.header.has("list-post") && !isDaemon(f.header.get("from"))
}

// isAnswer says whether a subject, given in lower case, is that of an answer or a forwarded message.
func isAnswer(subject string) bool {
	for _, p := range [...]string{"re:", "fw:", "fwd:", "aw:", "wg:", "tr:", "rv:", "sv:", "antw:", "rif:", "enc:", "res:", "odp:", "vs:", "[fwd:"} {
		if strings.HasPrefix(subject, p) {
			return true
		}
	}
	return false
}

// isReply says whether a responder wrote the message (RFC 3834, and conventions older than it).
func (f *facts) isReply() bool {
	subject := f.subject()
	switch {
	case f.reply():
		return true
	case isAnswer(subject):
		// Distribution lists pass on answers of people with a null sender.
	case f.hasNullSender() && f.header.has("in-reply-to") && !f.calendar:
		return true // only programs answer with a null sender
	case strings.Contains(strings.ToLower(f.header.get("x-ms-exchange-generated-message-source")), "mailbox rules agent"):
		return true // QUIRK: Exchange declares its replies as auto-generated
	}
	for _, p := range replySubjects {
		if start, ok := strings.CutSuffix(p, "*"); ok {
			if strings.HasPrefix(subject, start) {
				return true
			}
			continue
		}
		// At the beginning the responder wrote it. Elsewhere it may be what people write about.
		switch i := strings.Index(subject, p); {
		case i == 0:
			return true
		case i > 0 && !isAnswer(subject) && endsSentence(subject[i+len(p):]) && (f.origin() > person || absences.in(f.folded)):
			return true
		}
	}
	return false
}

// endsSentence says whether the sentence ends before rest: "Bert is out of the office.", not "out of office messages".
func endsSentence(rest string) bool {
	rest = strings.TrimSpace(rest)
	return rest == "" || strings.IndexByte(".:;,!(-", rest[0]) >= 0
}

// reply says whether the header names a responder.
func (f *facts) reply() bool {
	h := f.header
	submitted := strings.ToLower(h.get("auto-submitted"))
	precedence := strings.ToLower(h.get("precedence"))
	switch {
	case strings.HasPrefix(submitted, "auto-replied"), strings.Contains(precedence, "auto_reply"), strings.Contains(precedence, "auto-reply"):
		return true
	case strings.HasPrefix(submitted, "auto-"), h.has("list-id"):
		return false
	}
	for _, r := range responders {
		v := strings.ToLower(h.get(r.field))
		if strings.Contains(v, r.words) && h.has(r.field) && v != "no" && v != "false" {
			return true
		}
	}
	return false
}
