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
	from := f.origin()
	switch {
	case f.feedback != "" && (f.report != "" || from > person || len(f.returned) > 0 && !f.conversation()):
		return ARF, false // QUIRK: NetEase (163.com) sends it as multipart/mixed
	case len(f.returned) > 0 && strings.HasPrefix(f.subject, complaintSubject):
		return ARF, false // QUIRK: Outlook.com's complaint service sends no feedback part
	case f.receipt != "" && (f.report != "" || from > person):
		return MDN, false
	case f.status != "" && len(r.Recipients) > 0 && (f.report != "" || from > person || f.bounceSubject()):
		return DSN, false
	case f.report == "delivery-status" && (from > person || f.bounceSubject()):
		return DSN, false // the status part is empty or was cut off
	case f.report == "disposition-notification" && (from > person || f.machine):
		return MDN, false
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
		return AutoReply, false
	case f.listed():
		return None, false // lists pass on what their members' responders write
	case f.isReceipt():
		return MDN, true
	case f.isReply():
		return AutoReply, true
	}
	return None, false
}

// isBounce weighs the evidence for a bounce in no standard form. It is weak if only words say that the message is one.
func (f *facts) isBounce(r *Report, from origin) (is, weak bool) {
	if f.report != "" && f.report != "?" && f.report != "delivery-status" {
		return false, false // reports about TLS and DMARC
	}
	subject, says := f.bounceSubject(), f.failure()
	returned := len(f.returned) > 0
	if f.conversation() || f.virus && !returned || postmasterSubjects.in(f.subject) {
		return false, false
	}
	named := len(r.Recipients) > 0
	quoted := len(r.Recipients) == 1 && quotesReply(f.text) // a server's reply is
	for i := range r.Recipients {
		quoted = quoted || r.Recipients[i].Class() != 0
	}
	weak = !returned && !quoted
	switch {
	case f.header.has("x-failed-recipients"), f.header.has("x-ms-exchange-message-is-ndr"):
		return true, false
	case f.exchangeNotice():
		return true, !says // it may be about a message that was delivered all the same
	case from == mailerDaemon:
		// In a language that no list has, a recipient with a reply code is enough. An encrypted report has its subject alone.
		is = subject && (says || returned || named) || says && (returned || named) || quoted && (returned || named)
		return is || subject && strings.TrimSpace(f.text) == "", false
	case f.reply() && !subject:
		return false, false
	case weak && notices.in(f.subject):
		return false, false
	case from == postmaster:
		// Quarantine digests and the like come from postmasters as well: the text must be about one message.
		if subject && (returned || named && (quoted || !digests.in(f.folded))) || says && (returned || quoted) || returned && quoted {
			return true, weak
		}
		return weak && says && f.hasNullSender() && !f.ordinary() && !f.notice() && undelivered.in(f.subject), true
	case from == nullSender:
		if (subject || says && !(quoted && !returned && f.notice())) && (returned || quoted) && (says || named) {
			return true, weak
		}
		return weak && !f.ordinary() && !f.notice() && (subject && says && named || undelivered.in(f.subject) && (says || named)), true
	case from == system:
		// Phishing uses such names as well, but it returns no message and quotes no server.
		return subject && says && named && (returned || r.anyStatus()), false
	}
	// From any other sender the message must have everything, and must go to the author of the returned message. Bug reports
	// and trackers quote the bounces of other users, and people who answer under a new subject quote what they answer.
	if f.header.has("in-reply-to") || f.header.has("references") {
		return false, false
	}
	return subject && says && (returned && named || f.attached() && len(r.Original().Recipients) == 1) && f.answersItsRecipient(r), false
}

// exchangeNotice says whether Exchange tells the sender what a rule or filter has done with a message.
func (f *facts) exchangeNotice() bool {
	if !f.header.has("x-ms-exchange-parent-message-id") {
		return false
	}
	source := strings.ToLower(f.header.get("x-ms-exchange-generated-message-source"))
	return f.header.has("x-ms-exchange-transport-rules-notification") || exchangeAgents.in(source) ||
		source != "" && isDaemonAddress(strings.ToLower(fieldAddress(f.header.get("from")))) && !strings.Contains(source, "calendar")
}

// notice says whether the message is about something else than a message that was sent: a parcel, a payment, a mailbox.
func (f *facts) notice() bool {
	return notices.in(f.subject) || notices.in(f.folded) || digests.in(f.subject) || digests.in(f.folded)
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

// subjectOf returns the decoded subject in the form that rules are compared with: in lower case, without the forms of characters
// that only East Asian typography has (Unicode Standard Annex 15, NFKC).
func subjectOf(h header) string {
	const limit = 1000
	s := decodeWords(h.get("subject"))
	return strings.ToLower(norm.NFKC.String(strings.ToValidUTF8(s[:min(len(s), limit)], "?")))
}

// bounceSubject says whether the subject is one that bounces have.
func (f *facts) bounceSubject() bool {
	return (!isAnswer(f.subject) || f.answersUnderOwnSubject()) && bounceSubjects.in(f.subject)
}

// failure says whether the text says near its beginning that something was not delivered.
func (f *facts) failure() bool { return failures.in(f.folded) }

// conversation says whether a person or a list sent this message: answers, forwarded messages and list mail quote bounces.
func (f *facts) conversation() bool {
	if isDaemon(f.header.get("from")) {
		return false
	}
	return isAnswer(f.subject) && !f.answersUnderOwnSubject() || f.header.has("list-post")
}

// answersUnderOwnSubject says whether a gateway has put its words into the subject of an answer: "RE: Minutes: non remis". A person
// who answers or forwards a bounce is not the null sender, and names the bounce.
func (f *facts) answersUnderOwnSubject() bool {
	return f.hasNullSender() && !f.ordinary() && !f.header.has("in-reply-to") && !f.header.has("references") && undelivered.in(f.subject)
}

// isAnswer says whether a subject, given in lower case, is that of an answer or a forwarded message.
func isAnswer(subject string) bool {
	return slices.ContainsFunc(answerPrefixes, func(p string) bool { return strings.HasPrefix(subject, p) })
}
