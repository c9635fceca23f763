package e2e

import (
	"strings"
	"testing"
)

// sent is a message from a user of the site, as it arrived at the world.
func sent(from string) form {
	return func(t *testing.T, s *site) string { return s.send(t, from, "friend@remote.example").text }
}

// neverSent is what a forger wrote.
func neverSent(from string) form {
	return func(*testing.T, *site) string { return newMessage(from, "friend@remote.example").text }
}

// send sends a message through the submission port and returns it as it arrived at the world.
func (s *site) send(t *testing.T, from, to string) delivery {
	t.Helper()
	m := newMessage(from, to)
	c := s.submit(t)
	defer c.quit()
	c.send(from, []string{to}, m.text)
	return s.world.await(t, m.mark)
}

// answered is every kind of automatic message, to a tagged address and to one without a tag, about a message that its
// recipient sent, that another user sent, or that was never sent.
func answered() []scenario {
	var all []scenario
	for _, a := range answers {
		log := record{"report": a.kind}
		if a.family != "" {
			log["family"] = a.family
		}
		if a.status != "" {
			log["reported_status"], log["reported_action"], log["reported_recipient"] = a.status, "failed", "<friend@remote.example>"
		}
		all = append(all,
			scenario{
				name: a.name + ", tagged",
				to:   []rcpt{{valid("user@virt.example"), ok}}, answer: a.write, of: sent("user@virt.example"),
				mailboxes: []string{"user@virt.example"}, reason: "valid", action: "accept", log: log, header: "batv=pass reason=valid method=tag",
			}, scenario{
				name: a.name + ", without a tag, about mail of the recipient",
				to:   []rcpt{{plain("user@virt.example"), ok}}, answer: a.write, of: sent("user@virt.example"),
				mailboxes: []string{"user@virt.example"}, reason: "valid-message", action: "accept", log: log, header: "batv=pass reason=valid-message method=message-id",
			}, scenario{
				name: a.name + ", without a tag, about mail of another user",
				to:   []rcpt{{plain("other@virt.example"), ok}}, answer: a.write, of: sent("user@virt.example"),
				end: replyNone, reason: "untagged", action: "reject", log: log,
			}, scenario{
				name: a.name + ", without a tag, about mail that was never sent",
				to:   []rcpt{{plain("user@virt.example"), ok}}, answer: a.write, of: neverSent("user@virt.example"),
				end: replyNone, reason: "untagged", action: "reject", log: log,
			})
	}
	return all
}

