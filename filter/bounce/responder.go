package bounce

import (
	"strings"
	"unicode/utf8"
)

// reply says whether the header says that a responder wrote the message (RFC 3834, and conventions older than it).
func (f *facts) reply() bool {
	h := f.header
	submitted := h.lower("auto-submitted")
	precedence := h.lower("precedence")
	switch {
	case strings.HasPrefix(submitted, "auto-replied"), strings.Contains(precedence, "auto_reply"), strings.Contains(precedence, "auto-reply"):
		return true
	case strings.Contains(h.lower("x-ms-exchange-generated-message-source"), "mailbox rules agent"):
		return true // QUIRK: Exchange declares its replies as auto-generated
	case strings.HasPrefix(submitted, "auto-"), h.has("list-id"):
		return false
	}
	for _, r := range responders {
		v := h.lower(r.field)
		if strings.Contains(v, r.words) && h.has(r.field) && v != "no" && v != "false" {
			return true
		}
	}
	return false
}

// automatic says whether the header says that a program wrote the message, or that no program may answer it.
//
// QUIRK: Exchange says no more of its automatic replies (testdata/null-sender/reply-exchange.eml).
func (f *facts) automatic() bool {
	return strings.HasPrefix(f.header.lower("auto-submitted"), "auto-") ||
		f.header.has("x-auto-response-suppress") || f.header.has("x-ms-exchange-inbox-rules-loop")
}

// refers says whether the header names messages that came before (RFC 5322 section 3.6.4).
func (f *facts) refers() bool { return f.header.has("in-reply-to") || f.header.has("references") }

// answers says whether the header says that the message answers another one.
func (f *facts) answers() bool {
	return f.refers() || f.header.has("x-ms-exchange-inbox-rules-loop")
}

// answersPage says whether the message seems to answer what was written on a web page.
func (f *facts) answersPage() bool { return !f.answers() && len(f.returned) == 0 && pages.in(f.folded) }

// isReply says whether the words of a message, or its null sender, show that a responder wrote it.
func (f *facts) isReply() bool {
	if f.replySubject() {
		return true
	}
	if f.ordinary() || f.quotes {
		return false
	}
	lead := f.folded[:min(len(f.folded), leadBytes)]
	null, names, answer := f.hasNullSender(), f.refers(), isAnswer(f.subject)
	switch {
	case answer && len(f.text) > terseBytes, len(f.text) > shortBytes, !null && !(names && answer):
		// too long, or of a person
	case away.in(lead):
		return true // vacation programs answer with "Re:", and say in the text alone what they are
	case answer && strings.HasPrefix(f.header.lower("in-reply-to"), "your message of"):
		return true // QUIRK: mailutils' sieve
	}
	if !null {
		return false
	}
	return names && f.header.has("x-loop") || f.answersByItself() || f.acknowledges(lead)
}

// answersByItself says whether a message with the null sender names another one. People do not answer with the null sender, unless a
// list passes on what they write.
func (f *facts) answersByItself() bool {
	return len(f.returned) == 0 && f.namesOne() && f.plain() && !isAnswer(f.subject) && !strings.Contains(f.subject, "re: ") && !tagged(f.subject)
}

// acknowledges says whether the words are those of a program that has received a message, not what was written on a web page.
func (f *facts) acknowledges(lead string) bool {
	return acknowledgements.in(f.subject) && (f.bulk() || promises.in(lead)) && !pages.in(f.folded) && !copies.in(f.folded) && !notices.in(f.folded)
}

const (
	leadBytes  = 600  // in which a responder says that the owner is away
	shortBytes = 1200 // of the text of an automatic reply that has no other sign
	terseBytes = 400  // of one that looks like an answer
)

// replySubject says whether the subject is one that responders write.
func (f *facts) replySubject() bool {
	// Some put their words into brackets: "[Automatic reply] Minutes", "【自動返信】".
	bracketed := inBrackets(f.subject)
	for _, p := range replySubjects {
		if start, ok := strings.CutSuffix(p, "*"); ok {
			if strings.HasPrefix(f.subject, start) || strings.HasPrefix(bracketed, start) {
				return true
			}
			continue
		}
		if bracketed != "" && strings.Contains(bracketed, p) {
			return true
		}
		// At the beginning the responder wrote it. Elsewhere it may be what people write about.
		switch i := strings.Index(f.subject, p); {
		case i == 0:
			return true
		case i > 0 && !isAnswer(f.subject) && endsSentence(f.subject[i+len(p):]) && (f.origin > person || absences.in(f.folded)):
			return true
		}
	}
	return false
}

