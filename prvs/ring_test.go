package prvs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNewRingReportsAllProblemsAtOnce(t *testing.T) {
	ring, err := NewRing([]Key{
		{Number: 1, State: StateSign, Secret: []byte("top-secret-value")},
		{Number: 10, State: StateVerify, Secret: []byte("top-secret-value")},
		{Number: 1, State: StateVerify, Secret: []byte("top-secret-value")},
		{Number: 2, State: StateSign, Secret: []byte("top-secret-value")},
		{Number: 3, State: StateVerify},
		{Number: 4, State: 7, Secret: []byte("top-secret-value")},
		{Number: 1, State: StateSign, Domain: "example.com", Secret: []byte("top-secret-value")},
		{Number: 2, State: StateSign, Domain: "EXAMPLE.com", Secret: []byte("top-secret-value")},
		{Number: 5, State: StateVerify, Domain: "@example.com", Secret: []byte("top-secret-value")},
	}, Options{Lifetime: -1, Rotation: -2})
	if err == nil || ring != nil {
		t.Fatalf("NewRing = %v, %v; want an error", ring, err)
	}
	for _, want := range []string{
		"lifetime of -1 days",
		"rotation of -2 days",
		"keys[1], key 10 (verify): number is not a digit",
		"keys[2], key 1 (verify): number is used by keys[0] already",
		"keys[3], key 2 (sign): keys[0] signs for the same domain already",
		"keys[4], key 3 (verify): secret is empty",
		"keys[5], key 4 (state 7): state is unknown",
		"keys[7], key 2 of EXAMPLE.com (sign): keys[6] signs for the same domain already",
		`keys[8], key 5 of @example.com (verify): "@example.com" is no domain: special character in the domain`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 9 {
		t.Errorf("%d problems, want 9:\n%v", n, err)
	}
	if strings.Contains(err.Error(), "top-secret-value") {
		t.Errorf("the error shows a secret:\n%v", err)
	}
}

func TestNewRingLimitsTheLifetimeOfTags(t *testing.T) {
	const maxInt = int(^uint(0) >> 1)
	for _, c := range []struct {
		o  Options
		ok bool
	}{
		{Options{}, true},
		{Options{Lifetime: 1, Rotation: 1}, true},
		{Options{Lifetime: 499}, true},
		{Options{Lifetime: 500}, false},
		{Options{Lifetime: 490, Rotation: 10}, true},
		{Options{Lifetime: 490, Rotation: 11}, false},
		{Options{Rotation: 493}, true},
		{Options{Rotation: 494}, false},
		{Options{Lifetime: maxInt, Rotation: maxInt}, false},
		{Options{Lifetime: -1}, false},
		{Options{Rotation: -1}, false},
	} {
		if _, err := NewRing(nil, c.o); (err == nil) != c.ok {
			t.Errorf("%+v: %v, want ok %v", c.o, err, c.ok)
		}
	}
	ring := mustRing(t, Options{})
	if got, want := ring.Options(), (Options{Lifetime: 7, Rotation: 1, Delimiters: "+"}); got != want {
		t.Errorf("defaults are %+v, want %+v", got, want)
	}
}

func TestAnAbsentKeySignsNothingAndRefusesNothing(t *testing.T) {
	ring := mustRing(t, Options{},
		Key{Number: 1, State: StateSign, Secret: []byte("secret")},
		Key{Number: 2, State: StateSign, Domain: "example.com", Absent: true},
		Key{Number: 1, Domain: "twice.example", Absent: true},
		Key{Number: 4, Secret: []byte("ours")}, Key{Number: 4, Absent: true},
		Key{Number: 3, State: StateRetired, Absent: true})
	if n, ok := ring.SigningKey("example.com"); !ok || n != 2 {
		t.Errorf("SigningKey: %d, %v", n, ok)
	}
	today := Day(20780)
	if _, err := ring.Sign(Address{Local: "user", Domain: "example.com"}, Standard, today); err != ErrNoKey {
		t.Errorf("signed with another key in its place: %v", err)
	}
	signed, err := ring.Sign(Address{Local: "user", Domain: "twice.example"}, Standard, today)
	if err != nil {
		t.Fatal(err)
	}
	other, err := mustRing(t, Options{}, Key{Number: 4, State: StateSign, Secret: []byte("ours")}).Sign(Address{Local: "user", Domain: "example.com"}, Standard, today)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]Status{
		other.Address:                        Valid,
		"prvs=4787000000=user@example.com":   Unverifiable,
		signed.Address:                       Valid,
		"prvs=1787000000=user@twice.example": Unverifiable,
		"prvs=1787000000=user@example.net":   BadSignature,
		"prvs=2787000000=user@Example.com":   Unverifiable,
		"user+prvs=2787000000@example.com":   Unverifiable,
		"prvs=2787000000=user@example.net":   UnknownKey,
		"prvs=3787000000=user@example.com":   UnknownKey,
		"prvs=278700000=user@example.com":    Malformed,
		"user@example.com":                   Untagged,
	} {
		a, err := ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		r := ring.Verify(a, today)
		if r.Status != want || want == Unverifiable && r.Original.Local != "user" {
			t.Errorf("%s: %v of %v, want %v", address, r.Status, r.Original, want)
		}
	}
	for _, k := range []Key{{Number: 1, Absent: true, Secret: []byte("secret")}, {Number: 1}} {
		if _, err := NewRing([]Key{k}, Options{}); err == nil {
			t.Errorf("%v with a secret of %d octets, absent %v: no error", k, len(k.Secret), k.Absent)
		}
	}
}

