package bounce

import (
	"slices"
	"strings"
)

// signs are what weighs for a bounce in no standard form.
type signs struct {
	*facts
	subject  bool // is that of a bounce
	clear    bool // the subject says so even from an ordinary sender
	says     bool // the text says that something was not delivered
	returned bool // a message came back
	named    bool // a failed recipient is named
	quoted   bool // the reply of a server is quoted
}

// isBounce weighs the evidence for a bounce in no standard form. It is weak if only words say that the message is one, or if the
// sender is an ordinary one: people forward bounces, and services write about what they could not deliver.
func (f *facts) isBounce(r *Report, from origin) (is, weak bool) {
	if f.report != "" && f.report != "?" && f.report != "delivery-status" {
		return false, false // reports about TLS and DMARC
	}
	s := signs{facts: f, subject: f.bounceSubject(), says: f.failure, returned: len(f.returned) > 0, named: len(r.Recipients) > 0}
	if f.conversation() || f.virus && !s.returned || postmasterSubjects.in(f.subject) {
		return false, false
	}
	s.clear = s.subject && undelivered.in(f.subject)
	s.quoted = len(r.Recipients) == 1 && quotesReply(f.work, f.text)
	for i := range r.Recipients {
		s.quoted = s.quoted || r.Recipients[i].Class() != 0
	}
	return s.weigh(r, from)
}

// weigh decides by the sort of sender.
func (s *signs) weigh(r *Report, from origin) (is, weak bool) {
	words := !s.returned && !s.quoted
	switch {
	case s.header.has("x-failed-recipients"), s.header.has("x-ms-exchange-message-is-ndr"), s.class == tnefBounce && from > person:
		return true, false
	case s.exchangeNotice():
		return true, true // it may be about a message that was delivered all the same, or go to an administrator
	case from == mailerDaemon:
		return s.fromDaemon(r), false
	case s.reply() && !s.subject, words && notices.in(s.facts.subject):
		return false, false
	case from == postmaster:
		// Mail systems also tell their users and operators about faults.
		return s.fromPostmaster() || words && s.inWords(), !s.returned && (words || s.notice() || !s.subject && len(r.Recipients) != 1)
	case from == nullSender:
		return !s.listed() && (s.fromNullSender() || words && s.inWords()), true
	case from == system:
		// Phishing uses such names as well, but it returns no message and quotes no server.
		return !s.listed() && s.subject && s.says && s.named && (s.returned || r.anyStatus()), true
	}
	return s.fromPerson(r), false
}

// fromDaemon weighs for a sender that sends nothing but reports. In a language that no list has, a recipient with a reply code is
// enough. An encrypted report has its subject alone.
func (s *signs) fromDaemon(r *Report) bool {
	switch {
	case s.subject:
		return s.says || s.returned || s.named || s.names(r) || strings.TrimSpace(s.text) == ""
	case s.says, s.quoted:
		return s.returned || s.named
	}
	return false
}

// names says whether the text names a message.
func (s *signs) names(r *Report) bool {
	return slices.ContainsFunc(r.Originals, func(o Original) bool { return o.Source == FreeText })
}

// fromPostmaster weighs for a sender that quarantine digests and the like come from as well: the text must be about one message.
func (s *signs) fromPostmaster() bool {
	switch {
	case s.returned:
		return s.subject || s.says || s.quoted
	case s.quoted && s.says:
		return true
	}
	return s.subject && s.named && (s.quoted || !digests.in(s.folded))
}

// fromNullSender weighs for an ordinary sender, who has the null sender.
func (s *signs) fromNullSender() bool {
	return (s.subject || s.says) && (s.returned || s.quoted) && (s.says || s.named) && (s.returned || s.clear || !s.notice())
}

// inWords weighs for a message with the null sender that has nothing but words.
func (s *signs) inWords() bool {
	if !s.hasNullSender() || s.ordinary() || s.notice() || tagged(s.facts.subject) {
		return false
	}
	return s.subject && s.says && s.named || s.clear && (s.says || s.named)
}

// fromPerson weighs for any other sender: the message must have everything, and must go to the author of the returned message. Bug
// reports and trackers quote the bounces of other users, and people who answer under a new subject quote what they answer.
func (s *signs) fromPerson(r *Report) bool {
	if s.refers() || !s.subject || !s.says || !s.answersItsRecipient(r) {
		return false
	}
	return s.returned && s.named || s.attached() && len(r.Original().Recipients) == 1
}

// exchangeNotice says whether Exchange tells the sender what a rule or filter has done with a message.
func (f *facts) exchangeNotice() bool {
	if !f.header.has("x-ms-exchange-parent-message-id") {
		return false
	}
	source := f.header.lower("x-ms-exchange-generated-message-source")
	return f.header.has("x-ms-exchange-transport-rules-notification") || exchangeAgents.in(source) ||
		source != "" && isDaemonAddress(strings.ToLower(fieldAddress(f.header.get("from")))) && !strings.Contains(source, "calendar")
}

// notice says whether the message is about something else than a message that was sent: a parcel, a payment, a mailbox.
func (f *facts) notice() bool {
	return notices.in(f.subject) || notices.in(f.folded) || digests.in(f.subject) || digests.in(f.folded)
}
