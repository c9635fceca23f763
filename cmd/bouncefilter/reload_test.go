package main

import (
	"os"
	"strings"
	"testing"
)

// later is the same folder some days later, for commands beside a daemon whose clock does not move.
func (w *world) later(days int) *world {
	return &world{t: w.t, dir: w.dir, now: w.now.AddDate(0, 0, days), env: w.env}
}

// mustRun runs a command that must succeed.
func (w *world) mustRun(args ...string) {
	w.t.Helper()
	if r := w.run(args...); r.status != 0 {
		w.t.Fatalf("%v: %+v", args, r)
	}
}

// edit replaces text in a file.
func (w *world) edit(name, old, replacement string) {
	w.t.Helper()
	text := mustRead(w.t, w.path(name))
	if !strings.Contains(text, old) {
		w.t.Fatalf("%s has no %q\n%s", name, old, text)
	}
	w.file(name, strings.Replace(text, old, replacement, 1), 0o600)
}

const keysIndex = "state/keys/keys.toml"

// A daemon that was not reloaded signs with the old key, also if the index names another one. The reload that would refuse those tags
// fails, and says what to do; done, it succeeds.
func TestReloadThatWouldRefuseTagsMadeUntilNowFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before string // configuration at the start
		after  string // configuration of the reload
		change func(w *world)
		want   []string
		remedy func(w *world)
	}{
		{
			name: "key retired in the reload that would have activated its successor",
			change: func(w *world) {
				w.mustRun("key", "add", "-c", w.path("bouncefilter.toml"))
				w.mustRun("key", "activate", "-c", w.path("bouncefilter.toml"), "1")
				w.later(61).mustRun("key", "retire", "-c", w.path("bouncefilter.toml"), "0")
			},
			want: []string{`/keys.toml:7: keys[0].state: \"retired\" would refuse tags that key 0 has made (for \"example.com\"); ` +
				`set it to \"verify\" until they have expired, after 2026-11-30`},
			remedy: func(w *world) { w.edit(keysIndex, `'retired'`, `'verify'`) },
		},
		{
			name: "key removed from the index",
			change: func(w *world) {
				w.mustRun("key", "add", "-c", w.path("bouncefilter.toml"))
				index := mustRead(w.t, w.path(keysIndex))
				second := strings.LastIndex(index, "[[keys]]")
				w.file(keysIndex, strings.Replace(index[second:], `'verify'`, `'sign'`, 1), 0o600)
			},
			want: []string{`/keys.toml: key 0 is missing, and tags that it has made (for \"example.com\") would be refused; ` +
				`import it again, bouncefilter key add --number 0 --file FILE, and let it verify until they have expired, after 2026-11-30`},
			remedy: func(w *world) {
				w.mustRun("key", "add", "-c", w.path("bouncefilter.toml"), "--number", "0", "--file", w.path("state/keys/key-0.secret"))
			},
		},
		{
			name:   "secret replaced",
			change: func(w *world) { w.file("state/keys/key-0.secret", "another", 0o600) },
			want:   []string{"key-0.secret: holds another secret than before (fingerprint ", "; restore the file, and import the new secret with a number of its own"},
			remedy: func(w *world) {
				if err := os.Rename(w.path("copy"), w.path("state/keys/key-0.secret")); err != nil {
					w.t.Fatal(err)
				}
			},
		},
		{
			name:   "key of a domain retired in favour of the one for all domains",
			before: "[[domain]]\nname = \"b.example\"\n",
			after:  "[[domain]]\nname = \"b.example\"\n",
			change: func(w *world) { w.edit(keysIndex, "number = 7\nstate = 'sign'", "number = 7\nstate = 'retired'") },
			want:   []string{`keys[1].state: \"retired\" would refuse tags that key 7 of b.example has made (for \"b.example\"); `},
			remedy: func(w *world) { w.edit(keysIndex, `'retired'`, `'verify'`) },
		},
		{
			name:   "lifetime lowered by more than the slack",
			before: "lifetime = 100\n",
			after:  "lifetime = 39\n",
			change: func(*world) {},
			want: []string{`/bouncefilter.toml:7: lifetime: 39 with tag_rotation 1 would refuse tags that were made and live until 2027-03-03; ` +
				`keep lifetime = 100 and tag_rotation = 1, or restart if bounces to those tags may be refused`},
			remedy: func(w *world) { w.config("lifetime = 100\nmode = \"enforce\"\n") },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.config(tt.before)
			if strings.Contains(tt.before, "b.example") {
				w.mustRun("key", "add", "-c", c)
				index := mustRead(t, w.path(keysIndex))
				w.file("state/keys/key-7.secret", "of b.example", 0o600)
				w.file(keysIndex, index+"\n[[keys]]\nnumber = 7\nstate = 'sign'\nfile = \"key-7.secret\"\ndomain = \"b.example\"\n", 0o600)
			}
			d := w.start("-c", c)
			w.file("copy", mustRead(t, w.path("state/keys/key-0.secret")), 0o600)

			tt.change(w)
			w.config("mode = \"enforce\"\n" + tt.after)
			d.reload()
			contains(t, "old configuration", d.status(), `"mode":"auto"`)
			contains(t, "log", d.stderr.String(), append(tt.want, "configuration not loaded, the old one stays in effect")...)

			tt.remedy(w)
			d.reload()
			contains(t, "after the remedy", d.status(), `"mode":"enforce"`)
		})
	}
}