func TestADomainsOwnSigningKeyComesBeforeTheGlobalOne(t *testing.T) {
	ring := mustRing(t, Options{},
		Key{Number: 1, State: StateSign, Secret: []byte("global")},
		Key{Number: 2, State: StateSign, Domain: "Own.example", Secret: []byte("own")},
		Key{Number: 3, State: StateVerify, Domain: "verify.example", Secret: []byte("verify")},
		Key{Number: 4, State: StateRetired, Domain: "retired.example", Secret: []byte("retired")},
	)
	for domain, want := range map[string]uint8{
		"example.com": 1, "own.example": 2, "OWN.EXAMPLE": 2, "verify.example": 1, "retired.example": 1, "sub.own.example": 1,
	} {
		number, ok := ring.SigningKey(domain)
		if number != want || !ok {
			t.Errorf("SigningKey(%q) = %d, %v; want %d", domain, number, ok, want)
		}
		signed, err := ring.Sign(Address{"user", domain}, Standard, 20780)
		if err != nil || signed.Number != want {
			t.Errorf("Sign for %q used key %d, %v; want %d", domain, signed.Number, err, want)
		}
		if got := ring.Verify(mustParse(t, signed.Address), 20780); got.Status != Valid || got.Number != want {
			t.Errorf("Verify(%q) = %+v", signed.Address, got)
		}
	}
}

func TestWithoutASigningKeyOnlyVerifyWorks(t *testing.T) {
	signer := mustRing(t, Options{}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	signed, err := signer.Sign(Address{"user", "example.com"}, Standard, 20780)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keys []Key
		want Status
	}{
		{nil, UnknownKey},
		{[]Key{{Number: 1, State: StateVerify, Secret: []byte("secret")}}, Valid},
		{[]Key{{Number: 1, State: StateRetired, Secret: []byte("secret")}}, UnknownKey},
		{[]Key{{Number: 2, State: StateVerify, Secret: []byte("secret")}}, UnknownKey},
		{[]Key{{Number: 1, State: StateVerify, Secret: []byte("other")}}, BadSignature},
		{[]Key{{Number: 1, State: StateVerify, Domain: "example.com", Secret: []byte("secret")}}, Valid},
		{[]Key{{Number: 1, State: StateVerify, Domain: "example.org", Secret: []byte("secret")}}, UnknownKey},
	} {
		ring := mustRing(t, Options{}, c.keys...)
		if _, ok := ring.SigningKey("example.com"); ok {
			t.Errorf("%v: there is a signing key", c.keys)
		}
		if s, err := ring.Sign(Address{"user", "example.com"}, Standard, 20780); err != ErrNoKey || s != (Signed{}) {
			t.Errorf("%v: Sign = %+v, %v; want ErrNoKey", c.keys, s, err)
		}
		if got := ring.Verify(mustParse(t, signed.Address), 20780).Status; got != c.want {
			t.Errorf("%v: Verify = %v, want %v", c.keys, got, c.want)
		}
	}
}

// When a domain gets its own key, tags of the global key with the same number are still in use.
func TestADomainsKeyDoesNotHideTheGlobalKeyOfTheSameNumber(t *testing.T) {
	global := Key{Number: 3, State: StateSign, Secret: []byte("global")}
	signed, err := mustRing(t, Options{}, global).Sign(Address{"user", "example.com"}, Standard, 20780)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []State{StateVerify, StateSign, StateRetired} {
		own := Key{Number: 3, State: state, Domain: "example.com", Secret: []byte("own")}
		if got := mustRing(t, Options{}, global, own).Verify(mustParse(t, signed.Address), 20780); got.Status != Valid {
			t.Errorf("with %v: %v, want valid", own, got.Status)
		}
	}
}