// proofs are the other ways in which content decides, or does not.
var proofs = []scenario{
	{
		name: "bounce to a tag that was made 20 days ago, about mail on record",
		to:   []rcpt{{expired("user@virt.example"), ok}}, answer: postfixDSN, of: sent("user@virt.example"),
		mailboxes: []string{"user@virt.example"}, reason: "valid-message", action: "accept", header: "batv=pass reason=valid-message method=message-id",
	}, {
		name: "bounce to a tag that was made 20 days ago, about mail that was never sent",
		to:   []rcpt{{expired("user@virt.example"), ok}}, answer: postfixDSN, of: neverSent("user@virt.example"),
		end: replyExpired, reason: "expired", action: "reject",
	}, {
		name: "bounce to a tag that was damaged, about mail on record",
		to:   []rcpt{{forged("user@virt.example"), ok}}, answer: postfixDSN, of: sent("user@virt.example"),
		mailboxes: []string{"user@virt.example"}, reason: "valid-message", action: "accept", header: "batv=pass reason=valid-message method=message-id",
	}, {
		name: "bounce to a forged tag, about mail that was never sent",
		to:   []rcpt{{forged("user@virt.example"), ok}}, answer: postfixDSN, of: neverSent("user@virt.example"),
		end: replyInvalid, reason: "bad-signature", action: "reject",
	}, {
		name: "bounce to an alias, about mail that it sent",
		to:   []rcpt{{plain("info@alias.example"), ok}}, answer: newBounce, of: sent("info@alias.example"),
		mailboxes: []string{"user@virt.example"}, reason: "valid-message", action: "accept", header: "batv=pass reason=valid-message",
	}, {
		name: "bounce of a bounce that returns only its header, which names nothing of ours",
		to:   []rcpt{{plain("user@virt.example"), ok}}, answer: func(to, original string) message { return postfixDSN(to, postfixDSN(to, original).text) },
		of: sent("user@virt.example"), end: replyNone, reason: "untagged", action: "reject",
	}, {
		name: "bounce of a bounce that returns it whole: what was sent first counts",
		to:   []rcpt{{plain("user@virt.example"), ok}}, answer: func(to, original string) message { return newBounce(to, postfixDSN(to, original).text) },
		of: sent("user@virt.example"), mailboxes: []string{"user@virt.example"}, reason: "valid-message", action: "accept", header: "batv=pass reason=valid-message",
	}, {
		name: "automatic reply that names no message, from a correspondent",
		to:   []rcpt{{plain("user@virt.example"), ok}}, answer: withoutReference(vacation), of: sent("user@virt.example"),
		mailboxes: []string{"user@virt.example"}, reason: "valid-correspondent", action: "accept", header: "batv=pass reason=valid-correspondent method=correspondent",
	}, {
		name: "automatic reply that names no message, to a user who never wrote there", notSendmail: "a virtusertable has no keys with white space",
		to: []rcpt{{plain(`"first last"@virt.example`), ok}}, answer: withoutReference(vacation), of: neverSent("user@virt.example"),
		mailboxes: []string{`"first last"@virt.example`}, reason: "grace", action: "tag", wouldRefuse: "untagged",
		log: record{"cause": "allowance"}, header: "batv=neutral reason=grace would-be=untagged cause=allowance",
	}, {
		name: "bounce from mailer-daemon without a tag is marked",
		from: "MAILER-DAEMON@remote.example", to: []rcpt{{plain("user@virt.example"), ok}}, answer: newBounce, of: neverSent("user@virt.example"),
		mailboxes: []string{"user@virt.example"}, reason: "untagged", action: "tag", wouldRefuse: "untagged", header: "batv=fail reason=untagged",
	}, {
		name: "bounce from postmaster with a valid tag",
		from: "postmaster@remote.example", to: []rcpt{{valid("user@virt.example"), ok}}, answer: postfixDSN, of: sent("user@virt.example"),
		mailboxes: []string{"user@virt.example"}, reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "letter from postmaster",
		from: "postmaster@remote.example", to: []rcpt{{plain("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
	}, {
		name: "monitored domain says what is proven",
		to:   []rcpt{{plain("user@monitor.example"), ok}}, answer: readReceipt, of: sent("user@monitor.example"),
		mailboxes: []string{"user@monitor.example"}, reason: "valid-message", action: "accept", header: "batv=pass reason=valid-message",
	}, {
		name: "domain that refuses before the content is seen loses its receipts",
		to:   []rcpt{{plain("user@early.example"), ok}}, answer: readReceipt, of: sent("user@early.example"),
		data: replyNone, reason: "untagged", action: "reject",
	},
}

// withoutReference takes away what an answer says about the message it answers.
func withoutReference(write func(to, original string) message) func(to, original string) message {
	return func(to, original string) message {
		m := write(to, original)
		var kept []string
		for _, line := range strings.Split(m.text, "\n") {
			if !strings.HasPrefix(line, "In-Reply-To:") && !strings.HasPrefix(line, "References:") {
				kept = append(kept, line)
			}
		}
		m.text = strings.Join(kept, "\n")
		return m
	}
}

// testReports holds that what accepted bounces report is counted by class of status.
func (s *site) testReports(t *testing.T) {
	const name = "bouncefilter_reported_recipients_total"
	labels := []string{label("domain", "virt.example"), label("action", "failed"), label("class", "5")}
	before := s.daemon.metric(t, name, labels...)
	(&scenario{
		to: []rcpt{{valid("user@virt.example"), ok}}, answer: postfixDSN, of: sent("user@virt.example"),
		mailboxes: []string{"user@virt.example"}, reason: "valid", action: "accept", header: "reason=valid",
		log: record{"reporting_mta": "mx.remote.example", "reported_status": "5.1.1"},
	}).run(t, s)
	if n := s.daemon.metric(t, name, labels...) - before; n != 1 {
		t.Errorf("%v failed recipients of class 5 were counted", n)
	}
}
