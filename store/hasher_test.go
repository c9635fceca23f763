package store_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// The values are part of the stored format: records of an older version must be found by a newer one. They were
// computed with another implementation:
//
//	printf 't\0\0\0\020user@example.com\0\0\121\064\001' | openssl dgst -sha256 -hmac secret
//	printf 'u\0\0\0\020user@example.com' | openssl dgst -sha256 -hmac secret
//	printf 'e\0\0\0\020user@example.com\0\0\121\064\001\0\0\0\022friend@example.org' | openssl dgst -sha256 -hmac secret
//	printf 'm\0\0\0\020user@example.com\0\0\0\0151@example.com' | openssl dgst -sha256 -hmac secret
//	printf 'g\0\0\0\020user@example.com\0\0\0\0121787000000' | openssl dgst -sha256 -hmac secret
//
// and the first octet is the highest of FNV-1a of the address, whose offset basis is combined (exclusive or) with octets 2 to 5 of
//
//	printf h | openssl dgst -sha256 -hmac secret
func TestHasherVectors(t *testing.T) {
	h := store.NewHasher([]byte("secret"))
	for _, test := range []struct {
		name string
		got  store.Key
		want string
	}{
		{"tag", h.Tag("user@example.com", 20788, 1), "bce1f113c433bae202fc350c5fa5bcad"},
		{"unsigned", h.Unsigned("user@example.com"), "bc39d40a2d3a48fc12674ce061af9b87"},
		{"message", h.Message("user@example.com", "1@example.com"), "bcf41bc5026d5ce0ba1c41f24bf7a12e"},
		{"proven", h.Proven("user@example.com", "1@example.com"), "bcdb85c05f94bc38a20b73fec97ca59c"},
		{"correspondent", h.Correspondent("user@example.com", "example.org"), "bcf26fecbed893d73e76b83fc4010e6f"},
		{"trusted", h.Trusted("user@example.com"), "bc51e10abbb32421c34b3a77aadbc9ad"},
		{"unproven", h.Unproven("user@example.com"), "bcc06d43599c8089f94490aba6adf41f"},
		{"unclear", h.Unclear("user@example.com"), "bc57452e60f00aba9741305c6256e215"},
		{"answered", h.Answered("user@example.com", 20788, 1), "bcc4a66362945554e434424995dd1471"},
		{"failed", h.Failed("user@example.com", 20788, 1), "bc21039a440a23d93d4144c4c32f8ef6"},
		{"wrong tag", h.WrongTag("user@example.com", "1787000000"), "bc5b289ef2e005d6d464503c2e848961"},
		{"failed recipient", h.FailedRecipient("user@example.com", 20788, 1, "friend@example.org"), "bc5d97da8bd6aa18e5acef450a5626bf"},
	} {
		if got := hex.EncodeToString(test.got[:]); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	if got := h.Revocation("sender", "user@example.com"); got != "7ba5ac910ba2" {
		t.Errorf("revocation: %s", got)
	}
}

func TestHasherTellsEverythingApart(t *testing.T) {
	h := store.NewHasher([]byte("secret"))
	other := store.NewHasher([]byte("Secret"))
	long := strings.Repeat("a", 100_000)
	seen := make(map[store.Key]string)
	for name, k := range map[string]store.Key{
		"tag":                 h.Tag("user@example.com", 20788, 1),
		"another secret":      other.Tag("user@example.com", 20788, 1),
		"another sender":      h.Tag("user@example.net", 20788, 1),
		"another case":        h.Tag("User@example.com", 20788, 1),
		"another day":         h.Tag("user@example.com", 20789, 1),
		"1000 days later":     h.Tag("user@example.com", 21788, 1),
		"another key number":  h.Tag("user@example.com", 20788, 2),
		"no sender":           h.Tag("", 20788, 1),
		"a long sender":       h.Tag(long, 20788, 1),
		"a longer sender":     h.Tag(long+"a", 20788, 1),
		"unsigned":            h.Unsigned("user@example.com"),
		"unsigned, no sender": h.Unsigned(""),
		"message":             h.Message("user@example.com", "1@example.com"),
		"its bounces":         h.Proven("user@example.com", "1@example.com"),
		"another Message-ID":  h.Message("user@example.com", "2@example.com"),
		"fields shifted":      h.Message("user@example.com1", "@example.com"),
		"correspondent":       h.Correspondent("user@example.com", "1@example.com"),
		"trusted":             h.Trusted("user@example.com"),
		"unproven":            h.Unproven("user@example.com"),
		"unclear":             h.Unclear("user@example.com"),
		"answered":            h.Answered("user@example.com", 20788, 1),
		"failed":              h.Failed("user@example.com", 20788, 1),
		"failed recipient":    h.FailedRecipient("user@example.com", 20788, 1, "friend@example.org"),
		"another recipient":   h.FailedRecipient("user@example.com", 20788, 1, "friend@example.net"),
		"wrong tag":           h.WrongTag("user@example.com", "1787000000"),
		"no recipient":        h.FailedRecipient("user@example.com", 20788, 1, ""),
		// What a hash without lengths would take for the tag.
		"fields run together": h.Unsigned("user@example.com\x00\x00\x51\x34\x01"),
	} {
		if twin, ok := seen[k]; ok {
			t.Errorf("%s and %s have the same key", name, twin)
		}
		seen[k] = name
	}
}

func TestHasherIsSafeForManyCallers(t *testing.T) {
	h := store.NewHasher([]byte("secret"))
	var wait sync.WaitGroup
	for c := range 8 {
		sender := fmt.Sprintf("user%d@example.com", c)
		want := h.Tag(sender, 20788, 1)
		wait.Go(func() {
			for range 1000 {
				if h.Tag(sender, 20788, 1) != want {
					t.Error("the key changed")
					return
				}
			}
		})
	}
	wait.Wait()
}

func TestHasherCopiesItsSecret(t *testing.T) {
	secret := []byte("secret")
	h := store.NewHasher(secret)
	want := h.Tag("user@example.com", 20788, 1)
	clear(secret)
	if store.NewHasher([]byte("secret")).Tag("user@example.com", 20788, 1) != want {
		t.Error("the same secret gives another key")
	}
	if h2 := h.Unsigned("x"); h2 != store.NewHasher([]byte("secret")).Unsigned("x") {
		t.Error("the key depends on what became of the caller's secret")
	}
}

func TestHasherShowsNoSecret(t *testing.T) {
	const secret = "\x61hunter2-hunter2"
	h := store.NewHasher([]byte(secret))
	h.Tag("user@example.com", 20788, 1) // Puts a used state into the pool.
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", struct{ H *store.Hasher }{h})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "h", h)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "h", h)
	for _, shown := range []string{secret, hex.EncodeToString([]byte(secret)), "97 104 117 110", "aHVudGVy"} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(shown)) {
			t.Errorf("the output shows %q:\n%s", shown, &out)
		}
	}
}

func TestHasherAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool drop values")
	}
	h := store.NewHasher([]byte("secret"))
	if n := testing.AllocsPerRun(1000, func() { h.Tag("user@example.com", 20788, 1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSealedValuesOpenUnderTheSameSecretAndUseAlone(t *testing.T) {
	h, other := store.NewHasher([]byte("secret")), store.NewHasher([]byte("another"))
	box := h.Seal("keys/3", []byte("value"))
	if value, err := store.NewHasher([]byte("secret")).Open("keys/3", box); err != nil || string(value) != "value" {
		t.Errorf("opened %q, %v", value, err)
	}
	if bytes.Contains(box, []byte("value")) || bytes.Equal(box, h.Seal("keys/3", []byte("value"))) {
		t.Error("the box shows what is in it")
	}
	flipped := bytes.Clone(box)
	flipped[len(flipped)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another secret": func() ([]byte, error) { return other.Open("keys/3", box) },
		"another use":    func() ([]byte, error) { return h.Open("keys/4", box) },
		"a changed box":  func() ([]byte, error) { return h.Open("keys/3", flipped) },
		"a short box":    func() ([]byte, error) { return h.Open("keys/3", box[:5]) },
		"nothing":        func() ([]byte, error) { return h.Open("keys/3", nil) },
	} {
		if value, err := open(); !errors.Is(err, store.ErrSealed) {
			t.Errorf("%s: opened %q, %v", name, value, err)
		}
	}
}

func TestKeysOfOneSenderBeginAlike(t *testing.T) {
	h := store.NewHasher([]byte("secret"))
	first := h.Tag("user@example.com", 1, 1)[0]
	for name, k := range map[string]store.Key{
		"another day":              h.Tag("user@example.com", 2, 3),
		"a message":                h.Message("user@example.com", "1@example.com"),
		"a correspondent":          h.Correspondent("user@example.com", "example.net"),
		"with an extension":        h.Unsigned("user+shop@example.com"),
		"with an extension of two": h.Trusted("user+shop+new@example.com"),
		"what a tag was answered":  h.Answered("user@example.com", 1, 1),
		"about whom":               h.FailedRecipient("user@example.com", 1, 1, "friend@example.org"),
		"what its messages proved": h.Proven("user+@example.com", "1@example.com"),
	} {
		if k[0] != first {
			t.Errorf("%s: %02x, want %02x", name, k[0], first)
		}
	}
	var seen [256]int
	for n := range 25600 {
		seen[h.Unsigned(fmt.Sprintf("user%d@example.com", n))[0]]++
	}
	for octet, n := range seen {
		if n < 40 || n > 200 {
			t.Errorf("of 25600 senders %d have the first octet %02x", n, octet)
		}
	}
}
