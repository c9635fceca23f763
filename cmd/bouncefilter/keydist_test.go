package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestADaemonRetiresAKeyWhenNoBounceCanBeProvenAnyMore(t *testing.T) {
	for _, tt := range []struct {
		lines string
		days  int // after the last signature
	}{
		{"", 61}, // tags of up to 60 days verify
		{"lifetime = 90\n", 92},
		{"[proof]\nretention = 120\n", 121},
	} {
		t.Run(fmt.Sprint(tt.days), func(t *testing.T) {
			w := newWorld(t)
			c := w.config(tt.lines)
			d := w.start("-c", c)
			w.mustRun("key", "rotate", "-c", c)
			d.rounds(2)
			w.pass(tt.days - 1)
			d.rounds(1)
			contains(t, "too early", w.run("key", "list", "-c", c).stdout, "0       (all)   verify ")
			if strings.Contains(d.stderr.String(), "retired a key") {
				t.Fatalf("too early\n%s", d.stderr.String())
			}
			w.pass(1)
			d.rounds(1)
			contains(t, "then", w.run("key", "list", "-c", c).stdout, "0       (all)   retired ")
			contains(t, "log", d.stderr.String(), `msg="retired a key: its last tags cannot be proven any more" key="key 0" signed_until=2026-11-23 file=key-0.secret`)
			w.pass(800)
			w.mustRun("key", "rotate", "-c", c)
			contains(t, "the digit rests", w.run("key", "list", "-c", c).stdout, "2       (all)   verify, signs next")
		})
	}
}

func TestAKeyWithWhichAnotherNodeSignsIsNotRetired(t *testing.T) {
	c := newCluster(t, 2, "")
	h, late := c.hosts[0], c.hosts[1]
	h.mustRun("key", "add", "-c", h.config)
	h.copyKeys(late)
	c.rounds(1)
	h.mustRun("key", "activate", "-c", h.config, "1")
	c.pass(100)
	if got := h.keys(c) + "; " + late.keys(c); got != "0, 1 signs; 0 signs, 1" {
		t.Errorf("got %q", got)
	}
	late.mustRun("key", "activate", "-c", late.config, "1")
	c.rounds(2)
	c.pass(60)
	c.want("60 days later", "0, 1 signs")
	c.pass(2)
	c.want("62 days later", "1 signs")
}

// The keys are not complete while an operator copies them.
func TestAnIndexThatIsBeingCopiedTakesNoKeyAway(t *testing.T) {
	w := newWorld(t)
	c := w.config("")
	w.mustRun("key", "add", "-c", c)
	w.mustRun("key", "add", "-c", c)
	d := w.start("-c", c)
	whole := mustRead(t, w.path(keysIndex))
	for _, part := range []string{"", whole[:strings.LastIndex(whole, "[[keys]]")], whole[:len(whole)-5]} {
		w.file(keysIndex, part, 0o600)
		d.rounds(2)
	}
	if log := d.stderr.String(); strings.Contains(log, "keys loaded") || strings.Count(log, "keys not loaded, the old ones stay in effect") < 2 {
		t.Errorf("log\n%s", log)
	}
	w.file(keysIndex, whole, 0o600)
	d.rounds(1)

	// What the daemon writes itself must not make a part of an index the whole.
	h := newCluster(t, 2, "key_distribution = \"store\"\n")
	h.hosts[0].mustRun("key", "rotate", "-c", h.hosts[0].config)
	if err := os.Remove(h.hosts[1].path(keysIndex)); err != nil {
		t.Fatal(err)
	}
	h.rounds(3)
	if _, err := os.Lstat(h.hosts[1].path(keysIndex)); !os.IsNotExist(err) {
		t.Errorf("wrote an index without the keys in use: %v", err)
	}
	w.mustRun("key", "rotate", "-c", c)
	d.rounds(2)
	contains(t, "log", d.stderr.String(), `msg="keys loaded" keys=3`)
}

