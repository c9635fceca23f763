package filter

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// skipOrders lets the mail of two senders to some destinations leave unsigned.
func skipOrders(s *Settings) {
	s.Skip = []SkipPair{
		{Senders: []string{"orders@example.com"}, Recipients: []string{"@.partner.example", "gate@example.org"}},
		{Senders: []string{"shop"}, Recipients: []string{"@example.net", "desk"}},
	}
}

func address(t *testing.T, s string) prvs.Address {
	t.Helper()
	a, err := prvs.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestSkipPairs(t *testing.T) {
	p := testPolicy(t, skipOrders)
	for _, tt := range []struct {
		name, sender, recipient string
		want                    bool
	}{
		{"a domain below", "orders@example.com", "x@mx.partner.example", true},
		{"the domain itself, in other case", "Orders@Example.com", "X@Partner.example", true},
		{"one address", "orders@example.com", "gate@example.org", true},
		{"another address there", "orders@example.com", "desk@example.org", false},
		{"the sender with an extension", "orders+7@example.com", "gate@example.org", true},
		{"another sender", "user@example.com", "gate@example.org", false},
		{"the sender of one pair, the recipient of the other", "orders@example.com", "x@example.net", false},
		{"a local part in our domains", "shop@example.com", "x@example.net", true},
		{"a local part in a foreign domain", "shop@example.org", "x@example.net", false},
		{"a recipient of ours by its local part", "shop@example.com", "desk@example.com", true},
		{"a foreign recipient with this local part", "shop@example.com", "desk@example.org", false},
		{"the null sender", "", "x@example.net", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sender prvs.Address
			if tt.sender != "" {
				sender = address(t, tt.sender)
			}
			if got := p.DoNotTag(sender, address(t, tt.recipient)); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
	s := testSettings(t)
	s.Skip = []SkipPair{{Senders: []string{"user"}}}
	if _, err := NewPolicy(s); err == nil || !strings.Contains(err.Error(), "skip pair 0") {
		t.Errorf("a pair with one side: %v", err)
	}
}

// Mail of a pair leaves unsigned if one recipient pairs with the sender, and its bounces are expected untagged, also when the pair
// is not configured any more. Mail to others is signed.
func TestMailOfASkipPairLeavesUnsigned(t *testing.T) {
	f := start(t, skipOrders)
	f.server.checkWitness(t.Context())
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	send := func(from string, to ...string) []mod {
		t.Helper()
		m := f.dial()
		m.auth = "user"
		m.connect(outsider, 40123)
		_, r := m.message(from, to...)
		if r.code != 'a' {
			t.Fatalf("%c %s", r.code, r.text)
		}
		return r.mods
	}
	if mods := send("<orders@example.com>", "<friend@example.org>"); len(mods) != 1 {
		t.Errorf("mail to others: %v", mods)
	}
	if mods := send("<user@example.com>", "<x@partner.example>"); len(mods) != 1 {
		t.Errorf("mail of others: %v", mods)
	}
	// Nothing has been left unsigned so far: without a record, the complete store speaks against it.
	if _, r := f.outsideMTA().message("<>", "<orders@example.com>"); r.text != untagged {
		t.Errorf("bounce before: %c %s", r.code, r.text)
	}
	if mods := send("<orders@example.com>", "<friend@example.org>", "<x@partner.example>"); len(mods) != 0 {
		t.Errorf("mail of the pair: %v", mods)
	}
	wantLog(t, f, "reason=do-not-tag action=none")
	f.server.Reload(testPolicy(t, nil))
	if _, r := f.outsideMTA().message("<>", "<orders@example.com>"); r.code != 'a' {
		t.Errorf("bounce of the pair: %c %s", r.code, r.text)
	}
	if _, r := f.outsideMTA().message("<>", "<user@example.com>"); r.text != untagged {
		t.Errorf("bounce to somebody else: %c %s", r.code, r.text)
	}
}

// While the store is doubtful, a sender of a pair may have left unsigned what is not on record; others may not.
func TestSkipPairsWhileTheStoreIsDoubtful(t *testing.T) {
	today := store.DayOf(testDay)
	complete := store.Completeness{Since: testDay.AddDate(0, 0, -90)}
	gap := store.Completeness{Since: testDay.AddDate(0, 0, -3)}
	for _, tt := range []struct {
		name   string
		to     string
		issued Issued
		memory store.Completeness
		want   Reason
	}{
		{"store silent", "orders@example.com", IssuedUnknown, store.Completeness{}, Grace},
		{"store silent, with an extension", "orders+7@example.com", IssuedUnknown, store.Completeness{}, Grace},
		{"store wiped", "orders@example.com", IssuedNo, store.Completeness{}, Grace},
		{"gap in the record", "orders@example.com", IssuedNo, gap, Grace},
		{"complete, left unsigned", "orders@example.com", IssuedYes, complete, Exempt},
		{"complete, not left unsigned", "orders@example.com", IssuedNo, complete, Untagged},
		{"store silent, no sender of a pair", "user@example.com", IssuedUnknown, store.Completeness{}, Untagged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := testPolicy(t, skipOrders).Recipient(RecipientFacts{
				Address: address(t, tt.to), Issued: tt.issued, Complete: tt.memory, Signing: true, SigningSince: today - 60,
			}, testDay.Add(time.Hour))
			if v.Reason != tt.want || tt.want == Grace && (v.Would != Untagged || v.Action != ActionAccept) {
				t.Errorf("got %v (%v) %v", v.Reason, v.Would, v.Action)
			}
		})
	}
}
