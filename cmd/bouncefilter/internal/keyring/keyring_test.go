package keyring_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/prvs"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func days(n int) time.Time { return start.AddDate(0, 0, n) }

// ring is an index in a folder of its own.
type ring struct {
	t    *testing.T
	path string
}

func newRing(t *testing.T) ring { return ring{t, filepath.Join(t.TempDir(), keyring.IndexName)} }

func (r ring) add(number int, domain string, at time.Time) (keyring.Key, error) {
	var key keyring.Key
	err := keyring.Update(r.path, func(k *keyring.Keyring) (err error) {
		key, err = k.Add(number, domain, keyring.NewSecret(), at)
		return err
	})
	return key, err
}

func (r ring) mustAdd(number int, domain string, at time.Time) keyring.Key {
	r.t.Helper()
	key, err := r.add(number, domain, at)
	if err != nil {
		r.t.Fatal(err)
	}
	return key
}

func (r ring) activate(number int, domain *string, at time.Time) error {
	return keyring.Update(r.path, func(k *keyring.Keyring) error {
		_, _, err := k.Activate(number, domain, at)
		return err
	})
}

func (r ring) retire(number int, force bool, at time.Time) error {
	return keyring.Update(r.path, func(k *keyring.Keyring) error {
		_, err := k.Retire(number, nil, 8*24*time.Hour, force, at)
		return err
	})
}

// states returns the index as "0 sign, 1 example.com verify".
func (r ring) states() string {
	r.t.Helper()
	k, problems := keyring.Load(r.path)
	if len(problems) > 0 {
		r.t.Fatal(problems)
	}
	var out []string
	for _, key := range k.Keys {
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%d %s %s", key.Number, key.Domain, key.State)), " "))
	}
	return strings.Join(out, ", ")
}

func (r ring) want(states string) {
	r.t.Helper()
	if got := r.states(); got != states {
		r.t.Errorf("got %s, want %s", got, states)
	}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v, want %q", err, part)
	}
}

func TestALifeOfKeys(t *testing.T) {
	r := newRing(t)
	r.mustAdd(keyring.AnyNumber, "", days(0))
	r.want("0 sign")
	r.mustAdd(keyring.AnyNumber, "", days(100))
	r.want("0 sign, 1 verify")
	if err := r.activate(1, nil, days(101)); err != nil {
		t.Fatal(err)
	}
	r.want("0 verify, 1 sign")
	wantError(t, r.retire(1, true, days(101)), "key 1 signs for all domains; activate another key first")
	wantError(t, r.retire(0, false, days(108)), "may be alive until "+days(109).Format(time.DateOnly))
	if err := r.retire(0, false, days(109)); err != nil {
		t.Fatal(err)
	}
	r.want("0 retired, 1 sign")
	wantError(t, r.activate(0, nil, days(110)), "no key in use has the number 0")
	wantError(t, r.retire(0, true, days(110)), "no key in use has the number 0")

	// The number rests for 1000 days after the key stopped signing.
	_, err := r.add(0, "", days(1100))
	wantError(t, err, "key number 0 was used until "+days(101).Format(time.DateOnly)+"; it must rest for 1000 days, until "+days(1101).Format(time.DateOnly))
	if key := r.mustAdd(keyring.AnyNumber, "", days(1100)); key.Number != 2 {
		t.Errorf("got number %d, want 2", key.Number)
	}
	if key := r.mustAdd(keyring.AnyNumber, "", days(1102)); key.Number != 0 || key.File != "key-0-2.secret" {
		t.Errorf("got %v in %s", key.Key, key.File)
	}
	r.want("0 retired, 1 sign, 2 verify, 0 verify")
}

func TestForceRetiresAKeyWhoseTagsLive(t *testing.T) {
	r := newRing(t)
	r.mustAdd(0, "", days(0))
	r.mustAdd(1, "", days(0))
	wantError(t, r.retire(1, false, days(1)), "or use --force") // imported, perhaps, and used before
	if err := r.retire(1, true, days(1)); err != nil {
		t.Error(err)
	}
	r.want("0 sign, 1 retired")
}

