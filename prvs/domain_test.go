package prvs

import (
	"slices"
	"strings"
	"testing"
)

func TestFoldDomain(t *testing.T) {
	for domain, want := range map[string]string{
		"":                    "",
		"Example.COM":         "example.com",
		"exämple.com":         "xn--exmple-cua.com",
		"EXÄMPLE.com":         "xn--exmple-cua.com",
		"exa\u0308mple.com":   "xn--exmple-cua.com", // "a" and a combining mark
		"XN--Exmple-Cua.com":  "xn--exmple-cua.com",
		"mail.exämple.com":    "mail.xn--exmple-cua.com",
		"*.exämple.com":       "*.xn--exmple-cua.com",
		"straße.example":      "xn--strae-oqa.example", // not strasse.example, which is another domain
		"пример.испытание":    "xn--e1afmkfd.xn--80akhbyknj4f",
		"exämple。com":         "xn--exmple-cua.com", // an ideographic full stop
		"[IPv6:2001:DB8::1]":  "[ipv6:2001:db8::1]",
		"under_score.example": "under_score.example",
		// No internationalized domain names: they are only brought into lower case.
		"Ä＠b.example": "ä＠b.example",
		"Ä_b.example": "ä_b.example",
	} {
		if got := FoldDomain(domain); got != want {
			t.Errorf("FoldDomain(%q) = %q, want %q", domain, got, want)
		}
	}
}

// A name that is too long for DNS is not mapped, which would take time in proportion to the square of its length.
func TestFoldDomainOfLongNames(t *testing.T) {
	label := strings.Repeat("a\u0308", 50) // 50 characters, written as 100
	folded := FoldDomain(label + ".example")
	if !strings.HasPrefix(folded, "xn--") {
		t.Errorf("a label of 50 characters is not mapped: %q", folded)
	}
	for name, want := range map[string]bool{
		strings.Repeat("ä", maxLabel) + ".example":                    true,
		strings.Repeat("ä", maxLabel+1) + ".example":                  false,
		strings.Repeat("ä.", maxDomain/2):                             true,
		strings.Repeat("ä。", maxDomain/2):                             true,
		strings.Repeat("ä.", maxDomain/2) + "ä":                       false,
		"*." + strings.Repeat("ä", 1<<20) + ".example":                false,
		strings.Repeat(strings.Repeat("ä", 60)+".", 4) + "example.ex": true,
	} {
		if got := fitsDNS(name); got != want {
			t.Errorf("%d octets: %t", len(name), got)
		}
		if got := FoldDomain(name); !want && got != name {
			t.Errorf("%d octets are changed to %d", len(name), len(got))
		}
	}
}

