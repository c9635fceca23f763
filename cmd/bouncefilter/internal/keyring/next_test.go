package keyring_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// update changes the index.
func (r ring) update(change func(k *keyring.Keyring) error) error {
	r.t.Helper()
	return keyring.Update(r.path, change)
}

func (r ring) load() *keyring.Keyring {
	r.t.Helper()
	k, problems := keyring.LoadUsable(r.path)
	if len(problems) > 0 {
		r.t.Fatal(problems)
	}
	return k
}

func TestRotate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(r ring)
		domain string
		want   string // states, if it works
		err    string
	}{
		{name: "one key", before: func(r ring) { r.mustAdd(0, "", days(0)) }, want: "0 sign, 1 verify"},
		{name: "no key", before: func(ring) {}, err: "there is no key for all domains to be replaced"},
		{name: "key of a domain that had none", domain: "a.example", before: func(r ring) { r.mustAdd(0, "", days(0)) }, want: "0 sign, 1 a.example verify"},
		{name: "a domain whose key is not for all", before: func(r ring) { r.mustAdd(0, "a.example", days(0)) }, err: "there is no key for all domains"},
		{name: "a rotation is under way", before: func(r ring) {
			r.mustAdd(0, "", days(0))
			r.mustRotate("")
		}, err: "a rotation for all domains is under way: key 1"},
		{name: "a rotation of another domain is under way", before: func(r ring) {
			r.mustAdd(0, "", days(0))
			r.mustRotate("a.example")
		}, want: "0 sign, 1 a.example verify, 2 verify"},
		{name: "a rotation was asked for", before: func(r ring) {
			r.mustAdd(0, "", days(0))
			if err := r.update(func(k *keyring.Keyring) error { return k.RequestRotation("") }); err != nil {
				r.t.Fatal(err)
			}
		}, err: "the daemon has not made the key yet"},
		{name: "a key that was retired rests", before: func(r ring) {
			r.mustAdd(0, "", days(-900))
			r.mustAdd(1, "", days(-900))
			if err := r.activate(1, nil, days(-800)); err != nil {
				r.t.Fatal(err)
			}
			if err := r.retire(0, true, days(-700)); err != nil {
				r.t.Fatal(err)
			}
		}, want: "0 retired, 1 sign, 2 verify"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRing(t)
			tt.before(r)
			err := r.update(func(k *keyring.Keyring) error {
				_, err := k.Rotate(tt.domain, keyring.NewSecret(), days(1))
				return err
			})
			if tt.err != "" {
				wantError(t, err, tt.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			r.want(tt.want)
			if next, ok := r.load().Next(strings.ToUpper(tt.domain)); !ok || next.State != prvs.StateVerify || !next.Created.Equal(days(1)) {
				t.Errorf("next is %v, %v", next.Key, ok)
			}
		})
	}
}

