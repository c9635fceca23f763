package prvs

import (
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// foreign signs as Exim, Halon and batv-tools do: it hashes the address as it is written.
func foreign(address string, expiry Day) string {
	mac := MAC([]byte("secret"), 1, expiry, address)
	return fmt.Sprintf("prvs=1%03d%s=%s", expiry.ddd(), hex.EncodeToString(mac[:]), address)
}

func TestVerifySurvivesWhatRelaysDoToAnAddress(t *testing.T) {
	const today = Day(20780)
	ring := mustRing(t, Options{}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	ours := func(address string, f Form) string {
		signed, err := ring.Sign(mustParse(t, address), f, today)
		if err != nil {
			t.Fatal(err)
		}
		return signed.Address
	}
	keep := func(s string) string { return s }
	domain := func(change func(string) string) func(string) string {
		return func(s string) string {
			at := strings.LastIndexByte(s, '@')
			return s[:at] + change(s[at:])
		}
	}
	for _, c := range []struct {
		name   string
		tagged string
		relay  func(string) string
		want   Status
	}{
		{"ours, untouched", ours("User@Example.COM", Standard), keep, Valid},
		{"ours, folded", ours("User@Example.COM", Standard), strings.ToLower, Valid},
		{"ours, in capitals", ours("User@Example.COM", Standard), strings.ToUpper, Valid},
		{"ours, sub-address, in capitals", ours("User@Example.COM", SubAddress), strings.ToUpper, Valid},
		{"ours, quoted, in capitals", ours(`"User Name"@Example.COM`, Standard), strings.ToUpper, Valid},
		{"ours, UTF-8, in capitals", ours("ünal@exämple.com", Standard), strings.ToUpper, Valid},
		{"theirs, lower case, in capitals", foreign("user@example.com", today), strings.ToUpper, Valid},
		{"theirs, U-labels in lower case, in capitals", foreign("user@exämple.com", today), strings.ToUpper, Valid},
		{"theirs, U-labels, mixed local part, domain in capitals", foreign("User@exämple.com", today), domain(strings.ToUpper), Valid},
		{"theirs, mixed case, untouched", foreign("User@Example.COM", today), keep, Valid},
		{"theirs, mixed local part, domain in capitals", foreign("User@example.com", today), domain(strings.ToUpper), Valid},
		{"theirs, mixed local part, folded: lost", foreign("User@example.com", today), strings.ToLower, BadSignature},
		{"theirs, mixed domain, folded: lost", foreign("user@Example.com", today), strings.ToLower, BadSignature},
	} {
		arrived := c.relay(c.tagged)
		if got := ring.Verify(mustParse(t, arrived), today); got.Status != c.want {
			t.Errorf("%s: Verify(%s) = %v, want %v", c.name, arrived, got.Status, c.want)
		}
	}
}

// An attacker with one tag must not be able to make a tag for another address, key or day from it.
func TestAChangedTagIsNotValid(t *testing.T) {
	const today = Day(20780)
	ring := mustRing(t, Options{},
		Key{Number: 1, State: StateSign, Secret: []byte("secret")},
		Key{Number: 2, State: StateVerify, Secret: []byte("other")},
	)
	for _, form := range []Form{Standard, SubAddress} {
		signed, err := ring.Sign(Address{"user", "example.com"}, form, today)
		if err != nil {
			t.Fatal(err)
		}
		start := strings.Index(signed.Address, tagPrefix) + len(tagPrefix)
		changes := 0
		for i := start; i < start+tagLen; i++ {
			for _, digit := range "0123456789abcdef" {
				if byte(digit) == signed.Address[i] {
					continue
				}
				want := BadSignature
				switch {
				case i < start+4 && digit > '9':
					want = Malformed
				case i == start && digit != '2':
					want = UnknownKey
				}
				changed := signed.Address[:i] + string(digit) + signed.Address[i+1:]
				if got := ring.Verify(mustParse(t, changed), today); got.Status != want {
					t.Errorf("%s, made of %s: %v, want %v", changed, signed.Address, got.Status, want)
				}
				changes++
			}
		}
		if changes != tagLen*15 {
			t.Errorf("%d changes, want %d", changes, tagLen*15)
		}
		for _, other := range []string{"users", "use", "user.", "x+user", "user=", "user@", "", "us er"} {
			changed := strings.Replace(signed.Address, "user", other, 1)
			a, err := ParseAddress(changed)
			if err != nil {
				continue
			}
			if got := ring.Verify(a, today); got.Status == Valid {
				t.Errorf("%s, made of %s, is valid", changed, signed.Address)
			}
		}
	}
}

// An address without its extension must have a local part: a tag over "@example.com" is not valid.
func TestAnExtensionWithoutAUserIsNotCutOff(t *testing.T) {
	const today = Day(20780)
	ring := mustRing(t, Options{}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	tagged := strings.Replace(foreign("@example.com", today), "@", "+user@", 1)
	if got := ring.Verify(mustParse(t, tagged), today); got.Status != BadSignature {
		t.Errorf("Verify(%s) = %v, want %v", tagged, got.Status, BadSignature)
	}
}

func TestARingMayBeSharedByGoroutines(t *testing.T) {
	const today = Day(20780)
	ring := mustRing(t, Options{}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 200 {
				a := Address{fmt.Sprintf("User%d.%d", i, j), "example.com"}
				signed, err := ring.Sign(a, Form(j%2), today)
				if err != nil {
					t.Errorf("Sign(%s): %v", a, err)
					return
				}
				tagged, err := ParseAddress(signed.Address)
				if got := ring.Verify(tagged, today); err != nil || got.Status != Valid || got.Original != a {
					t.Errorf("Verify(%s) = %+v, %v", signed.Address, got, err)
				}
			}
		})
	}
	group.Wait()
}

func TestTheOriginalOfATagCanBeParsed(t *testing.T) {
	ring := mustRing(t, Options{}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	for _, c := range []struct{ local, original string }{
		{"prvs=178773a1ae=@b", `"@b"`},
		{`"prvs=178773a1ae=@b"`, `"@b"`},
		{`prvs=178773a1ae="a"b`, `"a"b`},
		{`prvs=178773a1ae=.a.`, `.a.`},
		{`"prvs=178773a1ae=a\"b"`, `"a\"b"`},
		{`"user name+prvs=178773a1ae"`, `"user name"`},
		{`"user name"+prvs=178773a1ae`, `"user name"`},
		{`"user name"+prvs=178773a1ae+ext`, `"user name+ext"`},
		{`user+prvs=178773a1ae+ext`, `user+ext`},
		{`user+prvs=178773a1ae+prvs=x`, `user+prvs=x`},
	} {
		got := ring.Verify(Address{c.local, "example.com"}, 20780)
		if want := (Address{c.original, "example.com"}); got.Original != want || got.Status != BadSignature {
			t.Errorf("Verify(%s): %v, original %s, want %v, %s", c.local, got.Status, got.Original, BadSignature, want)
		}
		again, err := ParseAddress(got.Original.String())
		if err != nil || again != got.Original {
			t.Errorf("ParseAddress(%s) = %+v, %v", got.Original, again, err)
		}
	}
}

// Slack is for a site whose clocks differ, or whose operator has lowered the lifetime.
func TestSlack(t *testing.T) {
	secret := []byte("secret")
	ring := func(o Options) *Ring {
		r, err := NewRing([]Key{{Number: 1, State: StateSign, Secret: secret}}, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	user := Address{Local: "user", Domain: "example.com"}
	const today = Day(20780)
	for _, tt := range []struct {
		name     string
		signer   Options
		signed   Day
		verifier Options
		want     Status
	}{
		{"clock behind by a day, strict", Options{}, today + 1, Options{}, Expired},
		{"clock behind by a day", Options{}, today + 1, Options{Slack: 1}, Valid},
		{"lifetime lowered", Options{Lifetime: 14}, today, Options{Lifetime: 7, Slack: 53}, Valid},
		{"rotation lowered", Options{Rotation: 14}, today, Options{Slack: 53}, Valid},
		{"expired all the same", Options{}, today - 8, Options{Slack: 53}, Expired},
		{"on the day of expiry", Options{}, today - 7, Options{Slack: 53}, Valid},
		{"expired for long", Options{}, today - 900, Options{Slack: 53}, Expired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ring(tt.signer).Sign(user, Standard, tt.signed)
			if err != nil {
				t.Fatal(err)
			}
			a, err := ParseAddress(s.Address)
			if err != nil {
				t.Fatal(err)
			}
			if got := ring(tt.verifier).Verify(a, today); got.Status != tt.want || tt.verifier.Slack > 0 && got.Expiry != s.Expiry {
				t.Errorf("%v, expires %v, want %v, %v", got.Status, got.Expiry, tt.want, s.Expiry)
			}
		})
	}
	for _, o := range []Options{{Slack: -1}, {Slack: 493}, {Slack: 1 << 62}} {
		if _, err := NewRing(nil, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
