package e2e

import (
	"maps"
	"strings"
	"testing"
	"time"
)

// Replies that a refused client sees. They are part of what is documented: operators on the other side read them.
const (
	replyInvalid = "550 5.7.1 Invalid tag: this bounce to an invalid tag answers no message sent from here"
	replyNone    = "550 5.7.1 No tag: this bounce to an address without a tag answers no message sent from here"
	replyNoSuch  = "550 5.7.1 No such address: the tag of the recipient is invalid"
	replyExpired = "550 5.7.1 Expired tag: this bounce to an expired tag comes too late"
	replyUnknown = "550 5.1.1 "
	ok           = "250 "
)

// scenario is a message that comes in, and what becomes of it.
type scenario struct {
	name        string
	notSendmail string // why it cannot be played with Sendmail

	from   string // envelope sender; a bounce if empty
	client string // outsider if empty
	to     []rcpt
	answer func(to, original string) message // writes the message; an ordinary one, or a bounce, unless it is set
	of     form                              // the message that it answers

	data string // reply to DATA, if it is not 354
	end  string // reply to the end of the message, if it is not 250

	mailboxes []string // get the message
	inner     string   // address at which the inner server gets it
	nowhere   []string // mailboxes that must not get it although the message is accepted
	keepsTag  bool     // in X-Original-To: the milter did not remove the tag, Postfix' cleanup did

	reason, action string // in log and metrics
	log            record // what else the log says
	wouldRefuse    string // reason counted as would-refuse
	header         string // in the delivered message
}

// rcpt is a recipient, and how RCPT TO is answered.
type rcpt struct {
	address form
	reply   string
}

// form is what the world knows of an address of the site.
type form func(*testing.T, *site) string

// plain is an address without a tag.
func plain(address string) form { return func(*testing.T, *site) string { return address } }

// valid is the address as a message from it showed it.
func valid(address string) form {
	return func(t *testing.T, s *site) string { return s.tag(t, address) }
}

// unrecorded has a tag with the right signature that the daemon has not issued.
func unrecorded(address string) form { return signedAt(address, 0) }

// expired has a tag that was made twenty days ago.
func expired(address string) form { return signedAt(address, -20*24*time.Hour) }

func signedAt(address string, age time.Duration) form {
	return func(t *testing.T, s *site) string { return s.daemon.sign(t, address, time.Now().Add(age)) }
}

// changed is a form with something done to it.
func changed(f form, how func(string) string) form {
	return func(t *testing.T, s *site) string { return how(f(t, s)) }
}

// forged has a tag with a wrong signature.
func forged(address string) form { return changed(valid(address), forge) }

// upperCase is what a relay makes of an address that believes that case means nothing.
func upperCase(signed string) string { return strings.ToUpper(signed) }

// subAddress is the same tag in its other form.
func subAddress(signed string) string {
	tag, rest, _ := strings.Cut(strings.TrimPrefix(signed, "prvs="), "=")
	local, domain, _ := strings.Cut(rest, "@")
	return local + "+prvs=" + tag + "@" + domain
}

// withKey9 has the number of a key that the site does not have.
func withKey9(signed string) string { return "prvs=9" + strings.TrimPrefix(signed, "prvs=0") }

// run plays the scenario and checks what the client, the mailboxes, the log and the metrics say.
func (sc *scenario) run(t *testing.T, s *site) (mark string) {
	var to []string
	for _, r := range sc.to {
		to = append(to, r.address(t, s)) // may send mail, so before anything is counted
	}
	m := sc.message(t, s, to[0]) // likewise
	logged := s.daemon.process.out.len()
	counted := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", sc.reason), label("action", sc.action))
	would := s.daemon.metric(t, "bouncefilter_would_refuse_total", label("reason", sc.wouldRefuse))

	queueID, accepted := sc.converse(t, s, to, m)
	sc.checkDelivery(t, s, m, accepted)

	if sc.reason != "" {
		want := record{"reason": sc.reason, "action": sc.action, "sender": "<" + sc.from + ">"}
		if queueID != "" {
			want["queue_id"] = queueID
		}
		maps.Copy(want, sc.log)
		r := s.daemon.awaitRecord(t, logged, want)
		for _, attribute := range []string{"client", "recipient", "duration"} {
			if r[attribute] == "" {
				t.Errorf("log line %v has no %s", r, attribute)
			}
		}
	}
	if got := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", sc.reason), label("action", sc.action)) - counted; sc.reason != "" && got != 1 {
		t.Errorf("reason %q with action %q was counted %v times, expected once", sc.reason, sc.action, got)
	}
	want := 0.0
	if sc.wouldRefuse != "" {
		want = 1
	}
	if got := s.daemon.metric(t, "bouncefilter_would_refuse_total", label("reason", sc.wouldRefuse)) - would; got != want {
		t.Errorf("%q was counted %v times as would-refuse, expected %v", sc.wouldRefuse, got, want)
	}
	return m.mark
}

