package policy

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

func TestIncompleteUntil(t *testing.T) {
	p := testPolicy(t, nil) // retention 30 days
	today := prvs.DayOf(testDay)
	at := func(days int) time.Time { return testDay.AddDate(0, 0, days) }
	for _, tt := range []struct {
		name       string
		complete   time.Time
		began      time.Time
		signing    prvs.Day
		until      prvs.Day
		incomplete bool
	}{
		{"as old as the first signature", at(-60), time.Time{}, today - 60, 0, false},
		{"began after the first signature", at(-10), time.Time{}, today - 60, today + 20, true},
		{"its last day", at(-30), time.Time{}, today - 60, today, true},
		{"long ago", at(-31), time.Time{}, today - 60, 0, false},
		{"began first", at(-10), at(-10), today - 10, 0, false},
		{"began anew on the day of the first signature", at(-10), at(-10).Add(-time.Hour), today - 10, today + 20, true},
		{"began anew long ago", at(-40), at(-40).Add(-time.Hour), today - 40, 0, false},
		{"none", time.Time{}, time.Time{}, today - 60, 0, true},
	} {
		if until, incomplete := p.IncompleteUntil(RecordFacts{CompleteSince: tt.complete, Began: tt.began, SigningSince: tt.signing, Signing: true}, today); until != tt.until || incomplete != tt.incomplete {
			t.Errorf("%s: %v %t, want %v %t", tt.name, until, incomplete, tt.until, tt.incomplete)
		}
	}
}

// What would be thrown away for want of a record is deferred as well: a genuine bounce would be lost without a word.
func TestNothingIsDiscardedWhileANodeIsSilent(t *testing.T) {
	p := testPolicy(t, func(s *Settings) { s.Actions = map[Reason]Action{Untagged: ActionDiscard} })
	facts := RecipientFacts{
		Address: prvs.Address{Local: "user", Domain: "example.com"}, Issued: IssuedNo, Proof: ProofAbsent,
		Record: RecordFacts{CompleteSince: testDay.AddDate(0, 0, -99), Signing: true, SigningSince: prvs.DayOf(testDay) - 90},
	}
	for silent, want := range map[bool]Action{false: ActionDiscard, true: ActionDefer} {
		facts.Record.NodeSilent = silent
		if v := p.Recipient(facts, testDay); v.Action != want {
			t.Errorf("a node is silent %t: %v for %v, want %v", silent, v.Action, v.Reason, want)
		}
	}
}

func TestRevocationsOfATag(t *testing.T) {
	const day = prvs.Day(20787)
	tag := func(local, domain string, expiry prvs.Day, number uint8, key string) prvs.Result {
		return prvs.Result{Status: prvs.Valid, Sender: prvs.Address{Local: local, Domain: domain}, Expiry: expiry, Number: number, KeyDomain: key}
	}
	ofTag := &Revocation{Kind: RevokedTag, Sender: "user@example.com", Number: 1, Until: day}
	ofSender := &Revocation{Kind: RevokedSender, Sender: "user@example.com", Until: day}
	ofKey := &Revocation{Kind: RevokedKey, Number: 1}
	ofDomainKey := &Revocation{Kind: RevokedKey, Number: 1, Domain: "example.com"}
	for _, tt := range []struct {
		name string
		set  *Revocations
		tag  prvs.Result
		want bool
	}{
		{"nothing is revoked", nil, tag("user", "example.com", day, 1, ""), false},
		{"nothing is revoked any more", NewRevocations(nil), tag("user", "example.com", day, 1, ""), false},
		{"the tag", NewRevocations([]*Revocation{ofTag}), tag("user", "example.com", day, 1, ""), true},
		{"the tag in another case", NewRevocations([]*Revocation{ofTag}), tag("User", "EXAMPLE.com", day, 1, ""), true},
		{"the sender's tag of the next day", NewRevocations([]*Revocation{ofTag}), tag("user", "example.com", day+1, 1, ""), false},
		{"the sender's tag of the day before", NewRevocations([]*Revocation{ofTag}), tag("user", "example.com", day-1, 1, ""), false},
		{"the sender's tag with another key", NewRevocations([]*Revocation{ofTag}), tag("user", "example.com", day, 2, ""), false},
		{"another sender's tag", NewRevocations([]*Revocation{ofTag}), tag("other", "example.com", day, 1, ""), false},
		{"the sender's last tag", NewRevocations([]*Revocation{ofSender}), tag("user", "example.com", day, 1, ""), true},
		{"an older one, of another key", NewRevocations([]*Revocation{ofSender}), tag("user", "example.com", day-5, 2, "example.com"), true},
		{"a later one", NewRevocations([]*Revocation{ofSender}), tag("user", "example.com", day+1, 1, ""), false},
		{"of another sender", NewRevocations([]*Revocation{ofSender}), tag("other", "example.com", day, 1, ""), false},
		{"made with the key", NewRevocations([]*Revocation{ofKey}), tag("other", "example.org", day+5, 1, ""), true},
		{"made with another key", NewRevocations([]*Revocation{ofKey}), tag("user", "example.com", day, 2, ""), false},
		{"made with a domain's own key of that number", NewRevocations([]*Revocation{ofKey}), tag("user", "example.com", day, 1, "example.com"), false},
		{"made with the domain's key", NewRevocations([]*Revocation{ofDomainKey}), tag("user", "Example.com", day, 1, "example.com"), true},
		{"made with the key for all domains", NewRevocations([]*Revocation{ofDomainKey}), tag("user", "example.com", day, 1, ""), false},
		{"made with another domain's key", NewRevocations([]*Revocation{ofDomainKey}), tag("user", "example.org", day, 1, "example.org"), false},
	} {
		if got := tt.set.Of(&tt.tag) != nil; got != tt.want {
			t.Errorf("%s: revoked %v", tt.name, got)
		}
	}
}
