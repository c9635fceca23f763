package prvs

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// fuzzDay is the day of the hashes in the vectors, so that some seeds are valid.
const fuzzDay = Day(20780)

// seedAddresses returns the addresses of the vectors and some malformed ones. readVectors fails if there are no vectors.
func seedAddresses(t testing.TB) []string {
	t.Helper()
	seeds := []string{
		"", "<>", "<", "user", "@", "user@", "<@a,@[IPv6:::1]:user@b>", "a@b@c", `"a@b"@c`, `""@a`, `"\""@a`, `a"b c"d@e`,
		"a..b@c", ".@a", "\xff@a", "a@\xff", "İ@K.example", "ẞ@a", strings.Repeat("Ⱥ", MaxAddressLen/2) + "@a",
		`"+prvs="@a`, `"a+prvs=1787000000+b"@c`, `prvs="`, "a+prvs=+prvs=@b",
	}
	for _, v := range readVectors(t) {
		seeds = append(seeds, v.fields["address"])
		if signed := v.fields["signed"]; signed != "" {
			seeds = append(seeds, signed)
		}
	}
	return seeds
}

func fuzzRing(t testing.TB, o Options) *Ring {
	return mustRing(t, o,
		Key{Number: 1, State: StateSign, Secret: []byte("secret")},
		Key{Number: 0, State: StateVerify, Secret: []byte("secret")},
		Key{Number: 1, State: StateVerify, Domain: "example.org", Secret: []byte("other")},
	)
}

// A parsed address prints as text that parses to the same address. A folded one is an address, folds to itself, and is what
// is hashed. The error for a refused input has a position inside the input.
func FuzzParseAddress(f *testing.F) {
	for _, s := range seedAddresses(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			var problem *AddressError
			if !errors.As(err, &problem) || problem.Problem == "" || problem.Pos < 0 || problem.Pos > len(s) ||
				len(problem.Input) > maxErrorInput+len("...") {
				t.Fatalf("ParseAddress(%q) failed with %#v", s, err)
			}
			return
		}
		if again, err := ParseAddress(a.String()); err != nil || again != a {
			t.Fatalf("ParseAddress(%q) = %#v, and of that %#v, %v", s, a, again, err)
		}
		if text := a.String(); !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n\t\x7f") {
			t.Fatalf("ParseAddress(%q) let %q through", s, text)
		}
		folded := a.Fold()
		if again := folded.Fold(); again != folded {
			t.Fatalf("%#v folds to %#v, and that to %#v", a, folded, again)
		}
		if wire := folded.String(); len(wire) <= MaxAddressLen { // A letter may need more octets in lower case.
			if again, err := ParseAddress(wire); err != nil || again != folded {
				t.Fatalf("%#v folds to %#v, which parses to %#v, %v", a, folded, again, err)
			}
		}
		if hashed := string(appendAddress(nil, a, true, true)); hashed != folded.String() {
			t.Fatalf("%#v is hashed as %q, and folds to %q", a, hashed, folded)
		}
	})
}

// Every address that can be signed verifies on each day until its tag expires, and not on the day after, in both forms, and
// after relays have changed its case.
func FuzzSignVerify(f *testing.F) {
	for i, s := range seedAddresses(f) {
		f.Add(s, i%2 == 0, int32(fuzzDay)+int32(i), uint16(i), uint16(i/2))
	}
	f.Fuzz(func(t *testing.T, s string, subAddress bool, day int32, lifetime, rotation uint16) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		form := Standard
		if subAddress {
			form = SubAddress
		}
		ring := fuzzRing(t, Options{Lifetime: int(lifetime % 250), Rotation: int(rotation % 250)})
		today := Day(day % 1_000_000) // until the year 4707
		signed, err := ring.Sign(a, form, today)
		if want := CanSign(a); err != want {
			t.Fatalf("CanSign(%#v) = %v, but Sign failed with %v", a, want, err)
		}
		if err != nil {
			return
		}

		for name, wire := range map[string]string{
			"as signed":     signed.Address,
			"in lower case": strings.ToLower(signed.Address),
			"in capitals":   capitals(signed.Address),
		} {
			tagged, err := ParseAddress(wire)
			if err != nil {
				t.Fatalf("%#v was signed as %q, which %s is no address: %v", a, signed.Address, name, err)
			}
			if len(signed.Address) == len(wire) && len(tagged.Local) > maxLocalLen {
				t.Fatalf("%#v was signed as %q, which has a local part of %d octets", a, wire, len(tagged.Local))
			}
			for _, d := range []Day{today, (today + signed.Expiry) / 2, signed.Expiry, signed.Expiry + 1} {
				want := Result{Status: Valid, Number: 1, Expiry: signed.Expiry, Form: form}
				if d > signed.Expiry {
					want.Status = Expired
				}
				got := ring.Verify(tagged, d)
				want.Original, want.Sender = got.Original, got.Original
				if got != want {
					t.Fatalf("%#v was signed on %v as %q; %s it is on %v %+v, want %+v", a, today, wire, name, d, got, want)
				}
				if got.Original.Fold() != a.Fold() {
					t.Fatalf("%#v was signed as %q; %s its original is %#v", a, wire, name, got.Original)
				}
			}
		}
	})
}

