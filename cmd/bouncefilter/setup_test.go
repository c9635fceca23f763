package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
)

var sbin sync.Once

// settled writes a file of Postfix that looks a minute old: it waits two seconds before it reads one that is new.
func (w *world) settled(name, text string) {
	w.t.Helper()
	then := time.Now().Add(-time.Minute)
	if err := os.Chtimes(w.file(name, text, 0o644), then, then); err != nil {
		w.t.Fatal(err)
	}
}

// withPostfix makes a configuration of Postfix and one of bouncefilter in which a milter seems to run. It skips the test, or
// fails it, where Postfix cannot be asked about it.
func (w *world) withPostfix() (config string) {
	w.t.Helper()
	if testing.Short() {
		w.t.Skip("not with -short: it runs Postfix")
	}
	sbin.Do(func() { os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") }) // which a user's PATH may lack
	w.env["PATH"] = os.Getenv("PATH")
	if _, err := exec.LookPath("postconf"); err != nil || os.Geteuid() != 0 {
		if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
			w.t.Fatal("this test needs Postfix and root; see deploy/test")
		}
		w.t.Skip("needs Postfix and root; deploy/test installs it and runs this test")
	}
	const example = "internal/postfix/testdata/check/untouched/"
	main := mustRead(w.t, example+"main.cf") + "queue_directory = " + w.path("queue") + "\ndata_directory = " + w.path("data") + "\n"
	w.settled("postfix/main.cf", main)
	w.settled("postfix/master.cf", strings.ReplaceAll(mustRead(w.t, example+"master.cf"), " y ", " n "))
	for _, dir := range []string{"queue", "data", "state"} {
		if err := os.Mkdir(w.path(dir), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = l.Close() })
	return w.file("bouncefilter.toml", "domains = [\"example.com\"]\nstate_dir = \""+w.path("state")+"\"\nhttp = \"\"\nlisten = [\"tcp:"+l.Addr().String()+"\"]\n", 0o600)
}

// tidy takes the names of this run out of an output.
func (w *world) tidy(output string) string { return strings.ReplaceAll(output, w.dir, "DIR") }

func TestSetupAndCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.withPostfix()
	run := func(status int, args ...string) string {
		t.Helper()
		r := w.run(append(args, "-c", c, "--mta-config", w.path("postfix"))...)
		if r.status != status || r.stderr != "" {
			t.Errorf("%v: got %+v", args, r)
		}
		return w.tidy(r.stdout)
	}
	main, master := mustRead(t, w.path("postfix/main.cf")), mustRead(t, w.path("postfix/master.cf"))
	same := func(step string) {
		t.Helper()
		if mustRead(t, w.path("postfix/main.cf")) != main || mustRead(t, w.path("postfix/master.cf")) != master || site.Exists(w.path("postfix/bouncefilter-untag.pcre")) {
			t.Errorf("%s: the files are not as they were", step)
		}
	}

	before := run(1, "check")
	contains(t, "before", before, "domain         example.com: auto", "\npostfix        DIR/postfix: 4 errors\n",
		"\nerror    DIR/postfix/main.cf: smtpd_milters\n         bouncefilter is not asked: ", "\n           postconf -c DIR/postfix -e 'smtpd_milters = $bouncefilter'\n",
		"\n\"bouncefilter setup postfix\" shows ")
	for line := range strings.Lines(before) {
		if len(line) > mta.Columns+1 && !strings.HasPrefix(line, "           ") {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
	contains(t, "dry run", run(0, "setup", "postfix"), "- cleanup removes tags from recipients", "--- DIR/postfix/main.cf\n+++ DIR/postfix/main.cf\n",
		"\n+smtpd_milters = $bouncefilter\n", "\n+  -o recipient_canonical_maps=$bouncefilter_known\n", "\nNothing was changed.", "\n  postfix -c DIR/postfix reload\n")
	same("dry run")

	contains(t, "written", run(0, "setup", "postfix", "--write"), "\nChanged:\n  DIR/postfix/main.cf\n  DIR/postfix/master.cf\n  DIR/postfix/bouncefilter-untag.pcre\n",
		"The former files are in DIR/state/setup/postfix-", "\nTo let it take effect:\n  postfix -c DIR/postfix reload\n")
	if after := run(0, "check"); !strings.HasSuffix(after, "\npostfix        DIR/postfix: fine\n") {
		t.Errorf("check after it says\n%s", after)
	}
	if again := run(0, "setup", "postfix", "--write"); again != "Nothing is to be done: Postfix in DIR/postfix is set up.\n" {
		t.Errorf("a second setup says\n%s", again)
	}
	contains(t, "undone", run(0, "setup", "postfix", "--undo"), "Restored:\n  DIR/postfix/main.cf\n", "\nTagged recipients are unknown from then on: ", "reload\n")
	same("undone")
	if again := run(0, "setup", "postfix", "--undo"); again != "There is nothing to undo.\n" {
		t.Errorf("undone twice: %s", again)
	}
}

func TestCheckPrintsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.withPostfix()
	check := func(status int, args ...string) map[string]any {
		t.Helper()
		r := w.run(append([]string{"check", "--json"}, args...)...)
		var object map[string]any
		if err := json.Unmarshal([]byte(r.stdout), &object); err != nil || r.status != status || r.stderr != "" {
			t.Fatalf("%v: %+v", err, r)
		}
		return object
	}
	found := check(1, "-c", c, "--mta-config", w.path("postfix/main.cf"))
	finding := found["findings"].([]any)[0].(map[string]any)
	if found["configuration"] != c || len(found["problems"].([]any)) != 0 || found["status"] == nil ||
		found["mta"].(map[string]any)["configuration"] != w.path("postfix") ||
		finding["level"] != "error" || finding["name"] != "milter-missing" || len(finding["cure"].([]any)) != 2 {
		t.Errorf("got %v", found)
	}
	found = check(0, "-c", c, "--mta", "none")
	if found["mta"] != nil || len(found["findings"].([]any)) != 0 {
		t.Errorf("without a mail server: got %v", found)
	}
	found = check(1, "-c", w.file("wrong.toml", "mode = \"on\"\ndomains = [\"example.com\"]\n", 0o600), "--mta", "none")
	problem := found["problems"].([]any)[0].(map[string]any)
	if found["status"] != nil || problem["key"] != "mode" || problem["line"] != 1.0 || problem["remedy"] == "" {
		t.Errorf("with a problem: got %v", found)
	}
}

func TestSetupThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.withPostfix()
	setup := func(args ...string) result {
		return w.run(append([]string{"setup", "postfix", "-c", c, "--mta-config", w.path("postfix")}, args...)...)
	}
	main := mustRead(t, w.path("postfix/main.cf"))

	// Postfix itself rejects the result.
	w.settled("postfix/main.cf", strings.ReplaceAll(main, w.path("queue"), w.path("no-queue")))
	broken := mustRead(t, w.path("postfix/main.cf"))
	r := setup("--write")
	if r.status != 1 || !strings.Contains(r.stderr, "bouncefilter: error: nothing was changed: postfix -c "+w.path("postfix")+" check: ") {
		t.Errorf("got %+v", r)
	}
	if mustRead(t, w.path("postfix/main.cf")) != broken || site.Exists(w.path("postfix/bouncefilter-untag.pcre")) {
		t.Error("not every file was restored")
	}
	w.settled("postfix/main.cf", main)

	// An operator has edited a file since.
	if r := setup("--write"); r.status != 0 {
		t.Fatalf("got %+v", r)
	}
	written := mustRead(t, w.path("postfix/main.cf"))
	edited := written + "# mine\n"
	w.settled("postfix/main.cf", edited)
	if r := setup(); r.status != 0 || !strings.HasPrefix(r.stdout, "Nothing is to be done") {
		t.Errorf("got %+v", r)
	}
	r = setup("--undo")
	if r.status != 1 || mustRead(t, w.path("postfix/main.cf")) != edited {
		t.Errorf("got %+v", r)
	}
	contains(t, "edited", r.stderr, "main.cf was edited after bouncefilter changed it\nhint: see diff -u "+w.path("state/setup/postfix")+strings.ReplaceAll(w.path("postfix"), "/", "-")+"/1-main.cf",
		"away to leave everything as it is now: undo then no longer removes bouncefilter's settings\n")

	// The same obstacle is named before a change is tried.
	w.settled("postfix/main.cf", strings.Replace(edited, "smtpd_milters = $bouncefilter", "smtpd_milters =", 1))
	dry, tried := setup(), setup("--write")
	if dry.status != 0 || tried.status != 1 || strings.Contains(dry.stdout, "give --write as well") {
		t.Errorf("got %+v and %+v", dry, tried)
	}
	contains(t, "dry run", dry.stdout, "\nNothing was changed, and --write would change nothing either: "+w.path("postfix/main.cf")+" was edited after bouncefilter changed it\nhint: see diff -u ")
	contains(t, "tried", tried.stderr, "nothing was changed: "+w.path("postfix/main.cf")+" was edited after bouncefilter changed it\nhint: see diff -u ")
	w.settled("postfix/main.cf", edited)

	// There is no place for what was there before.
	c = w.file("bouncefilter.toml", strings.Replace(mustRead(t, c), "/state\"", "/none\"", 1)+"mode = \"enforce\"\n[[domain]]\nname = \"more.example\"\n", 0o600)
	r = setup("--write")
	if r.status != 1 || !strings.Contains(r.stderr, "/none does not exist") || !strings.Contains(r.stderr, "\nhint: start bouncefilter first") {
		t.Errorf("got %+v", r)
	}
}

