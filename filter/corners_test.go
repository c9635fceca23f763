package filter

import (
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// What MTAs and clients do beside the straight path.

func TestAddressesInOtherWords(t *testing.T) {
	valid := "i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"
	for _, tt := range []struct {
		name     string
		raw, mta string // RCPT TO, and what the MTA understood
		mods     []string
	}{
		{"source route", "<@relay.example.net,@b.example.net:prvs=178773a1ad=user@example.com>", "prvs=178773a1ad=user@example.com",
			[]string{"- <prvs=178773a1ad=user@example.com>", "+ <user@example.com>", valid}},
		{"trailing dot", "<prvs=178773a1ad=user@example.com.>", "prvs=178773a1ad=user@example.com",
			[]string{"- <prvs=178773a1ad=user@example.com.>", "- <prvs=178773a1ad=user@example.com>", "+ <user@example.com>", valid}},
		{"comment", "<prvs=178773a1ad=user(comment)@example.com>", "prvs=178773a1ad=user@example.com",
			[]string{"- <prvs=178773a1ad=user(comment)@example.com>", "- <prvs=178773a1ad=user@example.com>", "+ <user@example.com>", valid}},
		{"unqualified", "<prvs=178773a1ad=user>", "prvs=178773a1ad=user@example.com",
			[]string{"- <prvs=178773a1ad=user>", "- <prvs=178773a1ad=user@example.com>", "+ <user@example.com>", valid}},
		{"the MTA's name for a local mailbox is not touched", signedUser, "prvs=178773a1ad=user",
			[]string{"- " + signedUser, "+ <user@example.com>", valid}},
		{"a recipient whose tag the MTA has removed stays as it is", signedUser, "user", []string{valid}},
		{"a recipient whose tag the MTA has removed, with another name behind it", signedUser, "colleague+sorted", []string{valid}},
		{"a recipient that the MTA says nothing about", signedUser, "", []string{"- " + signedUser, "+ <user@example.com>", valid}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, nil)
			f.record("user@example.com", testDay.AddDate(0, 0, 7))
			m := f.outsideMTA()
			m.mail("<>")
			m.event('R', tt.raw+"\x00", 0, milter.OptNoRcptReply, "{rcpt_addr}", tt.mta)
			m.data()
			wantMods(t, m.end().mods, tt.mods...)
		})
	}
	for _, from := range []string{"<user@example.com.>", "<user(comment)@example.com>", "<user>", "<@relay.example.net:user@example.com>"} {
		f := start(t, nil)
		m := f.dial()
		m.auth = "user"
		m.connect(outsider, 40123)
		m.event('M', from+"\x00", 0, milter.OptNoMailReply, "{auth_authen}", "user", "{mail_addr}", "user@example.com")
		m.rcpt("<friend@example.org>")
		m.data()
		t.Run(from, func(t *testing.T) { wantMods(t, m.end().mods, "e "+signedUser) })
	}
	f := start(t, nil)
	if _, r := f.outsideMTA().message("<>", "<user@example.com.>"); r.text != untagged {
		t.Errorf("backscatter to a domain with a trailing dot: %c %s", r.code, r.text)
	}
}

