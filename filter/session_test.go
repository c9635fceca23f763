package filter

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
)

func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

const (
	outsider      = "203.0.113.7"
	untagged      = "550 5.7.1 No tag: this bounce to an address without a tag answers no message sent from here"
	noSuchAddress = "550 5.7.1 No such address: the tag of the recipient is invalid"
	badTag        = "550 5.7.1 Invalid tag: this bounce to an invalid tag answers no message sent from here"
	forged        = "<prvs=1787000000=user@example.com>"
	// signedUser is user@example.com signed on the test day with key 1 "secret": a vector made by Exim.
	signedUser = "<prvs=178773a1ad=user@example.com>"
)

// outsideMTA is a connection that serves a client from outside.
func (f *fixture) outsideMTA() *mta {
	f.t.Helper()
	m := f.dial()
	m.connect(outsider, 40123)
	return m
}

// record puts a tag into the store as if it had been signed here, and lets the record be complete since long ago.
func (f *fixture) record(address string, expires time.Time) {
	f.t.Helper()
	err := f.store.Record(context.Background(), store.DayOf(testDay), "example.com", store.Record{
		Key: f.server.hasher.Tag(address, store.DayOf(expires), 1), Expires: store.DayOf(expires),
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func wantMods(t *testing.T, got []mod, want ...string) {
	t.Helper()
	var s []string
	for _, m := range got {
		s = append(s, strings.ReplaceAll(m.String(), "\x00", "."))
	}
	if strings.Join(s, "; ") != strings.Join(want, "; ") {
		t.Errorf("modifications:\n got %q\nwant %q", s, want)
	}
}

func TestOutboundMailIsSigned(t *testing.T) {
	for _, tt := range []struct {
		name   string
		origin func(*mta)
	}{
		{"authenticated client", func(m *mta) { m.auth = "user"; m.connect(outsider, 40123) }},
		{"client on loopback", func(m *mta) { m.connect("127.0.0.1", 40123) }},
		{"client on IPv6 loopback", func(m *mta) { m.connect("::1", 40123) }},
		{"the MTA's sendmail command", func(m *mta) { m.connect("127.0.0.1", 0) }},
		{"configured network", func(m *mta) { m.connect("192.0.2.5", 40123) }},
		{"configured daemon", func(m *mta) { m.daemon = "ORIGINATING"; m.connect(outsider, 40123) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, func(s *policy.Settings) {
				s.Outbound.Daemons = []string{"ORIGINATING"}
				s.Outbound.Networks = append(s.Outbound.Networks, mustPrefix("192.0.2.0/24"))
			})
			m := f.dial()
			tt.origin(m)
			stage, r := m.message("<user@example.com>", "<friend@example.org>")
			if stage != "end" || r.code != 'a' {
				t.Fatalf("%s: %c %s", stage, r.code, r.text)
			}
			wantMods(t, r.mods, "e "+signedUser)
			key := f.server.hasher.Tag("user@example.com", store.DayOf(testDay)+7, 1)
			a, err := f.store.Lookup(context.Background(), store.DayOf(testDay), store.AnyDay(key))
			if err != nil || !a.Found[0] {
				t.Errorf("the tag is not in the store: %v %v", a, err)
			}
			wantLog(t, f, "msg=outbound queue_id=4ZQUEUEID", "sender=<user@example.com> recipient=<friend@example.org> reason=signed action=sign tag_key=1")
		})
	}
}

func wantLog(t *testing.T, f *fixture, parts ...string) {
	t.Helper()
	log := f.log.String()
	for _, p := range parts {
		if !strings.Contains(log, p) {
			t.Errorf("log lacks %q:\n%s", p, log)
		}
	}
}

func TestMailIsNotSigned(t *testing.T) {
	for _, tt := range []struct {
		name, auth, from, to, reason string
	}{
		{"from outside", "", "<user@example.com>", "<friend@example.org>", ""},
		{"foreign domain", "user", "<user@example.org>", "<friend@example.org>", "foreign-domain"},
		{"tagged already", "user", signedUser, "<friend@example.org>", "already-tagged"},
		{"excluded sender", "user", "<news@example.com>", "<friend@example.org>", "excluded-sender"},
		{"recipient not to be tagged", "user", "<user@example.com>", "<list@lists.example.org>", "do-not-tag"},
		{"no room for a tag", "user", "<" + strings.Repeat("a", 49) + "@example.com>", "<friend@example.org>", "too-long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, func(s *policy.Settings) {
				s.DoNotTag = policy.DoNotTagLists{Recipients: []string{"@lists.example.org"}, Senders: []string{"news@example.com"}}
			})
			m := f.dial()
			m.auth = tt.auth
			m.connect(outsider, 40123)
			_, r := m.message(tt.from, tt.to)
			if r.code != 'a' || len(r.mods) != 0 {
				t.Fatalf("%c %s %v", r.code, r.text, r.mods)
			}
			if tt.reason != "" {
				level := "INFO"
				if tt.reason == "foreign-domain" {
					level = "DEBUG"
				}
				wantLog(t, f, "level="+level+" msg=outbound", "reason="+tt.reason+" action=none")
			} else if strings.Contains(f.log.String(), "msg=outbound") {
				t.Errorf("mail from outside counts as outbound:\n%s", f.log)
			}
			// Mail that leaves unsigned is answered untagged, which must not be refused.
			if tt.reason == "do-not-tag" || tt.reason == "excluded-sender" || tt.reason == "too-long" {
				out := f.outsideMTA()
				if _, r := out.message("<>", tt.from); r.code != 'a' {
					t.Errorf("bounce of mail left unsigned: %c %s", r.code, r.text)
				}
			}
		})
	}
}