// What was there before the last change may have been set up already.
func TestUndoWarnsOnlyIfTaggedRecipientsAreUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.withPostfix()
	setup := func(args ...string) string {
		t.Helper()
		r := w.run(append([]string{"setup", "postfix", "-c", c, "--mta-config", w.path("postfix")}, args...)...)
		if r.status != 0 {
			t.Errorf("%v: got %+v", args, r)
		}
		return r.stdout
	}
	setup("--write")
	if err := os.RemoveAll(w.path("state/setup")); err != nil {
		t.Fatal(err)
	}
	c = w.file("more.toml", strings.Replace(mustRead(t, c), `["example.com"]`, `["example.com", "more.example"]`, 1), 0o600)
	contains(t, "written", setup("--write"), "\nChanged:\n")
	undone := setup("--undo")
	contains(t, "undone", undone, "Restored:\n", "reload\n")
	if strings.Contains(undone, "Tagged recipients are unknown") {
		t.Errorf("got %s", undone)
	}
}

func TestSetupAndCheckNeedAMailServerThatTheyKnow(t *testing.T) {
	w := newWorld(t)
	c := w.config("")
	for _, tt := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"check", "--mta", "exim"}, `--mta: "exim" is not a mail server that is known here (postfix`},
		{[]string{"check", "--mta", "postfix"}, "there is no configuration of Postfix on this host"},
		{[]string{"check", "--mta-config", w.dir}, "--mta-config: " + w.dir + " is not a configuration of a mail server that is known here"},
		{[]string{"setup", "exim"}, `setup: "exim" is not a mail server`},
		{[]string{"setup", "postfix", "--mta-config", w.dir}, "there is no configuration of Postfix in " + w.dir},
		{[]string{"setup", "postfix", "--write", "--undo"}, "--write and --undo can't be used together"},
	} {
		r := w.run(append(tt.args, "-c", c)...)
		if r.status != 2 || !strings.Contains(r.stderr, tt.stderr) {
			t.Errorf("%v: got %+v", tt.args, r)
		}
	}
}