func TestServeStartsWithoutASecret(t *testing.T) {
	for _, lost := range []struct {
		name string
		do   func(path string) error
	}{
		{"missing", os.Remove},
		{"empty", func(path string) error { return os.Truncate(path, 0) }},
		{"readable for others", func(path string) error { return os.Chmod(path, 0o644) }},
		{"replaced", func(path string) error { return os.WriteFile(path, []byte("another secret"), 0o600) }},
	} {
		t.Run(lost.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.config("mode = \"enforce\"\n[[domain]]\nname = \"b.example\"\n[mailer_daemons]\nrefuse = true\n")
			w.mustRun("key", "add", "-c", c)
			w.mustRun("key", "add", "-c", c)
			w.mustRun("key", "add", "-c", c, "--domain", "b.example")
			w.mustRun("key", "activate", "-c", c, "2")
			of := func(sender string) string { return strings.TrimSpace(w.run("sign", "-c", c, sender).stdout) }
			first, second := of("user@example.com"), of("user@b.example")
			secret := mustRead(t, w.path("state/keys/key-0.secret"))
			if err := lost.do(w.path("state/keys/key-0.secret")); err != nil {
				t.Fatal(err)
			}
			d := w.start("-c", c)
			contains(t, "log", d.stderr.String(), `level=ERROR msg="a key cannot be read: what it would sign waits, bounces with its number are not refused" problem="`+w.path(keysIndex)+`:8: keys[0].file: `+w.path("state/keys/key-0.secret"))
			_, metrics := d.get("/metrics")
			contains(t, "metrics", metrics, "bouncefilter_keys_unreadable 1\n")
			if r := w.run("check", "-c", c); r.status != 1 || !strings.Contains(r.stdout, "key-0.secret: ") {
				t.Errorf("check: %+v", r)
			}
			for address, want := range map[string]string{
				first: "", second: "", "prvs=0787000000=user@example.com": "", "prvs=0787000000=user@b.example": "",
				"prvs=2787000000=user@b.example": "550", "prvs=5787000000=user@example.com": "550",
			} {
				if reply := rcpt(t, d, address); want == "" && reply != "" || !strings.HasPrefix(reply, want) {
					t.Errorf("%s: %q", address, reply)
				}
			}
			contains(t, "log", d.stderr.String(), "reason=grace action=accept would_be=unknown-key cause=missing-key tag_key=0", "reason=unknown-key action=reject tag_key=5")
			if reply := send(t, d, "user@example.com"); !strings.HasPrefix(reply, "450 4.7.1 Cannot sign") {
				t.Errorf("mail that the key would sign: %q", reply)
			}
			if reply := send(t, d, "user@b.example"); reply != "" {
				t.Errorf("mail of another key: %q", reply)
			}

			// Another one takes its place, and what was there comes back.
			w.mustRun("key", "rotate", "-c", c)
			d.rounds(2)
			if reply := send(t, d, "user@example.com"); reply != "" {
				t.Errorf("mail of the new key: %q", reply)
			}
			if err := os.RemoveAll(w.path("state/keys/key-0.secret")); err != nil {
				t.Fatal(err)
			}
			w.file("state/keys/key-0.secret", secret, 0o600)
			d.rounds(1)
			_, metrics = d.get("/metrics")
			contains(t, "metrics", metrics, "bouncefilter_keys_unreadable 0\n")
			if reply := rcpt(t, d, "prvs=0787000000=user@example.com"); !strings.HasPrefix(reply, "550") {
				t.Errorf("a forged tag: %q", reply)
			}
			if reply := rcpt(t, d, first); reply != "" {
				t.Errorf("a genuine one: %q", reply)
			}
		})
	}
}

