package filter

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// oneMailbox is a site in whose domains user@... is one mailbox, with "-" and "+" before extensions.
func oneMailbox(t *testing.T) func(*policy.Settings) {
	return func(s *policy.Settings) {
		s.Domains = []policy.Domain{{Name: "exämple.com", Aliases: []string{"alias.example"}, Mode: policy.ModeEnforce}, {Name: "other.example", Mode: policy.ModeEnforce}}
		o := s.Keys.Options()
		o.Delimiters = "+-"
		ring, err := prvs.NewRing([]prvs.Key{{Number: 1, State: prvs.StateSign, Secret: []byte("secret")}}, o)
		if err != nil {
			t.Fatal(err)
		}
		s.Keys = ring
	}
}

// signedBy returns the sender that a message was given.
func signedBy(t *testing.T, r reply) string {
	t.Helper()
	for _, m := range r.mods {
		if m.code == 'e' {
			return m.args[0]
		}
	}
	t.Fatalf("nothing was signed: %v", r.mods)
	return ""
}

// However a relay, a gateway or the MTA itself writes the address, the bounce is that of the mail.
func TestOneMailboxIsOne(t *testing.T) {
	spellings := []string{"exämple.com", "xn--exmple-cua.com", "Alias.example"}
	for _, from := range spellings {
		for _, to := range append(spellings, "XN--EXMPLE-CUA.COM") {
			f := withRecord(t, oneMailbox(t))
			text := strings.ReplaceAll(sentText, "user@example.com", "user@"+from)
			tagged := signedBy(t, f.sendMail("<User@"+from+">", "<friend@example.org>", text))
			local, domain, _ := strings.Cut(strings.Trim(tagged, "<>"), "@")
			if domain != from {
				t.Errorf("signed as %s, which has another domain than %s", tagged, from)
			}
			for _, tt := range []struct{ name, recipient, text, reason, untagged string }{
				{"by its tag", local, bounceAbout("friend@example.org"), "valid", "User"},
				{"by its tag, with VERP", local + "-friend=example.org", bounceAbout("friend@example.org"), "valid", "User-friend=example.org"},
				{"by its tag, with VERP of the other kind", local + "+friend=example.org", bounceAbout("friend@example.org"), "valid", "User+friend=example.org"},
				{"by the message", "user", dsnText(sentID), "valid-message", ""},
				{"by the message, with an extension", "user-shop", dsnText(sentID), "valid-message", ""},
			} {
				_, r := f.outsideMTA().deliver("<>", "<"+tt.recipient+"@"+to+">", tt.text)
				if r.code != 'a' {
					t.Errorf("from %s, to %s@%s, proven %s: %c %s", from, tt.recipient, to, tt.name, r.code, r.text)
				}
				if log := strings.ReplaceAll(f.log.String(), `"`, ""); !strings.Contains(log, "recipient=<"+tt.recipient+"@"+to+"> reason="+tt.reason+" ") {
					t.Errorf("from %s, to %s@%s: not proven %s", from, tt.recipient, to, tt.name)
				}
				if tt.untagged != "" && !strings.Contains(fmt.Sprint(r.mods), "<"+tt.untagged+"@"+to+">") { // the domain that came
					t.Errorf("to %s: %v", to, r.mods)
				}
			}
			if _, r := f.outsideMTA().deliver("<>", "<user@other.example>", dsnText(sentID)); r.code == 'a' {
				t.Error("a bounce to a mailbox of another domain is proven")
			}
		}
	}
}

// An attacker who harvested a tag does not get one budget for each way to write the address.
func TestOneMailboxHasOneBudget(t *testing.T) {
	f := withRecord(t, oneMailbox(t))
	tagged := strings.Trim(signedBy(t, f.sendMail("<user@alias.example>", "<friend@example.org>", sentText)), "<>")
	local, _, _ := strings.Cut(tagged, "@")
	ways := []string{local + "@exämple.com", local + "@xn--exmple-cua.com", local + "@alias.example", local + "-x=y@ALIAS.example"}
	most := int(f.server.state.Load().policy.ProvenAtMost(1))
	for n := range most {
		if r := f.answer("<"+ways[n%len(ways)]+">", bounceAbout("friend@example.org")); r.code != 'a' {
			t.Fatalf("bounce %d: %c %s", n, r.code, r.text)
		}
	}
	for _, way := range ways {
		if r := f.answer("<"+way+">", bounceAbout("friend@example.org")); r.text != replySpent {
			t.Errorf("one more to %s: %c %s", way, r.code, r.text)
		}
	}
}

