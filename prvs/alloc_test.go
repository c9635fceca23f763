package prvs

import (
	"strings"
	"testing"
)

func TestVerifyDoesNotAllocateAndSignAllocatesOnce(t *testing.T) {
	ring, err := NewRing([]Key{
		{Number: 1, State: StateSign, Secret: []byte("secret")},
		{Number: 2, State: StateSign, Domain: "Example.ORG", Secret: []byte("other")},
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const today = Day(20780)
	for _, address := range []string{
		"user@example.com",
		"First.Last+tag@Example.COM",
		"user=x@example.org",
		strings.Repeat("a", 48) + "@" + strings.Repeat("sub.", 12) + "example.com",
	} {
		for _, form := range []Form{Standard, SubAddress} {
			a, err := ParseAddress(address)
			if err != nil {
				t.Fatal(err)
			}
			signed, err := ring.Sign(a, form, today)
			if err != nil {
				t.Fatal(err)
			}
			wire := "<" + signed.Address + ">"
			tagged, err := ParseAddress(wire)
			if err != nil {
				t.Fatal(err)
			}
			bad := tagged
			bad.Domain = "x." + bad.Domain // Tries every candidate, and finds none.

			for _, c := range []struct {
				what string
				most float64
				do   func()
			}{
				{"ParseAddress", 0, func() { _, _ = ParseAddress(wire) }},
				{"Verify", 0, func() { ring.Verify(tagged, today) }},
				{"Verify of a bad tag", 0, func() { ring.Verify(bad, today) }},
				{"CanSign", 0, func() { _ = CanSign(a) }},
				{"Sign", 1, func() { _, _ = ring.Sign(a, form, today) }},
			} {
				if n := testing.AllocsPerRun(100, c.do); n > c.most {
					t.Errorf("%s of %s, %s form: %v allocations, want %v at most", c.what, address, form, n, c.most)
				}
			}
		}
	}
}

func TestFoldOfAFoldedAddressDoesNotAllocate(t *testing.T) {
	for _, a := range []Address{
		{"user", "example.com"}, {`"user name"`, "example.com"}, {`"a\"b\\c"`, "example.com"}, {"üser", "xn--exmple-cua.com"}, {},
	} {
		if n := testing.AllocsPerRun(100, func() { a.Fold() }); n != 0 {
			t.Errorf("Fold of %s: %v allocations, want none", a, n)
		}
	}
}