func TestKeysOfDomains(t *testing.T) {
	r := newRing(t)
	r.mustAdd(0, "", days(0))
	r.mustAdd(1, "a.example", days(0))
	r.mustAdd(1, "b.example", days(0))
	r.want("0 sign, 1 a.example verify, 1 b.example verify")
	_, err := r.add(0, "a.example", days(0))
	wantError(t, err, "key number 0 is in use for all domains")
	_, err = r.add(1, "", days(0))
	wantError(t, err, "key number 1 is in use for a.example")
	_, err = r.add(1, "A.Example", days(0))
	wantError(t, err, "key number 1 is in use")
	wantError(t, r.activate(1, nil, days(1)), "several keys have the number 1; say which one with --domain")
	b := "b.example"
	if err := r.activate(1, &b, days(1)); err != nil {
		t.Fatal(err)
	}
	r.want("0 sign, 1 a.example verify, 1 b.example sign")

	k, _ := keyring.Load(r.path)
	for domain, number := range map[string]uint8{"a.example": 0, "B.example": 1, "c.example": 0} {
		if key, ok := k.Signer(domain); !ok || key.Number != number {
			t.Errorf("%s: signed with %v", domain, key.Key)
		}
	}
	if ring, err := k.Ring(prvs.Options{}); err != nil {
		t.Error(err)
	} else if n, ok := ring.SigningKey("b.example"); !ok || n != 1 {
		t.Errorf("the ring signs with %d, %v", n, ok)
	}
}

func TestTenKeysAreAll(t *testing.T) {
	r := newRing(t)
	for range 10 {
		r.mustAdd(keyring.AnyNumber, "", days(0))
	}
	_, err := r.add(keyring.AnyNumber, "", days(0))
	wantError(t, err, "all ten key numbers are in use")
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key-0.secret")
	if err := os.WriteFile(path, []byte("precious\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keyring.CreateSecret(path, keyring.NewSecret()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), dangling); err != nil {
		t.Fatal(err)
	}
	if err := keyring.CreateSecret(dangling, keyring.NewSecret()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("through a symlink: %v", err)
	}
	r := ring{t, filepath.Join(dir, keyring.IndexName)}
	if key := r.mustAdd(0, "", days(0)); key.File != "key-0-2.secret" {
		t.Errorf("written to %s", key.File)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "precious\n" {
		t.Errorf("the file was changed: %q, %v", data, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".bouncefilter-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestFilesArePrivateAndHex(t *testing.T) {
	r := newRing(t)
	key := r.mustAdd(3, "a.example", days(0))
	if key.File != "key-3-a.example.secret" {
		t.Errorf("written to %s", key.File)
	}
	secret := filepath.Join(filepath.Dir(r.path), key.File)
	for _, path := range []string{r.path, secret} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	data, err := os.ReadFile(secret)
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).Match(data) {
		t.Errorf("32 octets in hex wanted, %d octets got, %v", len(data), err)
	}
	index, err := os.ReadFile(r.path)
	if err != nil || strings.Contains(string(index), strings.TrimSpace(string(data))) {
		t.Errorf("the index holds the secret, or %v", err)
	}
}

func TestReadSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for content, want := range map[string]string{"secret": "secret", "secret\n": "secret", "secret\n\n": "secret\n", " s ": " s "} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := keyring.ReadSecret(path); err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v", content, got, err)
		}
	}
	write := func(content string, mode fs.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		content string
		mode    fs.FileMode
		want    string
	}{
		{"", 0o600, "is empty"},
		{"\n", 0o600, "is empty"},
		{"hunter2", 0o640, "users other than its owner may use this secret (mode 0640); run chmod 600 " + path},
		{"hunter2", 0o604, "users other than its owner may use this secret (mode 0604)"},
		{"hunter2", 0o620, "users other than its owner may use this secret (mode 0620)"},
		{strings.Repeat("hunter2", 1000), 0o600, "is larger than 4096 octets"},
	} {
		write(tt.content, tt.mode)
		_, err := keyring.ReadSecret(path)
		wantError(t, err, path+": "+tt.want)
		if strings.Contains(err.Error(), "hunter2") {
			t.Error("the error shows the secret")
		}
	}
	_, err := keyring.ReadSecret(filepath.Dir(path))
	wantError(t, err, "is not a regular file")
	_, err = keyring.ReadSecret(path + "-none")
	wantError(t, err, "no such file")
}

func TestEnsureSecretMakesOneOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hash.secret")
	first, made, err := keyring.EnsureSecret(path)
	if err != nil || !made || len(first) != 64 {
		t.Fatalf("%d octets, %v, %v", len(first), made, err)
	}
	second, made, err := keyring.EnsureSecret(path)
	if err != nil || made || string(second) != string(first) {
		t.Errorf("another one: %v, %v", made, err)
	}
}

func TestAnIndexWithMistakes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, keyring.IndexName)
	index := `[[keys]]
number = 0
state = "sign"
file = "open.secret"

[[keys]]
number = 0
state = "sign"
file = "good.secret"

[[keys]]
number = 12
state = "on"
file = "none.secret"
created = "yesterday"
signed_until = "2026-11-23T12:00:00Z"

[[keys]]
state = "verify"
domain = "user@example.com"

[[keys]]
number = 5
state = "retired"
file = "gone.secret"
`
	for name, mode := range map[string]fs.FileMode{"open.secret": 0o644, "good.secret": 0o600} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, []byte("hunter2"), mode), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	k, problems := keyring.Load(path)
	got := strings.ReplaceAll(problems.Sorted().Error(), dir+"/", "")
	want := `keys.toml:4: keys[0].file: open.secret: users other than its owner may use this secret (mode 0644); run chmod 600 open.secret
keys.toml:7: keys[1].number: 0 is already used by keys[0]; give each key its own digit
keys.toml:8: keys[1].state: "sign" is already the state of keys[0]; let one key sign, the others "verify"
keys.toml:12: keys[2].number: 12 is not a key number; use a digit from 0 to 9
keys.toml:13: keys[2].state: "on" is not a state; use "verify", "sign" or "retired"
keys.toml:14: keys[2].file: none.secret: no such file; copy it from where it is, or name another one
keys.toml:15: keys[2].created: "yesterday" is not a date; write it like 2026-11-23T12:00:00Z
keys.toml:16: keys[2].signed_until: "2026-11-23T12:00:00Z" is not a date; write it like 2026-11-23
keys.toml:18: keys[3].number: is missing; give the key a digit from 0 to 9
keys.toml:18: keys[3].file: is missing; name the file that holds the secret
keys.toml:20: keys[3].domain: "user@example.com" is not a domain name; use a name such as "example.com", or "" for all domains`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if s := fmt.Sprintf("%v %+v %#v %x", k.Keys, k.Keys, k.Keys, k.Keys); strings.Contains(s, "hunter2") || strings.Contains(s, fmt.Sprintf("%x", "hunter2")) {
		t.Error("a printed key shows its secret")
	}

	// A wrong index is not written over.
	err := keyring.Update(path, func(*keyring.Keyring) error { t.Error("it was to be changed"); return nil })
	wantError(t, err, "is already used")
	if data, err := os.ReadFile(path); err != nil || string(data) != index {
		t.Errorf("it was changed, or %v", err)
	}
}

func TestAFailedChangeWritesNothing(t *testing.T) {
	r := newRing(t)
	r.mustAdd(0, "", days(0))
	before, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if err := keyring.Update(r.path, func(k *keyring.Keyring) error { k.Keys = nil; return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if after, err := os.ReadFile(r.path); err != nil || string(after) != string(before) {
		t.Errorf("changed, or %v", err)
	}
}

func TestUpdatesDoNotLoseEachOther(t *testing.T) {
	r := newRing(t)
	done := make(chan error)
	for range 10 {
		go func() {
			_, err := r.add(keyring.AnyNumber, "", start)
			done <- err
		}()
	}
	for range 10 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if k, problems := keyring.Load(r.path); len(problems) > 0 || len(k.Keys) != 10 {
		t.Errorf("%d keys, %v", len(k.Keys), problems)
	}
}

func TestFingerprintsTellSecretsApart(t *testing.T) {
	a, b := keyring.Fingerprint([]byte("a")), keyring.Fingerprint([]byte("b"))
	if a == b || !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(a) || a != keyring.Fingerprint([]byte("a")) {
		t.Errorf("got %s and %s", a, b)
	}
}
