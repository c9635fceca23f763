package prvs

import (
	"errors"
	"strings"
	"testing"
)

func TestSignRefusesWhatMustNotBeTagged(t *testing.T) {
	ring := mustRing(t, Options{}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	long := strings.Repeat("a", 49)
	for _, c := range []struct {
		name, address string
		want          error
	}{
		{"null sender", "<>", ErrNull},
		{"empty local part", `""@example.com`, ErrNull},
		{"no domain", "user", ErrNoDomain},
		{"our tag", "prvs=178773a1ad=user@example.com", ErrTagged},
		{"a tag in another case", "PRVS=178773A1AD=user@example.com", ErrTagged},
		{"a tag of Cisco", "prvs=367a5aa7f=user@example.com", ErrTagged},
		{"a tag of an older draft", "prvs=user/178773a1ad@example.com", ErrTagged},
		{"the beginning of a tag", "prvs=@example.com", ErrTagged},
		{"a quoted tag", `"prvs=178773a1ad=user name"@example.com`, ErrTagged},
		{"an escaped tag", `"\prvs=178773a1ad=user"@example.com`, ErrTagged},
		{"a tagged sub-address", "user+prvs=178773a1ad@example.com", ErrTagged},
		{"a tagged sub-address with an extension", "user+prvs=178773a1ad+ext@example.com", ErrTagged},
		{"a malformed sub-address", "user+PRVS=1787@example.com", ErrTagged},
		{"a tagged address that is too long as well", "prvs=178773a1ad=" + long + "@example.com", ErrTagged},
		{"65 octets with a tag", long + "@example.com", ErrTooLong},
		{"65 octets with a tag, in UTF-8", strings.Repeat("é", 24) + "a@example.com", ErrTooLong},
		{"65 octets with tag and quotes", `"` + strings.Repeat("a", 46) + ` "@example.com`, ErrTooLong},
		{"65 octets with tag, quotes and an escape", `"` + strings.Repeat("a", 45) + `\""@example.com`, ErrTooLong},

		{"64 octets with a tag", long[1:] + "@example.com", nil},
		{"64 octets with tag and quotes", `"` + strings.Repeat("a", 45) + ` "@example.com`, nil},
		{"64 octets with tag, quotes and an escape", `"` + strings.Repeat("a", 44) + `\""@example.com`, nil},
		{"64 octets with a tag when needless quotes have gone", `"` + long[1:] + `"@example.com`, nil},
		{"another scheme", "SRS0=HHH=TT=remote.example=user@example.com", nil},
		{"a user whose name begins like the tag type", "prvsuser@example.com", nil},
		{"an extension that begins like the tag type", "user+prvs@example.com", nil},
	} {
		a := mustParse(t, c.address)
		if got := CanSign(a); got != c.want {
			t.Errorf("%s: CanSign(%s) = %v, want %v", c.name, c.address, got, c.want)
		}
		for _, form := range []Form{Standard, SubAddress} {
			signed, err := ring.Sign(a, form, 20780)
			if err != c.want || err != nil && signed != (Signed{}) {
				t.Errorf("%s: Sign(%s, %v) = %+v, %v; want %v", c.name, c.address, form, signed, err, c.want)
			}
			if err != nil {
				continue
			}
			tagged := mustParse(t, signed.Address)
			if len(tagged.Local) > maxLocalLen {
				t.Errorf("%s: %s has a local part of %d octets", c.name, signed.Address, len(tagged.Local))
			}
			if _, err := ring.Sign(tagged, form, 20780); !errors.Is(err, ErrTagged) {
				t.Errorf("%s: signing %s again: %v, want ErrTagged", c.name, signed.Address, err)
			}
		}
	}
}

func TestSignIsConstantOnOneDayAndForOneAddress(t *testing.T) {
	ring := mustRing(t, Options{}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	seen := map[string]string{}
	for _, address := range []string{"user@example.com", "user@example.org", "users@example.com", "use@rexample.com"} {
		for day := Day(20780); day < 20783; day++ {
			signed, err := ring.Sign(mustParse(t, address), Standard, day)
			again, errAgain := ring.Sign(mustParse(t, address), Standard, day)
			if err != nil || errAgain != nil || again != signed {
				t.Fatalf("%s on %v: %+v, %v, then %+v, %v", address, day, signed, err, again, errAgain)
			}
			tag := signed.Address[:len(tagPrefix)+tagLen]
			if other, taken := seen[tag]; taken {
				t.Errorf("%s and %s on %v have the same tag %s", other, address, day, tag)
			}
			seen[tag] = address
		}
	}
}