// A daemon that has lost the index of its keys makes no new key: it signs nothing and refuses no bounce for its tag.
func TestServeWithoutTheIndexOfKeysThatHaveSigned(t *testing.T) {
	for _, remove := range []string{keysIndex, "state/keys"} {
		w := newWorld(t)
		c := w.config("mode = \"enforce\"\n")
		d := w.start("-c", c)
		genuine := strings.TrimSpace(w.run("sign", "-c", c, "user@example.com").stdout)
		d.stop()
		secret := mustRead(t, w.path("state/keys/key-0.secret"))
		if err := os.RemoveAll(w.path(remove)); err != nil {
			t.Fatal(err)
		}
		d = w.start("-c", c)
		contains(t, remove, d.stderr.String(), "level=ERROR", "keys.toml: is missing, although there have been keys: ", "restore the folder of keys from a backup or from another host")
		if reply := send(t, d, "user@example.com"); !strings.HasPrefix(reply, "450") {
			t.Errorf("%s: outbound mail: %q", remove, reply)
		}
		for _, tag := range []string{genuine, "prvs=5787000000=user@example.com"} {
			if reply := rcpt(t, d, tag); reply != "" {
				t.Errorf("%s: bounce to %s: %q", remove, tag, reply)
			}
		}
		d.rounds(2)
		for _, command := range [][]string{{"check"}, {"key", "add"}, {"key", "list"}} {
			r := w.run(append(command, "-c", c)...)
			if r.status == 0 {
				t.Errorf("%s, %v: %+v", remove, command, r)
			}
			contains(t, remove, r.stdout+r.stderr, "keys.toml: is missing, although there have been keys: ")
		}
		if _, err := os.Lstat(w.path(keysIndex)); !os.IsNotExist(err) {
			t.Errorf("%s: made another one: %v", remove, err)
		}
		if remove == keysIndex {
			w.mustRun("key", "add", "-c", c, "--number", "0", "--file", w.path("state/keys/key-0.secret"))
		} else {
			w.mustRun("key", "add", "-c", c, "--number", "0", "--file", w.file("saved.secret", secret, 0o600))
		}
		d.rounds(1)
		if reply := send(t, d, "user@example.com"); reply != "" {
			t.Errorf("%s: outbound mail when the key is back: %q", remove, reply)
		}
		if reply := rcpt(t, d, genuine); reply != "" {
			t.Errorf("%s: genuine bounce when the key is back: %q", remove, reply)
		}
		if reply := rcpt(t, d, "prvs=0787000000=user@example.com"); !strings.HasPrefix(reply, "550") {
			t.Errorf("%s: forged bounce when the key is back: %q", remove, reply)
		}
		d.stop()
	}
}

// Keys whose index was lost come back one by one. Until all are there, it is not known which numbers have signed.
func TestKeysThatComeBackOneByOne(t *testing.T) {
	w := newWorld(t)
	c := w.config("mode = \"enforce\"\n")
	w.mustRun("key", "add", "-c", c, "--number", "0")
	older := strings.TrimSpace(w.run("sign", "-c", c, "user@example.com").stdout)
	w.mustRun("key", "add", "-c", c, "--number", "1")
	w.mustRun("key", "activate", "-c", c, "1")
	if err := os.Remove(w.path(keysIndex)); err != nil {
		t.Fatal(err)
	}
	d := w.start("-c", c)
	bring := func(number string) {
		t.Helper()
		w.mustRun("key", "add", "-c", c, "--number", number, "--file", w.path("state/keys/key-"+number+".secret"))
		d.rounds(1)
		if reply := rcpt(t, d, older); reply != "" {
			t.Errorf("key %s is back: a genuine bounce: %q", number, reply)
		}
	}
	bring("1")
	if reply := send(t, d, "user@example.com"); reply != "" {
		t.Errorf("outbound mail: %q", reply)
	}
	if reply := rcpt(t, d, "prvs=1787000000=user@example.com"); !strings.HasPrefix(reply, "550") {
		t.Errorf("a forged tag of the key that is back: %q", reply)
	}
	bring("0")
	forged := "prvs=5787000000=user@example.com"
	if reply := rcpt(t, d, forged); reply != "" {
		t.Errorf("a number that may have been in the index: %q", reply)
	}
	d.reload()
	if reply := rcpt(t, d, forged); !strings.HasPrefix(reply, "550") {
		t.Errorf("a number that was not, after a reload: %q", reply)
	}
	if reply := rcpt(t, d, older); reply != "" {
		t.Errorf("a genuine bounce after a reload: %q", reply)
	}
}