// message writes what is sent.
func (sc *scenario) message(t *testing.T, s *site, to string) message {
	switch {
	case sc.answer != nil:
		return sc.answer(to, sc.of(t, s))
	case sc.from == "":
		return newBounce(to, "Subject: the original\n")
	}
	return newMessage("somebody@remote.example", to)
}

// converse is the SMTP session.
func (sc *scenario) converse(t *testing.T, s *site, to []string, m message) (queueID string, accepted bool) {
	from := sc.client
	if from == "" {
		from = outsider
	}
	c := s.dial(t, from)
	defer c.quit()
	c.mustCommand("250", "MAIL FROM:<"+sc.from+">")
	open := 0
	for i, r := range sc.to {
		c.mustCommand(r.reply, "RCPT TO:<"+to[i]+">")
		if r.reply == ok {
			open++
		}
	}
	switch {
	case open == 0:
		return "", false
	case sc.data != "":
		c.mustCommand(sc.data, "DATA")
		return "", false
	}
	c.mustCommand("354", "DATA")
	end := sc.end
	if end == "" {
		end = "250 2.0.0 Ok: queued as "
	}
	reply := c.text(m.text)
	if !strings.HasPrefix(reply, end) {
		t.Fatalf("the end of the message was answered %q, expected %q", reply, end)
	}
	queueID, accepted = strings.CutPrefix(reply, "250 2.0.0 Ok: queued as ")
	if !accepted {
		queueID = ""
	}
	return queueID, accepted
}

// checkDelivery waits for the message where it is expected, and looks at what shows the recipient there.
func (sc *scenario) checkDelivery(t *testing.T, s *site, m message, accepted bool) {
	for _, address := range sc.mailboxes {
		header, _ := s.mailbox(address).await(t, m.mark)
		sender := "<" + sc.from + ">"
		if sc.from == "" {
			sender = s.mta.nullSender()
		}
		if got := header.Get("Return-Path"); got != sender {
			t.Errorf("%s: Return-Path is %q, expected %q", address, got, sender)
		}
		for _, name := range []string{"Delivered-To", "X-Original-To"} {
			if !s.mta.showsRecipients() {
				continue
			}
			tagged := strings.Contains(strings.ToLower(header.Get(name)), "prvs=")
			if header.Get(name) == "" || tagged != (sc.keepsTag && name == "X-Original-To") {
				t.Errorf("%s: %s is %q", address, name, header.Get(name))
			}
		}
		if got := header.Get("X-Bouncefilter"); !strings.Contains(got, sc.header) || got != "" && sc.header == "" {
			t.Errorf("%s: X-Bouncefilter is %q, expected one with %q", address, got, sc.header)
		}
	}
	if sc.inner != "" {
		d := s.inner.await(t, m.mark)
		if len(d.recipients) != 1 || d.recipients[0].address != sc.inner || d.sender != sc.from {
			t.Errorf("the inner server got it from <%s> to %v, expected from <%s> to %s", d.sender, d.recipients, sc.from, sc.inner)
		}
	}
	if accepted && sc.mailboxes == nil && sc.inner == "" {
		t.Errorf("the message was accepted, but the scenario does not say where it goes")
	}
	for _, address := range sc.nowhere {
		if len(s.mailbox(address).mails(m.mark)) > 0 {
			t.Errorf("%s got the message", address)
		}
	}
}

// label writes a label as in the text format of Prometheus; an empty value means any.
func label(name, value string) string {
	if value == "" {
		return name
	}
	return name + `="` + value + `"`
}
