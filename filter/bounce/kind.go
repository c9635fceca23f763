package bounce

import (
	"slices"
	"strings"
)

// kind decides what the message is. A machine-readable part decides by itself within multipart/report; everything else
// needs a sender that reports come from, so that mail which only quotes or forwards a report is none.
func (f *facts) kind(r *Report) Kind {
	from := f.origin()
	switch {
	case f.feedback != "" && (f.report != "" || from > person || len(f.returned) > 0 && !f.conversation()):
		return ARF // QUIRK: some providers send it as multipart/mixed
	case len(f.returned) > 0 && strings.HasPrefix(f.subject(), complaintSubject):
		return ARF // QUIRK: Outlook.com's program sends no feedback part
	case f.receipt != "" && (f.report != "" || from > person):
		return MDN
	case f.status != "" && len(r.Recipients) > 0 && (f.report != "" || from > person || f.bounceSubject()):
		return DSN
	case f.report == "delivery-status" && (from > person || f.bounceSubject()):
		return DSN // its status part is empty or was cut off
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
	if f.conversation() || f.virus && !returned || notices.in(f.subject()) {
		return false
	}
	named := len(r.Recipients) > 0
	told := len(r.Recipients) == 1 && quotesReply(f.text)
	for i := range r.Recipients {
		told = told || r.Recipients[i].Class() != 0
	}
	switch {
	case f.header.has("x-failed-recipients"):
		return true
	case from == mailerDaemon:
		// Enough in a language that no list knows: somebody is named with a reply code.
		return subject && (says || returned || named) || says && (returned || named) || told && (returned || named)
	case f.reply() && !subject:
		return false
	case from == postmaster:
		// Quarantine digests and the like come from postmasters too: what is said has to be about one message.
		return subject && (returned || named && (told || !digests.in(f.folded))) || says && (returned || told) || returned && told
	case from == nobody:
		return (subject || says) && (returned || told) && (says || named)
	case from == system:
		// Phishing takes such names as well, but returns nothing and quotes no server.
		return subject && says && named && (returned || r.anyStatus())
	}
	// From anybody else everything must be there, and go to whoever wrote what is returned: bug reports and trackers quote
	// the bounces of others, and people who answer under a new subject quote what they answer.
	if f.header.has("in-reply-to") || f.header.has("references") {
		return false
	}
	return subject && says && (returned && named || f.attached() && len(r.Original().Recipients) == 1) && f.answersItsRecipient(r)
}

// attached says whether a message is returned as a part of its own, and not quoted.
func (f *facts) attached() bool {
	return slices.ContainsFunc(f.returned, func(r returned) bool { return r.source != ReturnedText })
}

// origin is where a message seems to come from, the more like a report's the higher.
type origin int

const (
	person       origin = iota // or anything else that says nothing of being automatic
	program                    // it says that it is automatic (RFC 3834)
	system                     // an ordinary address under the name of a mail system
	nobody                     // null sender, or no From
	postmaster                 // and what else writes reports, but other mail too
	mailerDaemon               // which writes nothing but reports
)

// origin tells from the header who wrote the message.
func (f *facts) origin() origin {
	h := f.header
	from := h.get("from")
	address := strings.ToLower(fieldAddress(from))
	switch {
	case h.has("from") && address == "", strings.HasPrefix(address, "mailer-daemon"), strings.HasPrefix(address, "mailerdaemon"):
		return mailerDaemon
	case h.has("x-failed-recipients"), isDaemonAddress(address):
		return postmaster
	case !h.has("from") && !h.has("sender"), f.nullSender():
		return nobody
	case isDaemon(from):
		return system
	case strings.HasPrefix(strings.ToLower(h.get("auto-submitted")), "auto-"):
		return program
	}
	return person
}

// nullSender says whether the header tells that the envelope sender was null.
func (f *facts) nullSender() bool { return nullPath(f.header.get("return-path")) }

// answersItsRecipient says whether the report goes to the one who wrote what it returns.
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
	// The display name, which anybody may choose, has to be one of them and not hold one somewhere.
	display := strings.Trim(strings.TrimSpace(strings.Replace(from, "<"+address+">", "", 1)), `"' `)
	for _, name := range daemonNames {
		if strings.HasPrefix(display, name) || strings.HasSuffix(display, "("+name+")") {
			return true
		}
	}
	return false
}

// isDaemonAddress says whether reports come from an address, given in lower case.
func isDaemonAddress(address string) bool {
	local, _, _ := strings.Cut(address, "@")
	local = strings.Trim(local, `"`) // "system administrator"@example.com
	return slices.ContainsFunc(daemonNames, func(name string) bool { return strings.HasPrefix(local, name) })
}

// nullPath says whether a Return-Path is null, or one that stands for it.
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

// conversation says whether somebody wrote or passed on this message: answers, forwards and list mail quote bounces.
func (f *facts) conversation() bool {
	subject := strings.ToLower(f.header.get("subject"))
	if isAnswer(subject) && !isDaemon(f.header.get("from")) {
		return true
	}
	return f.header.has("list-post") && !isDaemon(f.header.get("from"))
}

// isAnswer says whether a subject, in lower case, is that of an answer or a forwarded message.
func isAnswer(subject string) bool {
	for _, p := range [...]string{"re:", "fw:", "fwd:", "aw:", "wg:", "tr:", "rv:", "sv:", "antw:", "rif:", "enc:", "res:", "odp:", "vs:", "[fwd:"} {
		if strings.HasPrefix(subject, p) {
			return true
		}
	}
	return false
}

// isReply says whether a responder wrote the message (RFC 3834, and what was in use before it).
func (f *facts) isReply() bool {
	subject := f.subject()
	switch {
	case f.reply():
		return true
	case isAnswer(subject):
		// Distribution lists pass on what people write with a null sender.
	case f.nullSender() && f.header.has("in-reply-to") && !f.calendar:
		return true // only programs answer without wanting an answer
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
		// At the beginning it is the responder's word; further on it may be what people write about.
		switch i := strings.Index(subject, p); {
		case i == 0:
			return true
		case i > 0 && !isAnswer(subject) && endsSentence(subject[i+len(p):]) && (f.origin() > person || absences.in(f.folded)):
			return true
		}
	}
	return false
}

// endsSentence says whether nothing of a sentence follows: "Bert is out of the office.", not "out of office messages".
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
