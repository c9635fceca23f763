package filter

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// testClock does not move from the test day.
func testClock() time.Time { return testDay }

// startRole runs a server with the test settings, whose only listener has a role.
func startRole(t *testing.T, role policy.Role, change func(*policy.Settings)) *fixture {
	t.Helper()
	f := startAs(t, role, memory.NewWithClock(testClock), change, nil)
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	return f
}

// Each row is a message, and what becomes of it at a listener of each role.
func TestRoles(t *testing.T) {
	const header = "i .... X-Bouncefilter mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30"
	type outcome struct {
		stage string
		code  byte
		text  string
		mods  []string
		log   string // "" if there is no line
	}
	// What is none of a listener's business: it says so as early as the MTA waits for an answer, and changes nothing.
	passedAtEnd := outcome{stage: "end", code: 'a'}
	passedAtData := outcome{stage: "data", code: 'a'}
	signed := outcome{stage: "end", code: 'a', mods: []string{"e " + signedUser}, log: "msg=outbound queue_id=4ZQUEUEID client=203.0.113.7 sender=<user@example.com> recipient=<friend@example.org> reason=signed action=sign"}
	for _, tt := range []struct {
		name               string
		auth, client       string
		from, to           string
		both, sign, verify outcome
	}{
		{name: "mail of a client that logged in", auth: "user", from: "<user@example.com>", to: "<friend@example.org>",
			both: signed, sign: signed,
			verify: outcome{stage: "data", code: 'a', log: "msg=outbound queue_id=4ZQUEUEID client=203.0.113.7 sender=<user@example.com> recipient=<friend@example.org> reason=verify-only action=none"}},
		{name: "mail of a client that logged in to a tagged address of ours", auth: "user", from: "<user@example.com>", to: signedUser,
			both:   outcome{stage: "end", code: 'a', mods: []string{"- " + signedUser, "+ <user@example.com>", "e " + signedUser}, log: "reason=signed"},
			sign:   outcome{stage: "end", code: 'a', mods: []string{"e " + signedUser}, log: "reason=signed"},
			verify: outcome{stage: "end", code: 'a', mods: []string{"- " + signedUser, "+ <user@example.com>"}, log: "reason=verify-only"}},
		{name: "mail of a client that logged in with a foreign sender", auth: "user", from: "<user@example.org>", to: "<friend@example.org>",
			both: outcome{stage: "end", code: 'a', log: "reason=foreign-domain action=none"}, sign: outcome{stage: "end", code: 'a', log: "reason=foreign-domain action=none"},
			verify: passedAtData},
		{name: "mail from outside", from: "<friend@example.org>", to: "<user@example.com>",
			both: passedAtData, sign: passedAtEnd, verify: passedAtData},
		{name: "mail from outside that claims to be ours", from: "<user@example.com>", to: "<user@example.com>",
			both: passedAtData, sign: passedAtEnd, verify: passedAtData},
		{name: "mail from outside to a tagged address", from: "<friend@example.org>", to: signedUser,
			both:   outcome{stage: "end", code: 'a', mods: []string{"- " + signedUser, "+ <user@example.com>"}, log: "reason=untag action=accept"},
			sign:   passedAtEnd,
			verify: outcome{stage: "end", code: 'a', mods: []string{"- " + signedUser, "+ <user@example.com>"}, log: "reason=untag action=accept"}},
		{name: "genuine bounce", from: "<>", to: signedUser,
			both:   outcome{stage: "end", code: 'a', mods: []string{"- " + signedUser, "+ <user@example.com>", header}, log: "reason=valid action=accept"},
			sign:   passedAtEnd,
			verify: outcome{stage: "end", code: 'a', mods: []string{"- " + signedUser, "+ <user@example.com>", header}, log: "reason=valid action=accept"}},
		{name: "forged bounce", from: "<>", to: forged,
			both: outcome{stage: "end", code: 'y', text: badTag, log: "reason=bad-signature action=reject"},
			sign: passedAtEnd, verify: outcome{stage: "end", code: 'y', text: badTag, log: "reason=bad-signature action=reject"}},
		{name: "bounce without a tag", from: "<>", to: "<user@example.com>",
			both: outcome{stage: "end", code: 'y', text: untagged, log: "reason=untagged action=reject"},
			sign: passedAtEnd, verify: outcome{stage: "end", code: 'y', text: untagged, log: "reason=untagged action=reject"}},
		{name: "forged bounce of our own networks is exempt", client: "127.0.0.1", from: "<>", to: forged,
			both: outcome{stage: "end", code: 'a', mods: []string{"- " + forged, "+ <user@example.com>", "i .... X-Bouncefilter mx.example.com; batv=none reason=exempt would-be=bad-signature cause=own-mail"}, log: "reason=exempt action=accept would_be=bad-signature"},
			sign: passedAtEnd, verify: outcome{stage: "end", code: 'a', mods: []string{"- " + forged, "+ <user@example.com>", "i .... X-Bouncefilter mx.example.com; batv=none reason=exempt would-be=bad-signature cause=own-mail"}, log: "reason=exempt action=accept would_be=bad-signature"}},
		{name: "read receipt of a client that logged in", auth: "user", from: "<>", to: "<friend@example.org>",
			both: passedAtData, sign: passedAtEnd, verify: passedAtData},
	} {
		for role, want := range map[policy.Role]outcome{policy.RoleBoth: tt.both, policy.RoleSign: tt.sign, policy.RoleVerify: tt.verify} {
			t.Run(tt.name+"/"+role.String(), func(t *testing.T) {
				f := startRole(t, role, nil)
				m := f.dial()
				m.auth = tt.auth
				client := tt.client
				if client == "" {
					client = outsider
				}
				m.connect(client, 40123)
				stage, r := m.message(tt.from, tt.to)
				if stage != want.stage || r.code != want.code || r.text != want.text {
					t.Errorf("at %s: %c %q, want at %s: %c %q", stage, r.code, r.text, want.stage, want.code, want.text)
				}
				wantMods(t, r.mods, want.mods...)
				if want.log != "" {
					wantLog(t, f, want.log)
				} else if log := f.log.String(); strings.Contains(log, "reason=") {
					t.Errorf("it is none of this listener's business, and logged:\n%s", log)
				}
			})
		}
	}
}