func TestAuthorWithoutAuthenticationIsNoLogin(t *testing.T) {
	f := start(t, nil)
	m := f.dial()
	m.connect(outsider, 40123)
	m.event('M', "<user@example.com>\x00AUTH=user\x00", 0, milter.OptNoMailReply, "{auth_author}", "user")
	m.rcpt("<friend@example.org>")
	if r := m.data(); r.code != 'a' || len(r.mods) != 0 {
		t.Errorf("%c %v", r.code, r.mods)
	}
}

func TestBounces(t *testing.T) {
	sub := "<user+prvs=178773a1ad@example.com>"
	atRcpt := func(s *policy.Settings) { s.RefuseBadTagAtRcpt = true }
	for _, tt := range []struct {
		name   string
		change func(*policy.Settings)
		from   string // <> unless set
		to     []string
		at     time.Duration // after the test day
		stage  string
		code   byte
		text   string
		mods   []string
		log    string
	}{
		{name: "genuine bounce is delivered untagged", to: []string{signedUser}, stage: "end", code: 'a',
			mods: []string{"- " + signedUser, "+ <user@example.com>",
				"i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"},
			log: "reason=valid action=accept tag_key=1 tag_expires=2026-11-30"},
		{name: "case folded on the way", to: []string{"<PRVS=178773A1AD=USER@EXAMPLE.COM>"}, stage: "end", code: 'a',
			mods: []string{"- <PRVS=178773A1AD=USER@EXAMPLE.COM>", "+ <USER@EXAMPLE.COM>",
				"i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"},
			log: "reason=valid"},
		{name: "sub-address form", to: []string{sub}, stage: "end", code: 'a',
			mods: []string{"- " + sub, "+ <user@example.com>",
				"i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"},
			log: "reason=valid"},
		{name: "expanded after signing (XVERP) is looked up under its sender", to: []string{"<prvs=178773a1ad=user+bob=example.net@example.com>"}, stage: "end", code: 'a',
			mods: []string{"- <prvs=178773a1ad=user+bob=example.net@example.com>", "+ <user+bob=example.net@example.com>",
				"i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"},
			log: "reason=valid"},
		{name: "on the day of expiry", at: 7 * 24 * time.Hour, to: []string{signedUser}, stage: "end", code: 'a',
			mods: []string{"- " + signedUser, "+ <user@example.com>",
				"i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"},
			log: "reason=valid"},
		{name: "forged tag is refused at end of message", to: []string{forged}, stage: "end", code: 'y', text: badTag,
			log: "reason=bad-signature action=reject"},
		{name: "unknown key is refused at end of message", to: []string{"<prvs=578773a1ad=user@example.com>"}, stage: "end", code: 'y', text: badTag,
			log: "reason=unknown-key action=reject tag_key=5"},
		{name: "bad tag at RCPT if configured", change: atRcpt, to: []string{forged}, stage: "rcpt", code: 'y', text: badTag,
			log: "reason=bad-signature action=reject"},
		{name: "missing tag is refused at end of message", to: []string{"<user@example.com>"}, stage: "end", code: 'y', text: untagged,
			log: "reason=untagged action=reject"},
		{name: "missing tag at DATA if configured", change: func(s *policy.Settings) { s.Domains[0].RefuseUntaggedAtData = true },
			to: []string{"<user@example.com>"}, stage: "data", code: 'y', text: untagged, log: "reason=untagged action=reject"},
		{name: "expired tag is refused at end of message", at: 8 * 24 * time.Hour, to: []string{signedUser}, stage: "end", code: 'y',
			text: "550 5.7.1 Expired tag: this bounce to an expired tag comes too late", log: "reason=expired action=reject tag_key=1 tag_expires=2026-11-30"},
		{name: "malformed tag is refused at end of message", to: []string{"<prvs=367a5aa7f=user@example.com>"}, stage: "end", code: 'y',
			text: "550 5.7.1 Malformed tag: this bounce to a malformed tag answers no message sent from here", log: "reason=malformed action=reject"},
		{name: "other domain is not ours", to: []string{"<user@example.org>"}, stage: "data", code: 'a'},
		{name: "unqualified recipient is left to the MTA", to: []string{"<postmaster>"}, stage: "data", code: 'a'},
		{name: "postmaster is exempt", to: []string{"<postmaster@example.com>"}, stage: "end", code: 'a',
			mods: []string{"i .... X-Bouncefilter mx.example.com; batv=none reason=exempt would-be=untagged cause=listed"},
			log:  "reason=exempt action=accept would_be=untagged"},
		{name: "exempt client", change: func(s *policy.Settings) { s.Exempt.Networks = append(s.Exempt.Networks, mustPrefix("203.0.113.0/24")) },
			to: []string{forged}, stage: "end", code: 'a',
			mods: []string{"- " + forged, "+ <user@example.com>", "i .... X-Bouncefilter mx.example.com; batv=none reason=exempt would-be=bad-signature cause=listed"},
			log:  "reason=exempt action=accept would_be=bad-signature"},
		{name: "exempt HELO name", change: func(s *policy.Settings) { s.Exempt.Helo = []string{".example.net"} },
			to: []string{"<user@example.com>"}, stage: "end", code: 'a',
			mods: []string{"i .... X-Bouncefilter mx.example.com; batv=none reason=exempt would-be=untagged cause=listed"},
			log:  "reason=exempt"},
		{name: "monitor refuses nothing", change: func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeMonitor },
			to: []string{forged}, stage: "end", code: 'a',
			mods: []string{"- " + forged, "+ <user@example.com>", "i .... X-Bouncefilter mx.example.com; batv=fail reason=bad-signature cause=monitor-mode"},
			log:  "reason=bad-signature action=monitor"},
		{name: "auto monitors at first", change: func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeAuto },
			to: []string{"<user@example.com>"}, stage: "end", code: 'a',
			mods: []string{"i .... X-Bouncefilter mx.example.com; batv=neutral reason=grace would-be=untagged cause=new-domain"},
			log:  "reason=grace action=monitor would_be=untagged cause=new-domain"},
		{name: "no header if none is configured", change: func(s *policy.Settings) { s.HeaderName = "" },
			to: []string{signedUser}, stage: "end", code: 'a', mods: []string{"- " + signedUser, "+ <user@example.com>"}, log: "reason=valid"},
		{name: "action tag", change: func(s *policy.Settings) {
			s.Actions = map[policy.Reason]policy.Action{policy.Untagged: policy.ActionTag}
		},
			to: []string{"<user@example.com>"}, stage: "end", code: 'a',
			mods: []string{"i .... X-Bouncefilter mx.example.com; batv=fail reason=untagged"}, log: "reason=untagged action=tag"},
		{name: "action quarantine", change: func(s *policy.Settings) {
			s.Actions = map[policy.Reason]policy.Action{policy.Untagged: policy.ActionQuarantine}
		},
			to: []string{"<user@example.com>"}, stage: "end", code: 'a',
			mods: []string{"q bouncefilter: untagged", "i .... X-Bouncefilter mx.example.com; batv=fail reason=untagged"}, log: "reason=untagged action=quarantine"},
		{name: "action discard", change: func(s *policy.Settings) {
			s.Actions = map[policy.Reason]policy.Action{policy.Untagged: policy.ActionDiscard}
		},
			to: []string{"<user@example.com>"}, stage: "end", code: 'd', log: "reason=untagged action=discard"},
		{name: "action defer at RCPT", change: func(s *policy.Settings) {
			atRcpt(s)
			s.Actions = map[policy.Reason]policy.Action{policy.BadSignature: policy.ActionDefer}
		},
			to: []string{forged}, stage: "rcpt", code: 'y', text: "450 4.7.1 Invalid tag: this bounce to an invalid tag answers no message sent from here, try again later",
			log: "reason=bad-signature action=defer"},
		{name: "several recipients: bad tags are refused one by one if configured", change: atRcpt, to: []string{forged, signedUser}, stage: "end", code: 'a',
			mods: []string{"- " + signedUser, "+ <user@example.com>",
				"i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"},
			log: "reason=bad-signature action=reject"},
		{name: "several recipients: the unproven one is dropped", to: []string{"<other@example.com>", signedUser}, stage: "end", code: 'a',
			mods: []string{"- <other@example.com>", "- " + signedUser, "+ <user@example.com>",
				"i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"},
			log: "recipient=<other@example.com> reason=several-recipients action=discard would_be=untagged"},
		{name: "several recipients: refused as a whole if configured", change: func(s *policy.Settings) {
			s.Actions = map[policy.Reason]policy.Action{policy.SeveralRecipients: policy.ActionReject}
		},
			to: []string{"<other@example.com>", signedUser}, stage: "end", code: 'y',
			text: "550 5.7.1 Several recipients: this bounce has several and not all of them can be proven",
			log:  "reason=several-recipients action=reject"},
		{name: "several recipients, all bad", to: []string{"<other@example.com>", "<user@example.com>"}, stage: "end", code: 'y', text: untagged,
			log: "recipient=<other@example.com> recipients=2 reason=untagged action=reject"},
		{name: "ordinary mail is not judged", from: "<friend@example.org>", to: []string{"<user@example.com>"}, stage: "data", code: 'a'},
		{name: "ordinary mail to a tagged address is untagged", from: "<friend@example.org>", to: []string{"<user@example.com>", signedUser}, stage: "end", code: 'a',
			mods: []string{"- " + signedUser, "+ <user@example.com>"}, log: "msg=inbound"},
		{name: "ordinary mail to an expired tag is untagged", at: 100 * 24 * time.Hour, from: "<friend@example.org>", to: []string{signedUser}, stage: "end", code: 'a',
			mods: []string{"- " + signedUser, "+ <user@example.com>"}, log: "reason=untag"},
		{name: "ordinary mail to a forged tag is refused", from: "<friend@example.org>", to: []string{forged}, stage: "data", code: 'y', text: noSuchAddress,
			log: "msg=inbound queue_id=4ZQUEUEID client=203.0.113.7 sender=<friend@example.org> recipient=\"" + forged + "\" reason=invalid-tag action=reject"},
		{name: "ordinary mail to a forged tag, for all recipients", from: "<friend@example.org>", to: []string{signedUser, forged, "<other@example.com>"},
			stage: "data", code: 'y', text: noSuchAddress, log: "reason=invalid-tag action=reject"},
		{name: "ordinary mail to a forged tag, one by one if configured", change: atRcpt, from: "<friend@example.org>", to: []string{forged, "<other@example.com>"},
			stage: "data", code: 'a', log: "reason=invalid-tag action=reject"},
		{name: "ordinary mail to a forged tag, monitored", change: func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeMonitor },
			from: "<friend@example.org>", to: []string{forged}, stage: "end", code: 'a', log: "reason=invalid-tag action=monitor cause=monitor-mode"},
		{name: "ordinary mail from a mailer daemon to a forged tag", from: "<mailer-daemon@example.org>", to: []string{forged}, stage: "end", code: 'y',
			text: noSuchAddress, log: "reason=invalid-tag action=reject"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, tt.change)
			f.record("user@example.com", testDay.AddDate(0, 0, 7))
			f.setClock(testDay.Add(tt.at))
			m := f.outsideMTA()
			from := tt.from
			if from == "" {
				from = "<>"
			}
			stage, r := m.message(from, tt.to...)
			if stage != tt.stage || r.code != tt.code || r.text != tt.text {
				t.Errorf("at %s: %c %q, want at %s: %c %q", stage, r.code, r.text, tt.stage, tt.code, tt.text)
			}
			wantMods(t, r.mods, tt.mods...)
			if tt.log != "" {
				wantLog(t, f, tt.log)
			}
		})
	}
}