func (r ring) mustRotate(domain string) {
	r.t.Helper()
	if err := r.update(func(k *keyring.Keyring) error {
		_, err := k.Rotate(domain, keyring.NewSecret(), days(0))
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
}

func TestAKeyThatWasActivatedOrRetiredIsNotTheNext(t *testing.T) {
	for name, change := range map[string]func(r ring) error{
		"activated":            func(r ring) error { return r.activate(1, nil, days(1)) },
		"another is activated": func(r ring) error { r.mustAdd(2, "", days(0)); return r.activate(2, nil, days(1)) },
		"retired":              func(r ring) error { return r.retire(1, true, days(1)) },
	} {
		r := newRing(t)
		r.mustAdd(0, "", days(0))
		r.mustRotate("")
		if err := change(r); err != nil {
			t.Fatal(err)
		}
		if next, ok := r.load().Next(""); ok {
			t.Errorf("%s: next is still %v", name, next.Key)
		}
	}
}

func TestAdopt(t *testing.T) {
	r := newRing(t)
	r.mustAdd(0, "", days(0))
	if err := r.update(func(k *keyring.Keyring) error { return k.RequestRotation("") }); err != nil {
		t.Fatal(err)
	}
	adopt := func(number uint8, domain string) error {
		return r.update(func(k *keyring.Keyring) error {
			k.DropRequest(domain)
			_, err := k.Adopt(prvs.Key{Number: number, Domain: domain, Secret: []byte("theirs")}, days(3), days(5))
			return err
		})
	}
	wantError(t, adopt(0, ""), "key number 0 is in use")
	if !r.load().RotationRequested("") {
		t.Error("what failed has changed the index")
	}
	if err := adopt(4, ""); err != nil {
		t.Fatal(err)
	}
	r.want("0 sign, 4 verify")
	k := r.load()
	if next, ok := k.Next(""); !ok || string(next.Secret) != "theirs" || !next.Created.Equal(days(3)) || k.RotationRequested("") {
		t.Errorf("next is %v made at %v, wanted %v", next.Key, next.Created, k.RotationRequested(""))
	}
	// The first key of a domain does not sign at once either.
	s := newRing(t)
	s.mustAdd(0, "a.example", days(0))
	r = s
	if err := adopt(1, "b.example"); err != nil {
		t.Fatal(err)
	}
	r.want("0 a.example sign, 1 b.example verify")
}

func TestKeysAreDueAfterTheLastNodeHasStoppedSigning(t *testing.T) {
	r := newRing(t)
	r.mustAdd(0, "", days(0))
	r.mustAdd(1, "", days(0))
	r.mustAdd(2, "", days(0)) // has never signed
	if err := r.activate(1, nil, days(10)); err != nil {
		t.Fatal(err)
	}
	r.mustRotate("")
	due := func(day int) string {
		var numbers strings.Builder
		for _, key := range r.load().Due(61*24*60*60e9, days(day)) {
			numbers.WriteByte('0' + key.Number)
		}
		return numbers.String()
	}
	if got := due(70) + " " + due(71) + " " + due(500); got != " 0 0" {
		t.Errorf("got %q", got)
	}
	for i, want := range []bool{true, false} {
		if err := r.update(func(k *keyring.Keyring) error {
			if news := k.SignedElsewhere(0, "", days(30)); news != want {
				t.Errorf("time %d: news %v", i, news)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got := due(90) + " " + due(91); got != " 0" {
		t.Errorf("after another node has signed: %q", got)
	}
}

func TestUnreadableSecretsLeaveTheOthersUsable(t *testing.T) {
	r := newRing(t)
	lost := filepath.Join(filepath.Dir(r.path), r.mustAdd(0, "", days(0)).File)
	r.mustAdd(1, "", days(0))
	for _, spoil := range []struct {
		name string
		do   func() error
	}{
		{"empty", func() error { return os.Truncate(lost, 0) }},
		{"gone", func() error { return os.Remove(lost) }},
	} {
		name := spoil.name
		if err := spoil.do(); err != nil {
			t.Fatal(err)
		}
		if _, problems := keyring.Load(r.path); len(problems) != 1 {
			t.Errorf("%s: Load finds %v", name, problems)
		}
		k := r.load()
		if len(k.Unreadable) != 1 || !k.Keys[0].Absent || k.Keys[1].Absent {
			t.Errorf("%s: %v", name, k.Unreadable)
		}
		ring, err := k.Ring(prvs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := ring.SigningKey("example.com"); !ok || n != 0 {
			t.Errorf("%s: signs with %d, %v", name, n, ok)
		}
		wantError(t, r.activate(0, nil, days(1)), "the secret of key 0 cannot be read")
	}
	// It is not in the way of another one.
	r.mustRotate("")
	if err := r.activate(2, nil, days(1)); err != nil {
		t.Fatal(err)
	}
	if k := r.load(); k.Keys[0].State != prvs.StateVerify || k.Keys[2].State != prvs.StateSign {
		t.Errorf("got %v", k.Keys)
	}
}

func TestOnlyAKeyThatVerifiesCanBeTheNext(t *testing.T) {
	r := newRing(t)
	r.mustAdd(0, "", days(0))
	data, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path, append(data, "next = true\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems := keyring.Load(r.path)
	wantError(t, problems.Err(), "keys[0].next: true is for keys that verify; remove it")
}