// What goes out through a listener that signs is on record, and what a listener that only verifies lets out is not.
func TestRolesAndTheRecord(t *testing.T) {
	for role, recorded := range map[policy.Role]bool{policy.RoleBoth: true, policy.RoleSign: true, policy.RoleVerify: false} {
		f := startAs(t, role, memory.NewWithClock(testClock), func(s *policy.Settings) { s.AddMessageID = true }, nil)
		m := f.dial()
		m.auth = "user"
		m.connect(outsider, 40123)
		m.mail("<user@example.com>")
		m.rcpt("<friend@example.org>")
		m.data()
		m.header("Message-ID", "<letter@example.com>")
		if role == policy.RoleVerify {
			m.abort()
		} else if r := m.end(); r.code != 'a' {
			t.Fatalf("%s: %c %s", role, r.code, r.text)
		}
		today := store.DayOf(testDay)
		h := f.server.hasher
		a, err := f.store.Lookup(context.Background(), today, store.AnyDay(h.Tag("user@example.com", today+7, 1),
			h.Message("user@example.com", "letter@example.com"), h.Correspondent("user@example.com", "example.org")))
		if err != nil {
			t.Fatal(err)
		}
		for i, what := range []string{"tag", "Message-ID", "correspondent"} {
			if a.Found[i] != recorded {
				t.Errorf("%s: the %s is on record: %v, want %v", role, what, a.Found[i], recorded)
			}
		}
	}
}

// A listener that signs adds the Message-ID that a message lacks.
func TestSigningListenerAddsTheMessageID(t *testing.T) {
	f := startRole(t, policy.RoleSign, func(s *policy.Settings) { s.AddMessageID = true })
	m := f.dial()
	m.auth = "user"
	m.connect(outsider, 40123)
	m.mail("<user@example.com>")
	m.rcpt("<friend@example.org>")
	mods := m.end().mods
	if len(mods) != 2 || mods[0].code != 'h' || mods[0].args[0] != "Message-ID" || mods[1].code != 'e' {
		t.Errorf("modifications: %v", mods)
	}
}

