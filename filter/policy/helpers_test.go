package policy

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// testDay is the day on which tests happen unless they say otherwise.
var testDay = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// testKeys is a ring that signs with key 1 for all domains.
func testKeys(t testing.TB) *prvs.Ring {
	t.Helper()
	ring, err := prvs.NewRing([]prvs.Key{
		{Number: 1, State: prvs.StateSign, Secret: []byte("secret")},
		{Number: 2, State: prvs.StateVerify, Secret: []byte("older")},
	}, prvs.Options{Lifetime: 7, Rotation: 1, Slack: 53})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// withAbsentKeys is the same with a key 8 whose secret is missing, and a key 9 of another domain; with another key 1 as well if
// it is wanted twice.
func withAbsentKeys(t testing.TB, twice bool) *prvs.Ring {
	t.Helper()
	keys := []prvs.Key{
		{Number: 1, State: prvs.StateSign, Secret: []byte("secret")}, {Number: 2, Secret: []byte("older")}, {Number: 8, Absent: true},
		{Number: 9, Domain: "example.org", Absent: true},
	}
	if twice {
		keys = append(keys, prvs.Key{Number: 1, Domain: "example.com", Absent: true})
	}
	ring, err := prvs.NewRing(keys, testKeys(t).Options())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// testSettings enforces example.com.
func testSettings(t testing.TB) Settings {
	return Settings{
		Domains:  []Domain{{Name: "example.com", Mode: ModeEnforce}},
		Keys:     testKeys(t),
		Outbound: DefaultOutbound(),
		Exempt:   Exemptions{Recipients: DefaultExemptRecipients()},
		Proofs:   DefaultProofs(),

		MailerDaemons: DefaultMailerDaemons(),
		ReadAll:       true,

		HeaderName: DefaultHeaderName,
		Hostname:   "mx.example.com",
	}
}

func testPolicy(t testing.TB, change func(*Settings)) *Policy {
	t.Helper()
	s := testSettings(t)
	if change != nil {
		change(&s)
	}
	p, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func address(t *testing.T, s string) prvs.Address {
	t.Helper()
	a, err := prvs.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
