package filter

import (
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// skipOrders lets the mail of two senders to some destinations leave unsigned.
func skipOrders(s *policy.Settings) {
	s.Skip = []policy.SkipPair{
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

// Mail of a pair leaves unsigned if one recipient pairs with the sender, and its bounces are expected untagged, also when the pair
// is not configured any more. Mail to others is signed.
func TestMailOfASkipPairLeavesUnsigned(t *testing.T) {
	f := start(t, skipOrders)
	f.server.view.RefreshRecord(t.Context())
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
		t.Errorf("bounce to another sender: %c %s", r.code, r.text)
	}
}

// Mail to a known destination leaves unsigned if that is switched on, and its bounces are expected untagged.
func TestMailToAKnownDestinationLeavesUnsigned(t *testing.T) {
	for _, on := range []bool{true, false} {
		f := start(t, func(s *policy.Settings) { s.DoNotTag.Known = on })
		f.server.view.RefreshRecord(t.Context())
		f.record("user@example.com", testDay.AddDate(0, 0, 7))
		m := f.dial()
		m.auth = "user"
		m.connect(outsider, 40123)
		_, r := m.message("<user@example.com>", "<dev@httpd.apache.org>")
		_, b := f.outsideMTA().message("<>", "<user@example.com>")
		if on {
			wantLog(t, f, "reason=do-not-tag action=none")
			wantLog(t, f, "cause=left-unsigned")
		}
		if signed, refused := len(r.mods) > 0, b.text == untagged; signed == on || refused == on {
			t.Errorf("known %v: signed %v, bounce refused %v (%c %s)", on, signed, refused, b.code, b.text)
		}
	}
}
