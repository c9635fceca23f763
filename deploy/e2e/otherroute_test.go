package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store/redistest"
)

// skipPair keeps mail of one sender to one destination from being signed.
const skipPair = `
[[skip]]
senders = ["other@virt.example"]
recipients = ["@partner.example"]
`

// TestSplitPaths sends mail of a sender to a destination that must not see a tag, and gets the bounces of mail that another server has
// sent in a user's name.
func TestSplitPaths(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{redis: true, config: skipPair})
	t.Run("skip pair", s.testSkipPair)
	s.restart(t, s.age(t, "virt.example", 3))
	t.Run("another route", s.testOtherRoute)
}

func (s *site) testSkipPair(t *testing.T) {
	logged := s.daemon.process.out.len()
	for _, row := range []struct {
		from, to string
		signed   bool
	}{
		{"other@virt.example", "friend@remote.example", true},
		{"user@virt.example", "desk@partner.example", true},
		{"other@virt.example", "desk@partner.example", false},
	} {
		if d := s.send(t, row.from, row.to); row.signed && !isSigned(d.sender, row.from) || !row.signed && d.sender != row.from {
			t.Errorf("%s sees <%s>", row.to, d.sender)
		}
	}
	s.daemon.awaitRecord(t, logged, record{"msg": "outbound", "sender": "<other@virt.example>", "recipient": "<desk@partner.example>", "reason": "do-not-tag", "action": "none"})
	t.Run("untagged bounce to the sender of the pair is delivered", (&scenario{
		to: []rcpt{{plain("other@virt.example"), ok}}, mailboxes: []string{"other@virt.example"},
		reason: "exempt", action: "accept", header: "batv=none reason=exempt",
	}).test(s))
	t.Run("untagged bounce to another sender is refused", (&scenario{
		to: []rcpt{{plain("user@virt.example"), ok}}, end: replyNone, reason: "untagged", action: "reject",
	}).test(s))
}

// age lets the record of a site reach back for so many days, once it is restarted.
func (s *site) age(t *testing.T, domain string, days int) func() {
	return func() {
		then := time.Now().AddDate(0, 0, -days)
		for _, field := range []struct{ key, name, value string }{
			{"bouncefilter:state", "start", fmt.Sprint(then.UnixMilli())},
			{"bouncefilter:domains", "first:" + domain, fmt.Sprint(then.Unix() / 86400)},
		} {
			value := redistest.Sign(t, filepath.Join(s.state(), "hash.secret"), field.key, field.name, field.value)
			if added := strings.TrimSpace(s.redis.cli(t, "hset", field.key, field.name, value)); added != "0" {
				t.Fatalf("%s had no %s: the store has another layout", field.key, field.name)
			}
		}
		forget(t, s.state())
	}
}

func (s *site) testOtherRoute(t *testing.T) {
	const warning = "this sender seems to send through another route"
	bounce := func(i int, source string) *scenario {
		return &scenario{to: []rcpt{{plain("user@virt.example"), ok}}, end: replyNone, reason: "untagged", action: "reject",
			of:     func(*testing.T, *site) string { return "" },
			answer: func(to, _ string) message { return bounceOfOthers(to, i, source) }}
	}
	logged := s.daemon.process.out.len()
	for i := range 6 {
		t.Run("forgeries come from many hosts", bounce(i, fmt.Sprintf("198.18.%d.5", i)).test(s))
	}
	for i := range 5 {
		for _, r := range s.daemon.records(logged) {
			if r["msg"] == warning {
				t.Fatalf("logged before bounce %d: %v", i, r)
			}
		}
		t.Run("mail of another server comes from that one", bounce(i, "203.0.113.5").test(s))
	}
	want := record{"level": "WARN", "msg": warning, "sender": "<user@virt.example>", "source": "203.0.113.0/24", "count": "5"}
	if r := s.daemon.awaitRecord(t, logged, want); !strings.Contains(r["remedy"], `list "user@virt.example" in exempt.recipients`) || r["since"] == "" {
		t.Errorf("the log says %v", r)
	}
	if n := s.daemon.metric(t, "bouncefilter_other_routes"); n != 1 {
		t.Errorf("%v routes are counted", n)
	}
	finding := func() string { return s.daemon.finding(t, "other-route") }
	if got := finding(); got != "warning sender user@virt.example" {
		t.Errorf("check says %q", got)
	}

	s.daemon.write(t, s.daemon.read(t)+"\n[exempt]\nrecipients = [\"postmaster\", \"abuse\", \"user@virt.example\"]\n")
	s.daemon.reload(t, record{"msg": "configuration loaded"}, 1)
	exempt := bounce(7, "203.0.113.5")
	exempt.end, exempt.mailboxes, exempt.header = "", []string{"user@virt.example"}, "batv=none reason=exempt would-be=untagged"
	exempt.reason, exempt.action, exempt.wouldRefuse = "exempt", "accept", "untagged"
	t.Run("the remedy lets them in", exempt.test(s))
	if got := finding(); got != "" {
		t.Errorf("check still says %q", got)
	}
}

// finding returns the level and place of the first finding of check with a name, about the daemon and not the mail server; "" for none.
func (d *daemon) finding(t *testing.T, name string) string {
	t.Helper()
	out, _ := d.run(t, "check", "--config", d.config, "--mta", "none", "--json")
	var r struct {
		Findings []struct{ Name, Level, Where string }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, f := range r.Findings {
		if f.Name == name {
			return f.Level + " " + f.Where
		}
	}
	return ""
}

// bounceOfOthers is a DSN about mail that a server with this address has sent in the name of the recipient, some hours ago.
func bounceOfOthers(to string, i int, source string) message {
	return newMessage("MAILER-DAEMON@mx.remote.example (Mail Delivery System)", to).rewrite("Undelivered Mail Returned to Sender",
		[]string{"Auto-Submitted: auto-replied", "MIME-Version: 1.0", `Content-Type: multipart/report; report-type=delivery-status; boundary="part"`},
		fmt.Sprintf(`--part
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx%[1]d.remote.example. Your message could not be delivered.

--part
Content-Type: message/delivery-status

Reporting-MTA: dns; mx%[1]d.remote.example
Arrival-Date: %[2]s

Final-Recipient: rfc822; nobody@remote%[1]d.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 unknown user

--part
Content-Type: text/rfc822-headers

Received: from news.shop.example (news.shop.example [%[3]s])
	by mx%[1]d.remote.example (Postfix) with ESMTPS id 4BXyzT3Wq1zKk
Message-ID: <news.%[1]d@shop.example>
From: %[4]s
To: nobody@remote%[1]d.example
Subject: news

--part--
`, i, time.Now().Add(-time.Duration(i)*time.Hour).UTC().Format(time.RFC1123Z), source, to))
}
