package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// The secret, tags and dates are published vectors of the draft as Exim computes them.
func TestSignAndVerify(t *testing.T) {
	w := newWorld(t)
	secret := w.file("secret", "secret\n", 0o600)
	with := func(number string, args ...string) []string {
		return append([]string{args[0], "--secret-file", secret, "--key-number", number}, args[1:]...)
	}
	const long = "a-local-part-of-forty-nine-octets-is-one-too-many"
	tests := []struct {
		name   string
		args   []string
		status int
		stdout string
		stderr string // part of it
	}{
		{"sign", with("0", "sign", "user@example.com"), 0, "prvs=0787788259=user@example.com\n", ""},
		{"sign with brackets and a lifetime", with("1", "sign", "--lifetime", "7", "<user@example.com>"), 0, "prvs=178773a1ad=user@example.com\n", ""},
		{"sign on another day", with("3", "sign", "--at", "2027-06-24T00:00:00Z", "user@example.com"), 0, "prvs=3000382253=user@example.com\n", ""},
		{"sign on the last second of a day in another zone", with("3", "sign", "--at", "2027-06-24T01:59:58+02:00", "user@example.com"), 0, "prvs=3999d1a28d=user@example.com\n", ""},
		{"sign in sub-address form", with("0", "sign", "--form", "sub-address", "user@example.com"), 0, "user+prvs=0787788259@example.com\n", ""},
		{"sign the null sender", with("0", "sign", "<>"), 1, "", `sign "<>": prvs: null sender`},
		{"sign what is signed", with("0", "sign", "prvs=0787788259=user@example.com"), 1, "", "carries a tag already"},
		{"sign what is too long", with("0", "sign", long+"@example.com"), 1, "", "would exceed 64 octets"},
		{"sign without a domain", with("0", "sign", "user"), 1, "", "without a domain"},
		{"sign what is no address", with("0", "sign", "a b@example.com"), 1, "", "bouncefilter: error: prvs: address"},
		{"sign with no such number", with("10", "sign", "user@example.com"), 2, "", "--key-number: 10 is not a digit"},
		{"sign with no lifetime", with("0", "sign", "--lifetime", "0", "user@example.com"), 2, "", "--lifetime: 0 days are too few"},
		{"sign with too long a lifetime", with("0", "sign", "--lifetime", "500", "user@example.com"), 2, "", "500"},

		{"verify", with("0", "verify", "prvs=0787788259=user@example.com"), 0, "valid user@example.com, key 0, expires 2026-11-30\n", ""},
		{"verify in another case", with("0", "verify", "PRVS=0787788259=USER@EXAMPLE.COM"), 0, "valid USER@EXAMPLE.COM, key 0, expires 2026-11-30\n", ""},
		{"verify on the last day", with("0", "verify", "--at", "2026-11-30T23:59:59Z", "prvs=0787788259=user@example.com"), 0, "valid user@example.com, key 0, expires 2026-11-30\n", ""},
		{"verify a day later", with("0", "verify", "--at", "2026-12-01T00:00:00Z", "prvs=0787788259=user@example.com"), 1, "expired user@example.com, key 0, expires 2026-11-30\n", ""},
		{"verify a forged tag", with("0", "verify", "prvs=0787000000=user@example.com"), 1, "bad-signature user@example.com, key 0, expires 2026-11-30\n", ""},
		{"verify an unknown key", with("0", "verify", "prvs=5787788259=user@example.com"), 1, "unknown-key user@example.com, key 5, expires 2026-11-30\n", ""},
		{"verify no tag", with("0", "verify", "user@example.com"), 1, "untagged user@example.com\n", ""},
		{"verify what is no address", with("0", "verify", "a b@c"), 1, "", "bouncefilter: error: prvs: address"},

		{"verify as JSON", with("0", "verify", "--json", "prvs=0787788259=user@example.com"), 0,
			`{"valid":true,"reason":"valid","address":"user@example.com","key":0,"expires":"2026-11-30"}` + "\n", ""},
		{"verify no tag as JSON", with("0", "verify", "--json", "a&b@example.com"), 1,
			`{"valid":false,"reason":"untagged","address":"a&b@example.com","key":null,"expires":""}` + "\n", ""},
		{"verify a forged tag as JSON", with("0", "verify", "--json", "prvs=0787000000=user@example.com"), 1,
			`{"valid":false,"reason":"bad-signature","address":"user@example.com","key":0,"expires":"2026-11-30"}` + "\n", ""},
		{"verify what is no address as JSON", with("0", "verify", "--json", "a b@c"), 1,
			`{"valid":false,"reason":"malformed","address":"","key":null,"expires":""}` + "\n", "prvs: address"},

		{"key number without a secret file", []string{"verify", "--key-number", "0", "user@example.com"}, 2, "", "belong to --secret-file"},
		{"no address", []string{"sign", "--secret-file", secret}, 2, "", "expected \"<address>\""},
		{"a time that is none", with("0", "sign", "--at", "tomorrow", "user@example.com"), 2, "", "--at"},
		{"no such secret file", []string{"sign", "--secret-file", secret + "-none", "user@example.com"}, 2, "", "no such file"},
		{"no keys", []string{"sign", "--state-dir", w.path("none"), "user@example.com"}, 2, "", "keys.toml: no such file; make a key: bouncefilter key add"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := w.run(tt.args...)
			if r.status != tt.status || r.stdout != tt.stdout {
				t.Errorf("got status %d, %q", r.status, r.stdout)
			}
			if tt.stderr == "" && r.stderr != "" || !strings.Contains(r.stderr, tt.stderr) {
				t.Errorf("got error %q", r.stderr)
			}
		})
	}
}

func TestSecretFilesOfOthersAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644} {
		secret := w.file("secret", "hunter2\n", mode)
		for _, command := range []string{"sign", "verify"} {
			r := w.run(command, "--secret-file", secret, "user@example.com")
			if r.status != 2 || r.stdout != "" || strings.Contains(r.stderr, "hunter2") {
				t.Errorf("%s, mode %o: %+v", command, mode, r)
			}
			contains(t, command, r.stderr, "chmod 600 "+secret)
		}
	}
}

func TestSignFollowsTheConfiguration(t *testing.T) {
	w := newWorld(t)
	c := w.config("lifetime = 10\n[[domain]]\nname = \"sub.example\"\ntag_form = \"sub-address\"\n")
	if r := w.run("key", "add", "-c", c); r.status != 0 {
		t.Fatal(r)
	}
	r := w.run("sign", "-c", c, "user@sub.example")
	if r.status != 0 || !strings.HasPrefix(r.stdout, "user+prvs=0790") { // 2026-12-03
		t.Errorf("got %+v", r)
	}
	if r := w.run("verify", "-c", c, strings.TrimSpace(r.stdout)); r.status != 0 {
		t.Errorf("got %+v", r)
	}
	r = w.run("sign", "-c", c, "user@foreign.example")
	if r.status != 0 {
		t.Errorf("got %+v", r)
	}
	contains(t, "a foreign domain", r.stderr, `hint: "foreign.example" is not one of the domains configured`)
}

// What the daemon accepts of tags that live longer than it would let them, verify accepts with the same configuration. With
// a secret alone it is as strict as the draft.
func TestVerifyAgreesWithTheDaemonOnTagsOfALongerLifetime(t *testing.T) {
	w := newWorld(t)
	secret := w.file("secret", "secret\n", 0o600)
	w.mustRun("key", "add", "--state-dir", w.path("state"), "--file", secret)
	sign := func(lifetime string) string {
		r := w.run("sign", "--secret-file", secret, "--lifetime", lifetime, "user@example.com")
		if r.status != 0 {
			t.Fatal(r)
		}
		return strings.TrimSpace(r.stdout)
	}
	for _, tt := range []struct {
		lifetime string
		keys     []string
		status   int
		reason   string
	}{
		{"60", []string{"--state-dir", w.path("state")}, 0, "valid"},
		{"60", []string{"-c", w.config("")}, 0, "valid"},
		{"61", []string{"--state-dir", w.path("state")}, 1, "expired"},
		{"61", []string{"-c", w.config("")}, 1, "expired"},
		{"8", []string{"--secret-file", secret}, 1, "expired"},
		{"9", []string{"--secret-file", secret, "--lifetime", "8"}, 1, "expired"},
		{"8", []string{"--secret-file", secret, "--lifetime", "8"}, 0, "valid"},
	} {
		r := w.run(append([]string{"verify", sign(tt.lifetime)}, tt.keys...)...)
		if r.status != tt.status || !strings.HasPrefix(r.stdout, tt.reason+" user@example.com") {
			t.Errorf("%s days with %s: got %+v", tt.lifetime, tt.keys[0], r)
		}
	}
}