// The index of keys says since when a key does not sign; a daemon that was reloaded late knows better.
func TestReloadRemembersWhenAKeySignedLast(t *testing.T) {
	w := newWorld(t)
	c := w.config("")
	w.mustRun("key", "add", "-c", c)
	d := w.start("-c", c)
	w.mustRun("key", "add", "-c", c)
	w.mustRun("key", "activate", "-c", c, "1")
	w.pass(60)
	d.reload() // key 0 has signed until now
	w.pass(1)
	w.mustRun("key", "retire", "-c", c, "0")
	d.reload()
	contains(t, "retired too early", d.stderr.String(), `\"retired\" would refuse tags that key 0`, "after 2027-01-29", "configuration not loaded")
	w.pass(7)
	d.reload()
	if n := strings.Count(d.stderr.String(), `msg="configuration loaded"`); n != 2 {
		t.Errorf("loaded %d times:\n%s", n, d.stderr.String())
	}
}

// The steps that a postmaster takes one by one are not in the way of each other.
func TestReloadInTheOrderOfAKeysLife(t *testing.T) {
	w := newWorld(t)
	c := w.config("lifetime = 30\n[[domain]]\nname = \"b.example\"\n")
	w.mustRun("key", "add", "-c", c, "--domain", "b.example", "--number", "7")
	w.mustRun("key", "add", "-c", c)
	index := mustRead(t, w.path(keysIndex))
	w.edit(keysIndex, index, strings.ReplaceAll(index, "'verify'", "'sign'"))
	d := w.start("-c", c)
	for i, step := range []struct {
		name string
		do   func()
	}{
		{"a second key", func() { w.mustRun("key", "add", "-c", c, "--number", "1") }},
		{"the second key signs", func() { w.mustRun("key", "activate", "-c", c, "1") }},
		{"the first key retires", func() { w.pass(61); w.mustRun("key", "retire", "-c", c, "0") }},
		{"tags of the first key expired long ago, its file goes", func() {
			if err := os.Remove(w.path("state/keys/key-0.secret")); err != nil {
				t.Fatal(err)
			}
		}},
		{"a shorter lifetime", func() { w.config("[[domain]]\nname = \"b.example\"\n") }},
		{"a domain leaves", func() { w.config("") }},
		{"its key leaves with it", func() {
			w.edit(keysIndex, "number = 7\ndomain = 'b.example'\nstate = 'sign'", "number = 7\ndomain = 'b.example'\nstate = 'retired'")
		}},
		{"a domain with a key of its own comes", func() {
			w.config("[[domain]]\nname = \"c.example\"\n")
			w.mustRun("key", "add", "-c", c, "--domain", "c.example", "--number", "8")
		}},
		{"its key signs", func() { w.mustRun("key", "activate", "-c", c, "8") }},
	} {
		step.do()
		d.reload()
		if n := strings.Count(d.stderr.String(), `msg="configuration loaded"`); n != i+1 {
			t.Fatalf("%s: not loaded\n%s", step.name, d.stderr.String())
		}
	}
}
