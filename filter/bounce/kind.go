package bounce

import "strings"

// kind decides what the message is. A machine-readable part decides by itself within multipart/report; everything else
// needs a sender that reports come from, so that mail which only quotes or forwards a report is none.
func (f *facts) kind(r *Report) Kind {
	automatic := f.automatic()
	switch {
	case f.feedback != "" && (f.report != "" || automatic > 0 || len(f.returned) > 0 && !f.conversation()):
		return ARF // QUIRK: some providers send it as multipart/mixed
	case f.receipt != "" && (f.report != "" || automatic > 0):
		return MDN
	case f.status != "" && len(r.Recipients) > 0 && (f.report != "" || automatic > 0 || f.bounceSubject()):
		return DSN
	case f.report == "delivery-status" && (automatic > 0 || f.bounceSubject()):
		return DSN // its status part is empty or was cut off
	case f.report == "disposition-notification" && (automatic > 0 || f.machine):
		return MDN
	case f.isBounce(r, automatic):
		return Bounce
	case f.isReply():
		return AutoReply
	}
	return None
}

// isBounce weighs the evidence for a bounce in no standard form.
func (f *facts) isBounce(r *Report, automatic int) bool {
	if f.report != "" && f.report != "?" && f.report != "delivery-status" {
		return false // reports about TLS and DMARC
	}
	subject, says := f.bounceSubject(), f.failure()
	returned := len(f.returned) > 0
	if f.conversation() || f.virus && !returned {
		return false
	}
	named, told := len(r.Recipients) > 0, false
	for i := range r.Recipients {
		told = told || r.Recipients[i].Class() != 0
	}
	switch {
	case f.header.has("x-failed-recipients"):
		return true
	case automatic >= 3:
		return subject && (says || returned || named) || says && (returned || named) || returned && told
	case f.reply() && !subject:
		return false
	case automatic >= 2:
		// Quarantine digests and the like come from postmasters too: what is said has to be about one message.
		return subject && (says || returned || named) || says && (returned || told) || returned && told
	case automatic == 1:
		return (subject || says) && (returned || told) && (says || named)
	}
	// From an ordinary sender, everything must be there.
	return subject && says && returned && named
}

// automatic says how much the header looks like that of a report: 0 not at all, 1 somewhat, 2 much (postmasters write
// other mail too), 3 as nothing but a report.
func (f *facts) automatic() int {
	h := f.header
	from := h.get("from")
	address := strings.ToLower(fieldAddress(from))
	switch {
	case h.has("from") && address == "", strings.HasPrefix(address, "mailer-daemon"), strings.HasPrefix(address, "mailerdaemon"):
		return 3
	case h.has("x-failed-recipients"), isDaemon(from):
		return 2
	case !h.has("from") && !h.has("sender"), nullPath(h.get("return-path")) && h.has("return-path"):
		return 1
	}
	if s := strings.ToLower(h.get("auto-submitted")); strings.HasPrefix(s, "auto-") {
		return 1
	}
	return 0
}

// isDaemon says whether a From field is one that reports come from.
func isDaemon(from string) bool {
	from = strings.ToLower(decodeWords(from))
	address := fieldAddress(from)
	local, _, _ := strings.Cut(address, "@")
	for _, name := range daemonNames {
		if strings.HasPrefix(local, name) {
			return true
		}
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

// nullPath says whether a Return-Path is null, or one that stands for it.
func nullPath(value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	return value == "<>" || strings.HasPrefix(value, "<mailer-daemon") || strings.HasPrefix(value, "mailer-daemon")
}

func (f *facts) bounceSubject() bool {
	subject := strings.ToLower(decodeWords(f.header.get("subject")))
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
	if f.reply() {
		return true
	}
	subject := strings.ToLower(decodeWords(f.header.get("subject")))
	for _, p := range replySubjects {
		if start, ok := strings.CutSuffix(p, "*"); ok {
			if strings.HasPrefix(subject, start) {
				return true
			}
		} else if i := strings.Index(subject, p); i >= 0 {
			// At the beginning it is the responder's word; further on it may be what people write about.
			if i == 0 || f.automatic() > 0 || absences.in(f.folded) && !isAnswer(subject) {
				return true
			}
		}
	}
	return false
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
	for _, name := range [...]string{
		"x-autoreply", "x-autorespond", "x-autoresponder", "x-autoreply-from", "x-auto-reply", "x-autogenerated",
		"x-mail-autoreply", "x-vacation", "x-ms-exchange-inbox-rules-loop", "x-autoreply-domain",
	} {
		if v := strings.ToLower(h.get(name)); h.has(name) && v != "no" && v != "false" {
			return true
		}
	}
	return false
}