func TestKeyCommands(t *testing.T) {
	w := newWorld(t)
	keys := func(args ...string) result {
		return w.run(append(append([]string{"key"}, args...), "--state-dir", w.path("state"))...)
	}
	want := func(r result, status int, stdout, stderr string) {
		t.Helper()
		if r.status != status || !strings.Contains(r.stdout, stdout) || !strings.Contains(r.stderr, stderr) || stdout == "" && r.stdout != "" {
			t.Errorf("got %+v", r)
		}
	}
	want(keys("list"), 2, "", "keys.toml: no such file; make a key: bouncefilter key add")
	want(keys("activate", "0"), 2, "", "make a key: bouncefilter key add")
	want(keys("add"), 0, "added key 0 (sign), secret in "+w.path("state/keys/key-0.secret"), "systemctl reload bouncefilter, or SIGHUP")
	imported := w.file("exim", "secret\n", 0o600)
	want(keys("add", "--number", "1", "--file", imported), 0, "added key 1 (verify)", "activate the key once every host has it")
	want(keys("add", "--number", "1"), 1, "", "bouncefilter: error: key number 1 is in use for all domains")
	want(keys("add", "--number", "10"), 2, "", "--number: 10 is not a digit")
	want(keys("add", "--domain", "user@example.com"), 2, "", "is not a domain name")
	want(keys("add", "--file", w.file("open", "hunter2", 0o644)), 2, "", "chmod 600")
	want(keys("activate", "1"), 0, "activated key 1 (sign)\nkey 0 (verify) may be retired after 2027-01-23\n", "SIGHUP")
	want(keys("retire", "1"), 1, "", "key 1 signs for all domains; activate another key first")
	want(keys("retire", "0"), 1, "", "may be alive until 2027-01-23")
	want(keys("retire", "7"), 1, "", "no key in use has the number 7")
	want(keys("activate", "one"), 2, "", "number")

	// The imported secret makes the tags that Exim makes with it.
	r := w.run("sign", "--state-dir", w.path("state"), "user@example.com")
	want(r, 0, "prvs=178773a1ad=user@example.com\n", "")

	// Tags of 60 days are still good, as check says to an operator who lowers the lifetime.
	w.now = time.Date(2027, 1, 23, 11, 59, 59, 0, time.UTC)
	want(keys("retire", "0"), 1, "", "may be alive until 2027-01-23")
	w.now = w.now.Add(time.Second)
	want(keys("retire", "0"), 0, "retired key 0 (retired); its secret in "+w.path("state/keys/key-0.secret")+" may be removed", "SIGHUP")
	if err := os.Remove(w.path("state/keys/key-0.secret")); err != nil {
		t.Fatal(err)
	}
	want(keys("list"), 0, "0       (all)   retired  2026-11-23T12:00:00Z  2026-11-23    -            key-0.secret\n", "")
	var list []map[string]any
	if err := json.Unmarshal([]byte(keys("list", "--json").stdout), &list); err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	if list[1]["number"] != 1.0 || list[1]["state"] != "sign" || len(list[1]["fingerprint"].(string)) != 8 || list[1]["file"] != "key-1.secret" {
		t.Errorf("got %v", list[1])
	}
}

func TestUsage(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		args   []string
		status int
		stdout string
		stderr string
	}{
		{nil, 0, "Usage: bouncefilter <command>", ""},
		{[]string{"--help"}, 0, "Run the milter.", ""},
		{[]string{"verify", "--help"}, 0, "bad-signature", ""},
		{[]string{"version"}, 0, "bouncefilter ", ""},
		{[]string{"serv"}, 2, "", `bouncefilter: error: unexpected argument serv, did you mean "serve"?`},
		{[]string{"check", "--quick"}, 2, "", "bouncefilter: error: unknown flag --quick"},
		{[]string{"key"}, 2, "", "bouncefilter: error: expected one of"},
	} {
		r := w.run(tt.args...)
		if r.status != tt.status || !strings.Contains(r.stdout, tt.stdout) || !strings.Contains(r.stderr, tt.stderr) {
			t.Errorf("%v: got %+v", tt.args, r)
		}
		if r.status == 2 {
			contains(t, "hint", r.stderr, "\nhint: bouncefilter --help")
		}
	}
}

func TestStateDirectoryOfAService(t *testing.T) {
	w := newWorld(t)
	w.env["STATE_DIRECTORY"] = "/srv/bouncefilter"
	if got := w.app(nil, nil).stateDir(); got != "/srv/bouncefilter" {
		t.Errorf("got %q", got)
	}
}

func TestStateDirectoryOfAUser(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("as root the state directory is the system's")
		if got := newWorld(t).app(nil, nil).stateDir(); got != "/var/lib/bouncefilter" {
			t.Errorf("got %s", got)
		}
		return
	}
	w := newWorld(t)
	for _, tt := range []struct{ home, data, want string }{
		{"/home/u", "", "/home/u/.local/share/bouncefilter"}, {"/home/u", "/data", "/data/bouncefilter"}, {"/home/u", "relative", "/home/u/.local/share/bouncefilter"}, {"", "", ""},
	} {
		w.env["HOME"], w.env["XDG_DATA_HOME"] = tt.home, tt.data
		if got := w.app(nil, nil).stateDir(); got != tt.want {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
}