func TestOwnMailIsNeverRefused(t *testing.T) {
	f := start(t, nil)
	m := f.dial()
	m.connect("127.0.0.1", 0)
	for _, to := range []string{"<user@example.com>", forged} {
		if _, r := m.message("<>", to); r.code != 'a' {
			t.Errorf("bounce made by the own MTA to %s: %c %s", to, r.code, r.text)
		}
		m.abort()
	}
	wantLog(t, f, "client=local", "reason=exempt action=accept would_be=bad-signature")
}

func TestCalloutSees250(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.RefuseBadTagAtRcpt = true })
	m := f.outsideMTA()
	m.mail("<>")
	if r := m.rcpt("<user@example.com>"); r.code != 'c' {
		t.Errorf("RCPT of a callout: %c %s", r.code, r.text)
	}
	m.abort()
}

func TestRefusalSurvivesRepeatedCommands(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.Domains[0].RefuseUntaggedAtData = true })
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt("<user@example.com>")
	for _, again := range []string{"DATA", "DATA again", "RCPT and DATA"} {
		if again == "RCPT and DATA" {
			if r := m.rcpt("<user@example.com>"); !r.continues() {
				t.Fatalf("RCPT after DATA: %c", r.code)
			}
		}
		if r := m.data(); r.code != 'y' || r.text != untagged {
			t.Errorf("%s: %c %q", again, r.code, r.text)
		}
	}
	// The next message starts afresh.
	m.abort()
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	if stage, r := m.message("<>", signedUser); r.code != 'a' || stage != "end" {
		t.Errorf("next message: %s %c %s", stage, r.code, r.text)
	}
}

