package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// skipOrders lets the mail of two senders to some destinations leave unsigned.
func skipOrders(s *Settings) {
	s.Skip = []SkipPair{
		{Senders: []string{"orders@example.com"}, Recipients: []string{"@.partner.example", "gate@example.org"}},
		{Senders: []string{"shop"}, Recipients: []string{"@example.net", "desk"}},
	}
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
	if _, err := New(s); err == nil || !strings.Contains(err.Error(), "skip pair 0") {
		t.Errorf("a pair with one side: %v", err)
	}
}

// While the record may be incomplete, a sender of a pair may have left unsigned what is not on record; others may not.
func TestSkipPairsWhileTheRecordMayBeIncomplete(t *testing.T) {
	today := prvs.DayOf(testDay)
	complete := testDay.AddDate(0, 0, -90)
	gap := testDay.AddDate(0, 0, -3)
	for _, tt := range []struct {
		name     string
		to       string
		issued   Issued
		complete time.Time
		want     Reason
	}{
		{"store silent", "orders@example.com", IssuedUnknown, time.Time{}, Grace},
		{"store silent, with an extension", "orders+7@example.com", IssuedUnknown, time.Time{}, Grace},
		{"store wiped", "orders@example.com", IssuedNo, time.Time{}, Grace},
		{"gap in the record", "orders@example.com", IssuedNo, gap, Grace},
		{"complete, left unsigned", "orders@example.com", IssuedYes, complete, Exempt},
		{"complete, not left unsigned", "orders@example.com", IssuedNo, complete, Untagged},
		{"store silent, no sender of a pair", "user@example.com", IssuedUnknown, time.Time{}, Untagged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := testPolicy(t, skipOrders).Recipient(RecipientFacts{
				Address: address(t, tt.to), Issued: tt.issued, Record: RecordFacts{CompleteSince: tt.complete, Signing: true, SigningSince: today - 60},
			}, testDay.Add(time.Hour))
			if v.Reason != tt.want || tt.want == Grace && (v.Would != Untagged || v.Action != ActionAccept) {
				t.Errorf("got %v (%v) %v", v.Reason, v.Would, v.Action)
			}
		})
	}
}