// capitals returns an address in upper case, as a relay that knows only ASCII writes it.
func capitals(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// For every address the result of Verify is consistent, and the sender of a valid tag can be signed.
func FuzzVerify(f *testing.F) {
	ring := fuzzRing(f, Options{})
	valid := 0
	for _, s := range seedAddresses(f) {
		f.Add(s, int32(fuzzDay))
		if a, err := ParseAddress(s); err == nil && ring.Verify(a, fuzzDay).Status == Valid {
			valid++
		}
	}
	if valid < 20 {
		f.Fatalf("%d seeds are valid; the vectors have more", valid)
	}
	f.Fuzz(func(t *testing.T, s string, day int32) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		today := Day(day % 1_000_000)
		got := ring.Verify(a, today)
		if original, err := ParseAddress(got.Original.String()); err != nil || original != got.Original {
			t.Fatalf("Verify(%#v) has the original %#v, which parses to %#v, %v", a, got.Original, original, err)
		}
		remaining := got.Expiry - today
		switch got.Status {
		case Untagged:
			if got != (Result{Original: a, Sender: a}) {
				t.Fatalf("Verify(%#v) = %+v", a, got)
			}
		case Malformed:
			if got.Number != 0 || got.Expiry != 0 {
				t.Fatalf("Verify(%#v) = %+v", a, got)
			}
		case Valid:
			if remaining < 0 || remaining > 7 {
				t.Fatalf("Verify(%#v) on %v = %+v", a, today, got)
			}
			signsAgain(t, ring, a, got, today)
		case Expired, BadSignature, UnknownKey:
			if got.Original.Local == "" || remaining > 7 || remaining < 7-cycle {
				t.Fatalf("Verify(%#v) on %v = %+v", a, today, got)
			}
		default:
			t.Fatalf("Verify(%#v) = %+v", a, got)
		}
	})
}

// signsAgain checks that the sender of an address with a valid tag can be signed, and that the result verifies.
func signsAgain(t *testing.T, ring *Ring, a Address, got Result, today Day) {
	signed, err := ring.Sign(got.Sender, got.Form, today)
	switch {
	case errors.Is(err, ErrTooLong), errors.Is(err, ErrTagged), errors.Is(err, ErrNoDomain):
		return // Other products sign such addresses.
	case err != nil:
		t.Fatalf("Verify(%#v) = %+v, but its sender cannot be signed: %v", a, got, err)
	}
	tagged, err := ParseAddress(signed.Address)
	if err != nil {
		t.Fatal(err)
	}
	again := ring.Verify(tagged, today)
	if again.Status != Valid || again.Original.Fold() != got.Sender.Fold() {
		t.Fatalf("Verify(%#v) = %+v, but its sender signed is %q: %+v", a, got, signed.Address, again)
	}
}

// An attacker who changes one octet of a signed address gets no valid tag for another address. By design each change has a
// chance of about one in 2^22, which a fuzzer does find; only a flaw works under three keys at once.
func FuzzForge(f *testing.F) {
	for i, s := range seedAddresses(f) {
		f.Add(s, uint16(i), byte('0'+i%80))
	}
	var rings []*Ring
	for _, secret := range []string{"secret", "other", "third"} {
		rings = append(rings, mustRing(f, Options{}, Key{Number: 1, State: StateSign, Secret: []byte(secret)}))
	}
	f.Fuzz(func(t *testing.T, s string, at uint16, octet byte) {
		a, err := ParseAddress(s)
		if err != nil || CanSign(a) != nil {
			return
		}
		for _, form := range []Form{Standard, SubAddress} {
			forgeries := 0
			var last string
			for _, ring := range rings {
				signed, err := ring.Sign(a, form, fuzzDay)
				if err != nil {
					t.Fatal(err)
				}
				forged := []byte(signed.Address)
				forged[int(at)%len(forged)] = octet
				b, err := ParseAddress(string(forged))
				if err != nil {
					continue
				}
				if got := ring.Verify(b, fuzzDay); got.Status == Valid && got.Sender.Fold() != a.Fold() {
					forgeries++
					last = string(forged)
				}
			}
			if forgeries == len(rings) {
				t.Fatalf("%q, made of %#v with a tag, is valid", last, a)
			}
		}
	})
}
