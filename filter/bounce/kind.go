package bounce

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// kind decides what the message is, and whether only weak signs say so. Within multipart/report a machine-readable part decides
// by itself. Anything else needs a sender that reports come from, so that mail that only quotes or forwards a report is no
// report. The null sender is one such sign, but no more: much mail that answers nothing has it as well.
func (f *facts) kind(r *Report) (kind Kind, weak bool) {
	if f.header.has("x-ms-journal-report") {
		return None, false // Exchange's copy of a message for an archive, which may be a bounce
	}
	from := f.origin
	if kind := f.standardKind(r, from); kind != None {
		// Outside multipart/report, the status part may be one that a person passes on.
		return kind, kind == DSN && f.report == "" && from < postmaster
	}
	if is, weak := f.isBounce(r, from); is {
		return Bounce, weak
	}
	if f.calendar {
		return None, false // an answer to an invitation is written by a program that says that it is a responder
	}
	switch reply := f.reply(); {
	case f.isChallenge():
		return Challenge, !reply
	case reply:
		return AutoReply, f.answersPage() || forwarded(f.subject)
	case f.listed():
		return None, false // lists pass on what their members' responders write
	case f.isReceipt():
		return MDN, true
	case f.isReply():
		return AutoReply, !f.automatic() || !f.answers() || !f.replySubject()
	}
	return None, false
}

// standardKind returns what the machine-readable parts of the message say that it is, or None.
func (f *facts) standardKind(r *Report, from origin) Kind {
	switch {
	case f.report == "delivery-status" && f.status != "" && len(r.Recipients) > 0 && from > person:
		return DSN // whatever other parts it has
	case f.feedback != "" && (f.report != "" || from > person || len(f.returned) > 0 && !f.conversation()):
		return ARF // QUIRK: NetEase (163.com) sends it as multipart/mixed
	case len(f.returned) > 0 && strings.HasPrefix(f.subject, complaintSubject):
		return ARF // QUIRK: Outlook.com's complaint service sends no feedback part
	case f.receipt != "" && (f.report != "" || from > person), f.class == tnefReceipt:
		return MDN
	case f.status != "" && len(r.Recipients) > 0 && (f.report != "" || from > person || f.bounceSubject()):
		return DSN
	case f.report == "delivery-status" && (from > person || f.bounceSubject()):
		return DSN // the status part is empty or was cut off
	case f.report == "disposition-notification" && (from > person || f.machine):
		return MDN
	}
	return None
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

// originOf reads from the header what sort of sender wrote the message.
func (f *facts) originOf() origin {
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
	case isDaemon(f.work, from):
		return system
	case strings.HasPrefix(h.lower("auto-submitted"), "auto-"):
		return program
	}
	return person
}

// hasNullSender says whether the Return-Path field says that the envelope sender was null.
func (f *facts) hasNullSender() bool { return nullPath(f.header.get("return-path")) }

// answersItsRecipient says whether the report goes to the author of the message that it returns.
func (f *facts) answersItsRecipient(r *Report) bool {
	o := r.Original()
	return slices.ContainsFunc(fieldAddresses(f.work, f.header.get("to"), maxOriginalRcpts), func(to string) bool {
		return strings.EqualFold(to, o.From) || strings.EqualFold(to, o.Sender)
	})
}

// isDaemon says whether a From field is one that reports come from.
func isDaemon(w *work, from string) bool {
	from = strings.ToLower(decodeWords(w, from[:min(len(from), maxAuthorField)]))
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
	value = strings.TrimSpace(value)
	value = strings.ToLower(value[:min(len(value), len("<mailer-daemon"))])
	return value == "<>" || strings.HasPrefix(value, "<mailer-daemon") || strings.HasPrefix(value, "mailer-daemon")
}

// subjectOf returns the decoded subject in the form that rules are compared with: in lower case, without the forms of characters
// that only East Asian typography has (Unicode Standard Annex 15, NFKC).
func subjectOf(w *work, h header) string {
	const limit = 1000
	s := decodeWords(w, h.get("subject"))
	return strings.ToLower(norm.NFKC.String(strings.ToValidUTF8(s[:min(len(s), limit)], "?")))
}

// bounceSubject says whether the subject is one that bounces have.
func (f *facts) bounceSubject() bool {
	return (!isAnswer(f.subject) || f.answersUnderOwnSubject()) && bounceSubjects.in(f.subject)
}

// conversation says whether a person or a list sent this message: answers, forwarded messages and list mail quote bounces.
func (f *facts) conversation() bool {
	if isDaemon(f.work, f.header.get("from")) {
		return false
	}
	return isAnswer(f.subject) && !f.answersUnderOwnSubject() || f.header.has("list-post")
}

// answersUnderOwnSubject says whether a gateway has put its words into the subject of an answer: "RE: Minutes: non remis". A person
// who answers or forwards a bounce is not the null sender, and names the bounce.
func (f *facts) answersUnderOwnSubject() bool {
	return f.hasNullSender() && !f.ordinary() && !f.refers() && undelivered.in(f.subject)
}

// forwarded says whether a subject, given in lower case, is that of a forwarded message: rules of mailboxes also forward.
func forwarded(subject string) bool {
	return slices.ContainsFunc(forwardPrefixes, func(p string) bool { return strings.HasPrefix(subject, p) })
}

// isAnswer says whether a subject, given in lower case, is that of an answer or a forwarded message.
func isAnswer(subject string) bool {
	return slices.ContainsFunc(answerPrefixes, func(p string) bool { return strings.HasPrefix(subject, p) })
}