// The correspondent's domain is one in both spellings.
func TestACorrespondentIsOneInBothSpellings(t *testing.T) {
	for to, from := range map[string]string{"münchen.example": "xn--mnchen-3ya.example", "xn--mnchen-3ya.example": "München.example"} {
		f := withRecord(t, oneMailbox(t))
		f.sendMail("<user@alias.example>", "<friend@"+to+">", sentText)
		text := "From: friend@" + from + "\nSubject: away\nAuto-Submitted: auto-replied\n\nI am away.\n"
		if _, r := f.outsideMTA().deliver("<>", "<user@exämple.com>", text); r.code != 'a' {
			t.Errorf("written to %s, answered from %s: %c %s", to, from, r.code, r.text)
		}
		wantLog(t, f, "reason=valid-correspondent")
	}
}

// Clients can invent names below a wildcard. Nothing here grows by that.
func TestInventedNamesBelowADomainCostNothing(t *testing.T) {
	f := withRecord(t, func(s *policy.Settings) {
		s.Domains, s.AddMessageID = []policy.Domain{{Name: "*.example.edu", Mode: policy.ModeEnforce}}, true
	})
	for n := range 200 {
		stage, r := f.outsideMTA().deliver("<>", fmt.Sprintf("<user@invented-%d.example.edu>", n), namelessBounce)
		if r.code != 'y' {
			t.Fatalf("at %s: %c %s", stage, r.code, r.text)
		}
	}
	f.server.flushFigures(t.Context())
	if n := len(f.server.stats.verdicts.all()); n != 1 {
		t.Errorf("%d counters", n)
	}
	cs := mustCounters(t, f)
	if len(cs) != 4 { // the verdict, the source, the sign, and the software
		t.Errorf("the store has %d counters: %+v", len(cs), cs)
	}
	for _, c := range cs {
		if c.Count != 200 || strings.Contains(c.Name, "invented") {
			t.Errorf("the store counts %+v", c)
		}
	}
	sent := f.sendMail("<user@a.example.edu>", "<friend@example.org>", "Subject: no Message-ID\n\n")
	if !regexp.MustCompile(`Message-ID <[a-z0-9]+@a\.example\.edu>`).MatchString(fmt.Sprint(sent.mods)) {
		t.Errorf("the message gets no Message-ID in its own domain: %v", sent.mods)
	}
	signed := signedBy(t, sent)
	if _, r := f.outsideMTA().deliver("<>", signed, bounceAbout("friend@example.org")); r.code != 'a' {
		t.Errorf("a genuine bounce: %c %s", r.code, r.text)
	}
	if _, r := f.outsideMTA().deliver("<>", strings.Replace(signed, "@a.", "@b.", 1), bounceAbout("friend@example.org")); r.code != 'y' {
		t.Errorf("the tag of a.example.edu for b.example.edu: %c %s", r.code, r.text)
	}
	if days, err := f.store.FirstSigned(t.Context()); err != nil || len(days) != 1 {
		t.Errorf("first signed: %v, %v", days, err)
	}
}

// A site with many domains has metrics of all together.
func TestMetricsOfVeryManyDomains(t *testing.T) {
	for n, want := range map[int]int{maxDomainLabels: 3, maxDomainLabels + 1: 1} {
		f := start(t, func(s *policy.Settings) {
			s.Domains = nil
			for i := range n {
				s.Domains = append(s.Domains, policy.Domain{Name: fmt.Sprintf("d%d.example", i), Mode: policy.ModeMonitor})
			}
		})
		for i := range 3 {
			f.outsideMTA().deliver("<>", fmt.Sprintf("<user@d%d.example>", i), "Subject: x\n\n")
		}
		counted := 0
		for _, n := range f.series("messages_total") {
			if n > 0 {
				counted++
			}
		}
		if counted != want {
			t.Errorf("%d domains: %d series, want %d", n, counted, want)
		}
	}
}