// A message to a tag and to a plain address that leads to the same mailbox reaches that mailbox once. Postfix has two recipients, Sendmail
// has one, which must stay.
func TestATagAndItsOwnPlainAddress(t *testing.T) {
	const (
		valid = "i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"
		other = "i .... X-Bouncefilter mx.example.com; batv=none reason=no-bounce"

		letter = "From: shop@example.net\nTo: user@example.com\nSubject: Your order\n\nThank you.\n"
	)
	type to struct{ raw, mta string }
	postfixTag, sendmailTag := to{signedUser, "prvs=178773a1ad=user@example.com"}, to{signedUser, "user"}
	postfix, sendmail := to{"<user@example.com>", "user@example.com"}, to{"<user@example.com>", "user"}
	for _, tt := range []struct {
		name string
		text string
		to   []to
		mods []string
	}{
		{"Postfix", namelessBounce, []to{postfixTag, postfix}, []string{"- " + signedUser, "- <user@example.com>", "+ <user@example.com>", valid}},
		{"Postfix, plain address first", namelessBounce, []to{postfix, postfixTag}, []string{"- <user@example.com>", "- " + signedUser, "+ <user@example.com>", valid}},
		{"Postfix, no bounce", letter, []to{postfixTag, postfix}, []string{"- " + signedUser, valid}},
		{"Postfix, no bounce, plain address first", letter, []to{postfix, postfixTag}, []string{"- " + signedUser, other}},
		{"Sendmail", namelessBounce, []to{sendmailTag, sendmail}, []string{valid}},
		{"Sendmail, plain address first", namelessBounce, []to{sendmail, sendmailTag}, []string{valid}},
		{"Sendmail, no bounce", letter, []to{sendmail, sendmailTag}, []string{other}},
		{"Sendmail, whose table leads both to one mailbox", namelessBounce, []to{{signedUser, "mailbox"}, {"<other@example.com>", "mailbox"}}, []string{valid}},
		{"Sendmail, another mailbox", namelessBounce, []to{sendmailTag, {"<other@example.com>", "other"}}, []string{"- <other@example.com>", valid}},
		{"Sendmail says nothing about the plain one", namelessBounce, []to{sendmailTag, {"<User@example.com>", ""}}, []string{valid}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, nil)
			f.record("user@example.com", testDay.AddDate(0, 0, 7))
			m := f.outsideMTA()
			m.mail("<>")
			for _, to := range tt.to {
				m.event('R', to.raw+"\x00", 0, milter.OptNoRcptReply, "{rcpt_addr}", to.mta)
			}
			m.data()
			wantMods(t, m.content(tt.text).mods, tt.mods...)
		})
	}
}

func TestSendmailCommand(t *testing.T) {
	for name, connect := range map[string]string{
		"Postfix":            "localhost\x004\x00\x00127.0.0.1\x00",
		"Sendmail -bs":       "localhost\x00U",
		"client on a socket": "localhost\x00L\x00\x00/run/s\x00",
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil)
			m := f.dial()
			m.event('C', connect, 0, milter.OptNoConnReply)
			_, r := m.message("<user@example.com>", "<friend@example.org>")
			wantMods(t, r.mods, "e "+signedUser)
		})
		t.Run(name+", own bounce where it is not signed", func(t *testing.T) {
			f := start(t, func(s *policy.Settings) { s.Outbound = policy.Outbound{} })
			m := f.dial()
			m.event('C', connect, 0, milter.OptNoConnReply)
			if _, r := m.message("<>", "<user@example.com>"); r.code != 'a' {
				t.Errorf("%c %s", r.code, r.text)
			}
		})
	}
	f := start(t, nil)
	m := f.dial()
	m.event('C', "unknown\x00U", 0, milter.OptNoConnReply)
	if _, r := m.message("<user@example.com>", "<friend@example.org>"); len(r.mods) != 0 {
		t.Errorf("a client that is just unknown is signed: %v", r.mods)
	}
}

// Mail that a list kept from being signed is answered untagged, also when the list has changed since, and also with the
// recipient expanded into the sender (VERP).
func TestMailLeftUnsignedIsRecorded(t *testing.T) {
	f := start(t, func(s *policy.Settings) {
		s.DoNotTag = policy.DoNotTagLists{Recipients: []string{"@lists.example.org"}, Senders: []string{"news@example.com"}}
	})
	for from, to := range map[string]string{"<user@example.com>": "<list@lists.example.org>", "<news@example.com>": "<friend@example.org>"} {
		m := f.dial()
		m.auth = "user"
		m.connect(outsider, 40123)
		if _, r := m.message(from, to); r.code != 'a' || len(r.mods) != 0 {
			t.Fatalf("%s: %c %v", from, r.code, r.mods)
		}
	}
	f.server.Reload(testPolicy(t, func(s *policy.Settings) { s.RefuseBadTagAtRcpt = true }))
	for to, want := range map[string]byte{
		"<user@example.com>":                     'a',
		"<user+bob=example.net@example.com>":     'a',
		"<user+x+bob=example.net@example.com>":   'a',
		"<news@example.com>":                     'a',
		"<news+list=example.net@example.com>":    'a',
		"<other@example.com>":                    'y',
		"<other+user=example.net@example.com>":   'y',
		"<other+user+x@example.com>":             'y',
		"<prvs=1787000000=user@example.com>":     'y',
		"<prvs=1787000000=user+bob@example.com>": 'y',
	} {
		if _, r := f.outsideMTA().message("<>", to); r.code != want {
			t.Errorf("bounce to %s: %c %s", to, r.code, r.text)
		}
	}
}