// An operator who revokes a key must be able to distinguish its tags from those of the other key with the same number.
func TestAResultSaysWhoseKeyItWas(t *testing.T) {
	global := Key{Number: 3, State: StateSign, Secret: []byte("global")}
	own := Key{Number: 3, State: StateSign, Domain: "example.com", Secret: []byte("own")}
	both := mustRing(t, Options{}, global, own)
	for _, c := range []struct {
		signer *Ring
		domain string
		want   string
	}{
		{mustRing(t, Options{}, global), "example.com", ""},
		{both, "Example.com", "example.com"},
		{both, "example.org", ""},
	} {
		signed, err := c.signer.Sign(Address{"user", c.domain}, Standard, 20780)
		if err != nil {
			t.Fatal(err)
		}
		for day, status := range map[Day]Status{20780: Valid, 20788: Expired} {
			if got := both.Verify(mustParse(t, signed.Address), day); got.Status != status || got.KeyDomain != c.want {
				t.Errorf("%s on day %d: %+v", signed.Address, day, got)
			}
		}
	}
	if got := both.Verify(mustParse(t, "prvs=3787000000=user@example.com"), 20780); got.Status != BadSignature || got.KeyDomain != "" {
		t.Errorf("forged: %+v", got)
	}
}

func TestNumbers(t *testing.T) {
	ring := mustRing(t, Options{},
		Key{State: StateSign, Number: 1, Secret: []byte("a")}, Key{State: StateVerify, Number: 2, Secret: []byte("b")},
		Key{State: StateRetired, Number: 3, Secret: []byte("c")}, Key{Number: 4, Absent: true},
		Key{State: StateSign, Number: 5, Domain: "*.example.edu", Secret: []byte("d")}, Key{Number: 1, Domain: "cs.example.edu", Secret: []byte("e")},
	)
	for domain, want := range map[string]string{"example.com": "[1 2 4]", "example.edu": "[1 2 4]", "WWW.example.edu": "[5 1 2 4]", "cs.example.edu": "[1 5 2 4]"} {
		if got := fmt.Sprint(ring.Numbers(domain)); got != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
	}
}

func TestRingHasItsOwnCopyOfSecrets(t *testing.T) {
	secret := []byte("secret")
	ring := mustRing(t, Options{}, Key{State: StateSign, Secret: secret})
	before, err := ring.Sign(Address{"user", "example.com"}, Standard, 20780)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	after, err := ring.Sign(Address{"user", "example.com"}, Standard, 20780)
	if err != nil || after != before {
		t.Errorf("after the caller cleared the secret: %+v, %v; want %+v", after, err, before)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	const secret = "Q7"
	leaks := []string{secret, "5137", "[81 55]", "81, 55", "0x51", "UTc="} // text, hex, decimal, Go syntax, base64
	key := Key{Number: 1, State: StateSign, Domain: "example.com", Secret: []byte(secret)}
	ring := mustRing(t, Options{}, key)

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "% x"} {
		fmt.Fprintf(&out, verb+"\n", key)
		fmt.Fprintf(&out, verb+"\n", &key)
		fmt.Fprintf(&out, verb+"\n", []Key{key})
		fmt.Fprintf(&out, verb+"\n", struct{ K Key }{key})
		fmt.Fprintf(&out, verb+"\n", ring)
	}
	fmt.Fprintln(&out, key.String(), key.GoString(), key, []any{key, ring})
	for _, logger := range []*slog.Logger{
		slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil)),
	} {
		logger.Info("key", "key", key, "pointer", &key, "list", []Key{key}, "ring", ring)
	}
	encoded, err := json.Marshal([]any{key, ring})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)

	for _, leak := range leaks {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q shows the secret:\n%s", leak, out.String())
		}
	}
	for _, want := range []string{"key 1 of example.com (sign)", "key.number=1 key.domain=example.com key.state=sign"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line reads %q:\n%s", want, out.String())
		}
	}
}

func TestNamesAreReadBackAsTheyAreWritten(t *testing.T) {
	for f, name := range map[Form]string{Standard: "standard", SubAddress: "sub-address"} {
		if got, err := ParseForm(name); got != f || err != nil || f.String() != name {
			t.Errorf("form %q: ParseForm = %v, %v; String = %q", name, got, err, f)
		}
	}
	for s, name := range map[State]string{StateVerify: "verify", StateSign: "sign", StateRetired: "retired"} {
		if got, err := ParseState(name); got != s || err != nil || s.String() != name {
			t.Errorf("state %q: ParseState = %v, %v; String = %q", name, got, err, s)
		}
	}
	for s, name := range map[Status]string{
		Untagged: "untagged", Valid: "valid", Expired: "expired", BadSignature: "bad-signature",
		UnknownKey: "unknown-key", Malformed: "malformed",
	} {
		if s.String() != name {
			t.Errorf("status %q: String = %q", name, s)
		}
	}
	for _, name := range []string{"", "Standard", "form 9", "Sign", "state 3"} {
		if f, err := ParseForm(name); err == nil {
			t.Errorf("ParseForm(%q) = %v, want an error", name, f)
		}
		if s, err := ParseState(name); err == nil {
			t.Errorf("ParseState(%q) = %v, want an error", name, s)
		}
	}
	if Form(9).String() != "form 9" || State(9).String() != "state 9" || Status(9).String() != "status 9" {
		t.Errorf("unknown values print as %v, %v, %v", Form(9), State(9), Status(9))
	}
}