// A gateway that does not know SMTPUTF8 writes the A-labels, one that does the U-labels. Key and tag are the same.
func TestTagsVerifyInBothSpellingsOfADomain(t *testing.T) {
	const today = Day(20780)
	for _, named := range []string{"", "exämple.com", "XN--exmple-cua.com"} {
		ring := mustRing(t, Options{}, Key{Number: 1, State: StateSign, Domain: named, Secret: []byte("secret")})
		for _, form := range []Form{Standard, SubAddress} {
			for _, from := range []string{"User@exämple.com", "User@xn--exmple-cua.com"} {
				signed, err := ring.Sign(mustParse(t, from), form, today)
				if err != nil {
					t.Fatal(err)
				}
				local, _, _ := strings.Cut(signed.Address, "@")
				for _, domain := range []string{"exämple.com", "EXÄMPLE.COM", "xn--exmple-cua.com", "XN--EXMPLE-CUA.COM"} {
					got := ring.Verify(mustParse(t, local+"@"+domain), today)
					if got.Status != Valid || got.Original.String() != "User@"+domain || got.KeyDomain != FoldDomain(named) {
						t.Errorf("key of %q: %s, signed as %s, arrives at %s: %+v", named, from, signed.Address, domain, got)
					}
				}
			}
		}
		if got := ring.Verify(Address{"prvs=1787000000=user", "exämple.com"}, today); got.Status != BadSignature {
			t.Errorf("a guessed tag: %v", got.Status)
		}
	}
	written := foreign("user@exämple.com", today) // by a product that hashes the address as it is written
	ring := mustRing(t, Options{}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	if got := ring.Verify(mustParse(t, written), today); got.Status != Valid {
		t.Errorf("%s: %v", written, got.Status)
	}
}

// The longest name has the keys: the domain itself, or else the nearest parent with "*.".
func TestKeysOfAllDomainsBelow(t *testing.T) {
	ring := mustRing(t, Options{},
		Key{Number: 0, State: StateSign, Secret: []byte("all")},
		Key{Number: 1, State: StateSign, Domain: "*.example.edu", Secret: []byte("below")},
		Key{Number: 2, State: StateSign, Domain: "*.Dept.example.edu", Secret: []byte("far below")},
		Key{Number: 3, State: StateSign, Domain: "lab.dept.example.edu", Secret: []byte("exact")},
	)
	for domain, want := range map[string]uint8{
		"example.edu": 0, "notexample.edu": 0, "edu": 0,
		"a.example.edu": 1, "A.B.Example.edu": 1, "dept.example.edu": 1,
		"x.dept.example.edu": 2, "lab.dept.example.edu": 3, "x.lab.dept.example.edu": 2,
		"*.example.edu": 1, "*.dept.example.edu": 2,
	} {
		if got, ok := ring.SigningKey(domain); !ok || got != want {
			t.Errorf("%s is signed with key %d, want %d", domain, got, want)
		}
	}
	signed, err := ring.Sign(Address{"user", "a.example.edu"}, Standard, 20780)
	if err != nil {
		t.Fatal(err)
	}
	if got := ring.Verify(mustParse(t, signed.Address), 20780); got.Status != Valid || got.KeyDomain != "*.example.edu" {
		t.Errorf("%+v", got)
	}
	if got := ring.Verify(mustParse(t, strings.Replace(signed.Address, "@a.", "@b.", 1)), 20780); got.Status != BadSignature {
		t.Errorf("the tag of another domain below: %v", got.Status)
	}
}

func TestExtensionsBeginWithTheDelimitersOfTheMailSystem(t *testing.T) {
	const today = Day(20780)
	ring := func(delimiters string) *Ring {
		return mustRing(t, Options{Delimiters: delimiters}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	}
	for _, tt := range []struct{ delimiters, sender, extension, want string }{
		{"", "list", "+user=remote.example", "list"},
		{"", "list", "+shop", "list"},
		{"", "list", "-shop", ""},
		{"", "list", "_user=remote.example", ""},
		{"", "list", "-user=remote.example", "list"}, // VERP is known by its "="
		{"", "the-list", "-joe-smith=my-shop.example", "the-list"},
		{"-", "list", "-shop", "list"},
		{"-", "list", "+shop", ""},
		{"-", "list", "-user=remote.example", "list"},
		{"-", "list", "+user=remote.example", "list"},
		{"+-", "list", "-user=remote.example", "list"},
		{"+-", "list", "+user=remote.example", "list"},
		{"-", "the-list", "-joe-smith=my-shop.example", "the-list"},
		{"-", "owner-the-list", "-joe-smith=my-shop.example", "owner-the-list"},
		{"-", "a-b-c-d-e-f-g", "-x=remote.example", "a-b-c-d-e-f-g"},
		{"-", "a-b-c-d-e-f-g-h-i", "-x=remote.example", ""}, // more delimiters than are tried
		{"_", "list", "_user=remote.example", "list"},
		{".", "first", ".user=remote.example", "first"},
	} {
		r := ring(tt.delimiters)
		signed, err := r.Sign(Address{tt.sender, "example.com"}, Standard, today)
		if err != nil {
			t.Fatal(err)
		}
		expanded := strings.Replace(signed.Address, "@", tt.extension+"@", 1)
		got := r.Verify(mustParse(t, expanded), today)
		if valid := got.Status == Valid; valid != (tt.want != "") || valid && got.Sender.Local != tt.want || got.Original.Local != tt.sender+tt.extension {
			t.Errorf("delimiters %q: %s: %+v", tt.delimiters, expanded, got)
		}
	}
	for _, extension := range []string{"+x", "-x=remote.example", "_x"} { // after the tag of a sub-address
		signed, err := ring("").Sign(Address{"list", "example.com"}, SubAddress, today)
		if err != nil {
			t.Fatal(err)
		}
		expanded := strings.Replace(signed.Address, "@", extension+"@", 1)
		if got := ring("").Verify(mustParse(t, expanded), today); got.Status != Valid || got.Sender.Local != "list" || got.Original.Local != "list"+extension {
			t.Errorf("%s: %+v", expanded, got)
		}
	}
	for _, bad := range []string{"=", "a", "+=", "@", " ", "é", "+-_.#"} {
		if _, err := NewRing(nil, Options{Delimiters: bad}); err == nil {
			t.Errorf("delimiters %q are accepted", bad)
		}
	}
}

func TestWithoutExtensions(t *testing.T) {
	for _, tt := range []struct{ delimiters, local, want string }{
		{"+", "user", ""},
		{"+", "user+a+b", "user+a user"},
		{"+-", "user-a+b", "user-a user"},
		{"-", "+user-a", "+user"},
		{"+", "+user", ""},
		{"+", `"user+a"`, ""},
		{"_", "the-list-joe=my-shop.example", "the-list the"},
		{"_", "the-list", ""},
		{"-", "a-b-c-d-e-f-g-h-i-j", "a-b-c-d-e-f-g-h a-b-c-d-e-f-g a-b-c-d-e-f a-b-c-d-e a-b-c-d a-b-c a-b a"},
	} {
		var got []string
		for _, a := range (Address{tt.local, "example.com"}).WithoutExtensions(tt.delimiters) {
			if got = append(got, a.Local); a.Domain != "example.com" {
				t.Errorf("%v", a)
			}
		}
		if !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%q of %q: %q", tt.local, tt.delimiters, got)
		}
	}
}