// The MTA is asked for what the role uses and for nothing else.
func TestRolesNegotiate(t *testing.T) {
	const untagging = milter.OptAddRcpt | milter.OptRemoveRcpt | milter.OptAddRcptWithArgs
	for _, tt := range []struct {
		role       policy.Role
		actions    milter.OptAction
		answered   bool // DATA; RCPT nowhere
		body       bool
		outbound   int // round trips of a message that is signed, or would be
		bounce     int // of a genuine bounce
		inbound    int // of plain inbound mail
		poorMetric uint64
	}{
		{policy.RoleBoth, milter.OptSetMacros | milter.OptChangeFrom | milter.OptAddHeader | milter.OptChangeHeader | untagging, true, true, 4, 4, 2, 1},
		{policy.RoleSign, milter.OptSetMacros | milter.OptChangeFrom | milter.OptAddHeader | milter.OptChangeHeader, false, false, 2, 2, 2, 1},
		{policy.RoleVerify, milter.OptSetMacros | milter.OptAddHeader | milter.OptChangeHeader | untagging, true, true, 2, 4, 2, 0},
	} {
		t.Run(tt.role.String(), func(t *testing.T) {
			f := startRole(t, tt.role, func(s *policy.Settings) { s.AddMessageID = true })
			m := f.dial()
			if m.actions != tt.actions {
				t.Errorf("actions %b, want %b", m.actions, tt.actions)
			}
			if answered := m.protocol&milter.OptNoData == 0; answered != tt.answered {
				t.Errorf("DATA is answered: %v", answered)
			}
			if m.protocol&milter.OptNoRcptReply == 0 {
				t.Error("RCPT is answered")
			}
			if body := m.protocol&milter.OptNoBody == 0; body != tt.body {
				t.Errorf("the body is asked for: %v", body)
			}
			for _, mail := range []struct {
				auth, from, to string
				trips          int
			}{
				{"user", "<user@example.com>", "<friend@example.org>", tt.outbound},
				{"", "<>", signedUser, tt.bounce},
				{"", "<friend@example.org>", "<user@example.com>", tt.inbound},
			} {
				m := f.dial()
				m.auth = mail.auth
				m.connect(outsider, 40123)
				m.message(mail.from, mail.to)
				if m.trips != mail.trips {
					t.Errorf("%s to %s: %d round trips, want %d", mail.from, mail.to, m.trips, mail.trips)
				}
			}
			// An MTA that lets no milter change the sender is poor only where there is something to sign.
			f.dialAs(6, allActions&^milter.OptChangeFrom, allProtocol)
			if n := f.server.stats.poorMTA.Load(); n != tt.poorMetric {
				t.Errorf("%d connections counted that cannot sign, want %d", n, tt.poorMetric)
			}
		})
	}
}

// An MTA that cannot leave out what is not needed sends it, and is answered.
func TestSigningListenerWithAnOldMTA(t *testing.T) {
	f := startRole(t, policy.RoleSign, nil)
	m := f.dialAs(6, allActions, 0x7f)
	m.auth = "user"
	m.connect(outsider, 40123)
	for _, tt := range []struct {
		from, to, stage string
		mods            []string
	}{
		{"<user@example.com>", "<friend@example.org>", "end", []string{"e " + signedUser}},
		{"<>", forged, "data", nil},
	} {
		stage, r := m.message(tt.from, tt.to)
		if stage != tt.stage || r.code != 'a' {
			t.Errorf("%s: at %s: %c %q", tt.from, stage, r.code, r.text)
		}
		wantMods(t, r.mods, tt.mods...)
	}
}

// A fault at RCPT, to which a listener that signs has no reply, reaches the MTA at the end.
func TestFaultWhereThereIsNoReply(t *testing.T) {
	f := startRole(t, policy.RoleSign, nil)
	m := f.dial()
	m.auth = "user"
	m.connect(outsider, 40123)
	m.rcpt("<friend@example.org>") // without MAIL
	if r := m.end(); !strings.HasPrefix(r.text, "450 ") {
		t.Errorf("%c %q", r.code, r.text)
	}
}

func TestParseRole(t *testing.T) {
	for _, r := range []policy.Role{policy.RoleBoth, policy.RoleSign, policy.RoleVerify} {
		if got, err := policy.ParseRole(r.String()); err != nil || got != r {
			t.Errorf("%s: %v, %v", r, got, err)
		}
	}
	if _, err := policy.ParseRole("signing"); err == nil {
		t.Error("an unknown role was accepted")
	}
}