func TestRecipientParametersAreKept(t *testing.T) {
	f := start(t, nil)
	m := f.outsideMTA()
	m.mail("<>", "SIZE=100")
	m.rcpt(signedUser, "NOTIFY=FAILURE", "ORCPT=rfc822;user@example.com")
	m.data()
	wantMods(t, m.end().mods[:2], "- "+signedUser, "2 <user@example.com> NOTIFY=FAILURE ORCPT=rfc822;user@example.com")
}

func TestForgedCopiesOfTheHeaderAreRemoved(t *testing.T) {
	f := start(t, nil)
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt(signedUser)
	m.data()
	m.header("X-Bouncefilter", "mx.example.com; batv=pass")
	m.header("Subject", "failure")
	m.header("x-bounceFILTER", "mx.example.com; batv=pass")
	mods := m.end().mods
	wantMods(t, mods[1:3], "m .... X-Bouncefilter ", "m .... X-Bouncefilter ")
	if first, second := mods[1].args, mods[2].args; !strings.HasPrefix(mods[1].raw, "\x00\x00\x00\x02") || !strings.HasPrefix(mods[2].raw, "\x00\x00\x00\x01") {
		t.Errorf("copies are not removed last one first: %q %q", first, second)
	}
}

// The body has a reply, so that the MTA can be asked to send no more of it.
func TestRoundTrips(t *testing.T) {
	f := start(t, nil)
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	for _, tt := range []struct {
		name, auth, from, to string
		want                 int
	}{
		{"outbound", "user", "<user@example.com>", "<friend@example.org>", 4},
		{"genuine bounce", "", "<>", signedUser, 4},
		{"forged tag", "", "<>", forged, 4},
		{"missing tag", "", "<>", "<user@example.com>", 4},
		{"plain inbound", "", "<friend@example.org>", "<user@example.com>", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := f.dial()
			m.auth = tt.auth
			m.connect(outsider, 40123)
			m.message(tt.from, tt.to)
			if m.trips != tt.want {
				t.Errorf("%d round trips, want %d", m.trips, tt.want)
			}
		})
	}
}