func TestADeferredRecipientDefersTheMessage(t *testing.T) {
	f := start(t, func(s *policy.Settings) {
		s.Actions = map[policy.Reason]policy.Action{policy.Untagged: policy.ActionDefer}
	})
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	_, r := f.outsideMTA().message("<>", signedUser, "<other@example.com>")
	if !strings.HasPrefix(r.text, "450 4.7.1 ") || len(r.mods) != 0 {
		t.Errorf("%c %s %v", r.code, r.text, r.mods)
	}
}

func TestRecipientsWithoutReply(t *testing.T) {
	f := start(t, nil)
	m := f.outsideMTA()
	m.mail("<>")
	for range maxBounceRecipients + 1 {
		m.rcpt("<user@example.com>")
	}
	if r := m.data(); !strings.HasPrefix(r.text, "452 4.5.3 ") {
		t.Errorf("too many recipients: %c %s", r.code, r.text)
	}
	// The policy may change, what was negotiated may not.
	m = f.outsideMTA()
	f.server.Reload(testPolicy(t, func(s *policy.Settings) { s.RefuseBadTagAtRcpt = true }))
	if stage, r := m.message("<>", forged); stage != "data" || r.text != badTag {
		t.Errorf("at %s: %c %s", stage, r.code, r.text)
	}
	m = f.outsideMTA()
	if stage, r := m.message("<>", forged); stage != "rcpt" || r.text != badTag {
		t.Errorf("next connection, at %s: %c %s", stage, r.code, r.text)
	}
}

func TestMTAThatLetsNoMilterChangeRecipients(t *testing.T) {
	f := start(t, nil)
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	m := f.dialAs(6, milter.OptAddHeader|milter.OptChangeFrom, allProtocol)
	m.connect(outsider, 40123)
	stage, r := m.message("<>", signedUser, "<other@example.com>")
	if stage != "end" || r.code != 'a' {
		t.Fatalf("%s: %c %s", stage, r.code, r.text)
	}
	wantMods(t, r.mods, "i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30")
}

func TestARepeatedCommandIsCountedOnce(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.Domains[0].RefuseUntaggedAtData = true })
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt("<user@example.com>")
	m.data()
	m.data()
	m.rcpt("<other@example.com>")
	m.data()
	if n := strings.Count(f.log.String(), "reason=untagged"); n != 2 {
		t.Errorf("%d lines for 2 recipients:\n%s", n, f.log)
	}
}

func TestShutdownDoesNotWaitForRefusedMessages(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.Domains[0].RefuseUntaggedAtData = true })
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt("<user@example.com>")
	m.data()
	ctx, cancel := timeout(2 * time.Minute)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestShutdownWaitsForAMessageThatGoesOn(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.Domains[0].RefuseUntaggedAtData = true })
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt("<postmaster@example.com>")
	m.data()
	m.rcpt(signedUser) // the library aborts the message for itself
	done := make(chan error, 1)
	go func() {
		ctx, cancel := timeout(2 * time.Minute)
		defer cancel()
		done <- f.server.Shutdown(ctx)
	}()
	m.data()
	if r := m.end(); r.code != 'a' {
		t.Errorf("%c %s", r.code, r.text)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A fault of the program outside of the callbacks is counted and logged.
func TestPanicOfAConnection(t *testing.T) {
	f := start(t, nil)
	(&session{server: f.server}).Panicked("fault")
	if n := f.server.stats.panics.Load(); n != 1 {
		t.Errorf("%d panics", n)
	}
	wantLog(t, f, `msg="the connection of an MTA failed, it is to try again" panic=fault`)
}