// inBrackets returns what is in brackets at the beginning of a subject, or "".
func inBrackets(subject string) string {
	inner := strings.TrimLeft(subject, openingBrackets)
	if inner == subject {
		return ""
	}
	end := strings.IndexAny(inner, closingBrackets)
	if end < 0 {
		return ""
	}
	return strings.TrimSpace(inner[:end])
}

// The brackets around the words that a responder adds to a subject. NFKC has made the other full-width ones ASCII.
const (
	openingBrackets = "[({<*«“„‹「『【〔〈《〖"
	closingBrackets = "])}>*»”“›」』】〕〉》〗"
)

// endsSentence says whether the sentence ends before rest: "Bert is out of the office.", not "out of office messages".
func endsSentence(rest string) bool {
	rest = strings.TrimSpace(rest)
	return rest == "" || strings.ContainsRune(".:;,!(-。、"+closingBrackets, firstRune(rest))
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// listed says whether a list passed the message on (RFC 2369, RFC 2919, and conventions older than them).
func (f *facts) listed() bool {
	h := f.header
	for _, name := range listFields {
		if h.has(name) {
			return true
		}
	}
	if strings.EqualFold(strings.TrimSpace(h.get("precedence")), "list") {
		return true
	}
	local, _, _ := strings.Cut(strings.ToLower(fieldAddress(h.get("sender"))), "@")
	return strings.HasPrefix(local, "owner-") || strings.HasSuffix(local, "-owner") || strings.HasSuffix(local, "-bounces") ||
		strings.HasSuffix(local, "-admin")
}

// ordinary says whether something in the message shows that a person wrote it, or a list passed it on: then words, or a null sender
// that an MTA gave it on the way, make it no report and no automatic reply.
func (f *facts) ordinary() bool {
	if f.header.has("x-ms-exchange-parent-message-id") && !f.header.has("x-ms-exchange-generated-message-source") {
		return true // QUIRK: Exchange gives mail to a distribution group the null sender
	}
	return f.calendar || f.listed() || f.header.has("user-agent") || f.header.has("x-mailer") && !programs.in(f.header.lower("x-mailer"))
}

// namesOne says whether In-Reply-To is a message identifier. Old mail programs, and spam, have other words there, and trackers, which
// say that they answer nothing (auto-generated, RFC 3834 section 5.2), name their own messages.
func (f *facts) namesOne() bool {
	id := f.header.get("in-reply-to")
	return strings.HasPrefix(id, "<") && strings.IndexByte(id, '@') > 0 && !f.header.has("auto-submitted")
}

// plain says whether the message has the form that answers of responders without any mark have: one text from one author to one
// recipient.
func (f *facts) plain() bool {
	kind, _ := mediaType(f.work, f.header.get("content-type"))
	return !strings.HasPrefix(kind, "multipart/") && !f.header.has("cc") && !f.header.has("sender") && !f.header.has("thread-index") &&
		len(fieldAddresses(f.work, f.header.get("to"), 2)) <= 1
}

// tagged says whether a list has put its name in front of the subject: "[announce] Minutes". A number is that of a ticket.
func tagged(subject string) bool {
	name, _, ok := strings.Cut(strings.TrimPrefix(subject, "["), "]")
	return ok && strings.HasPrefix(subject, "[") && !strings.ContainsAny(name, "0123456789")
}

// bulk says whether the message asks that nothing answers it.
func (f *facts) bulk() bool {
	p := strings.TrimSpace(f.header.lower("precedence"))
	return p == "bulk" || p == "junk"
}

// isChallenge says whether the message asks the sender of another message to confirm it, as challenge/response systems do.
func (f *facts) isChallenge() bool {
	if f.listed() || !f.hasNullSender() && !f.reply() && f.origin != program {
		return false
	}
	return challengeSubjects.in(f.subject) || challenges.in(f.folded[:min(len(f.folded), shortBytes)])
}

// isReceipt says whether the message is a receipt in words.
func (f *facts) isReceipt() bool {
	if !f.hasNullSender() || f.calendar {
		return false
	}
	for _, p := range receiptSubjects {
		if strings.HasPrefix(f.subject, p) {
			return receipts.in(f.folded)
		}
	}
	return false
}