// An MTA of 2005 knows neither CHGFROM nor the flags that save replies, and sends headers and body.
func TestOldMTA(t *testing.T) {
	f := start(t, nil)
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	dial := func() *mta {
		m := f.dialAs(2, 0x1f, 0x7f)
		m.connect(outsider, 40123)
		return m
	}
	m := dial()
	if _, r := m.message("<>", forged); r.text != badTag {
		t.Errorf("forged: %c %q", r.code, r.text)
	}
	m = dial()
	m.mail("<>")
	m.rcpt(signedUser)
	m.header("Subject", "failure")
	if r := m.end(); r.code != 'a' || len(r.mods) != 3 || r.mods[1].code != '+' {
		t.Errorf("genuine: %c %v", r.code, r.mods)
	}
	m = dial()
	m.auth = "user"
	m.mail("<user@example.com>")
	m.rcpt("<friend@example.org>")
	m.header("Subject", "hello")
	if r := m.end(); r.text != "450 4.7.1 Cannot sign: the sender must be signed and cannot be now, try again later" {
		t.Errorf("outbound mail that cannot be signed: %c %q", r.code, r.text)
	}
}

func TestManyRecipients(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.RefuseBadTagAtRcpt = true })
	m := f.outsideMTA()
	m.mail("<>")
	deferred := 0
	for i := range 10_000 {
		r := m.rcpt(fmt.Sprintf("<user%d@example.com>", i))
		switch {
		case i < maxBounceRecipients && r.code != 'c':
			t.Fatalf("recipient %d: %c %s", i, r.code, r.text)
		case i >= maxBounceRecipients && !strings.HasPrefix(r.text, "452 4.5.3 "):
			t.Fatalf("recipient %d: %c %s", i, r.code, r.text)
		case i >= maxBounceRecipients:
			deferred++
		}
	}
	m.data()
	if r := m.content(namelessBounce); r.text != untagged {
		t.Errorf("%c %s", r.code, r.text)
	}
	if got := strings.Count(f.log.String(), "msg=bounce"); got != 1 {
		t.Errorf("%d log lines for recipients that were treated alike", got)
	}
	m = f.dial()
	m.auth = "user"
	m.connect(outsider, 40123)
	to := make([]string, 10_000)
	for i := range to {
		to[i] = fmt.Sprintf("<friend%d@example.org>", i)
	}
	_, r := m.message("<user@example.com>", to...)
	wantMods(t, r.mods, "e "+signedUser)
}

func TestLongAddressIsCutInTheLog(t *testing.T) {
	f := start(t, nil)
	m := f.outsideMTA()
	m.mail("<>")
	if r := m.rcpt("<" + strings.Repeat("a", 64<<10) + "@example.com>"); !r.continues() {
		t.Errorf("RCPT: %c %s", r.code, r.text)
	}
	m.rcpt("<" + strings.Repeat("\x1b[31m\n", 100) + "user@example.com>")
	m.data()
	m.end()
	for _, line := range strings.Split(f.log.String(), "\n") {
		if len(line) > 2000 || strings.ContainsRune(line, '\x1b') {
			t.Errorf("log line of %d octets: %.200q", len(line), line)
		}
	}
}
