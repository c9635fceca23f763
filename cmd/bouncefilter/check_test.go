package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

func TestCheckTellsWhatIsInEffect(t *testing.T) {
	w := newWorld(t)
	c := w.config("[[domain]]\nname = \"b.example\"\nmode = \"enforce\"\n")
	r := w.run("check", "-c", c)
	if r.status != 0 || r.stderr != "" {
		t.Errorf("got %+v", r)
	}
	contains(t, "before the first start", r.stdout,
		"domain         example.com: auto, monitored; enforced one lifetime after its first signed message\n",
		"domain         b.example: enforce\n",
		"key            none yet; serve makes one\n",
		"store          bolt:"+w.path("state/state.db")+": not there yet; serve makes it\n")
	if _, err := os.Lstat(w.path("state")); !os.IsNotExist(err) {
		t.Errorf("check made the state directory: %v", err)
	}

	w.start("-c", c).stop()
	r = w.run("check", "-c", c)
	if r.status != 0 || r.stderr != "" {
		t.Errorf("got %+v", r)
	}
	contains(t, "after it", r.stdout, "key            key 0 (sign), created 2026-11-23T12:00:00Z, fingerprint ", "state.db: ")
}

func TestCheckAsksTheDaemonThatHasTheStore(t *testing.T) {
	w := newWorld(t)
	c := w.config("")
	w.start("-c", c)
	r := w.run("check", "-c", c)
	if r.status != 0 {
		t.Errorf("got %+v", r)
	}
	contains(t, "asked", r.stdout, ": in use by a running daemon")

	if err := os.Remove(w.path("state/control.sock")); err != nil {
		t.Fatal(err)
	}
	r = w.run("check", "-c", c)
	if r.status != 0 {
		t.Errorf("got %+v", r)
	}
	contains(t, "not asked", r.stdout, ": in use by a running daemon, but the daemon cannot be asked on "+w.path("state/control.sock")+": ")
}

func TestConfigurationThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		w.dir:               "is a directory; name the file in it",
		w.path("none.toml"): "no such file",
		w.file("latin1.toml", "# caf\xe9\n", 0o600):                         "is not UTF-8 text",
		w.file("huge.toml", strings.Repeat("#\n", tomlfile.MaxSize), 0o600): "is larger than",
		w.file("broken.toml", "domains = [\n", 0o600):                       "toml: ",
	} {
		for command, status := range map[string]int{"serve": 2, "check": 1, "sign": 2} {
			args := []string{command, "-c", path}
			if command == "sign" {
				args = append(args, "user@example.com")
			}
			r := w.run(args...)
			if r.status != status || strings.Count(r.stdout+r.stderr, "\n") != 1 {
				t.Errorf("%s %s: got %+v", command, filepath.Base(path), r)
			}
			contains(t, command, r.stdout+r.stderr, path, want)
		}
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCheckFindsAPasswordThatEveryUserCanRead(t *testing.T) {
	w := newWorld(t)
	w.store = memory.New()
	c := w.config("store = \"redis://user:hunter2@127.0.0.1:1/0\"\n")
	for _, tt := range []struct {
		mode  os.FileMode
		found bool
	}{{0o640, false}, {0o644, true}} {
		if err := os.Chmod(c, tt.mode); err != nil {
			t.Fatal(err)
		}
		r := w.run("check", "-c", c)
		if found := strings.Contains(r.stdout, "chmod o-r "+c); found != tt.found || strings.Contains(r.stdout+r.stderr, "hunter2") {
			t.Errorf("mode %v: %+v", tt.mode, r)
		}
	}
	d := w.start("-c", c)
	contains(t, "log", d.stderr.String(), `level=WARN msg="every user of this host can read the password of the store" file=`+c)
}
