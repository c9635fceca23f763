package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var wrapper sync.Once

// withSendmail makes a configuration of Sendmail in DIR/mail and one of bouncefilter. It skips the test, or fails it,
// where there is no Sendmail that could be asked about it.
//
// QUIRK: Sendmail sleeps for 60 s when its host has no qualified name, and asks DNS about it, so it gets a host of its own
// without a network.
func (w *world) withSendmail() (config string) {
	w.t.Helper()
	if testing.Short() {
		w.t.Skip("not with -short: it runs Sendmail")
	}
	unpacked := os.Getenv("BOUNCEFILTER_SENDMAIL")
	if unpacked == "" || os.Geteuid() != 0 {
		if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
			w.t.Fatal("this test needs root, and BOUNCEFILTER_SENDMAIL, the folder that Sendmail is unpacked in; see deploy/test")
		}
		w.t.Skip("needs Sendmail and root; deploy/test unpacks it and runs this test")
	}
	command := w.file("bin/sendmail", `#!/bin/sh
# Runs a Sendmail, which knows the option InputMailFilters.
exec unshare --uts --net sh -c 'hostname mx.example.com; exec "$@"' sh `+unpacked+`/usr/libexec/sendmail/sendmail "$@"
`, 0o755)
	wrapper.Do(func() { os.Setenv("PATH", filepath.Dir(command)+":"+os.Getenv("PATH")) })
	w.env["PATH"] = os.Getenv("PATH")
	example := mustRead(w.t, "internal/sendmail/testdata/check/untouched/sendmail.mc")
	w.file("mail/sendmail.mc", strings.NewReplacer("CFDIR", unpacked+"/usr/share/sendmail/cf", "DIR", w.path("mail")).Replace(example), 0o644)
	w.file("mail/local-host-names", "example.com\n", 0o644)
	w.file("mail/submit.cf", "D{MTAHost}[127.0.0.1]\n", 0o644)
	if out, err := exec.Command("sh", "-c", "cd "+w.path("mail")+" && m4 sendmail.mc >sendmail.cf").CombinedOutput(); err != nil {
		w.t.Fatalf("m4: %v\n%s", err, out)
	}
	if err := os.Mkdir(w.path("state"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	return w.file("bouncefilter.toml", "domains = [\"example.com\"]\nstate_dir = \""+w.path("state")+"\"\nhttp = \"\"\nlisten = [\"unix:"+w.path("milter.sock")+"\"]\n", 0o600)
}

func TestSetupAndCheckSendmail(t *testing.T) {
	w := newWorld(t)
	c := w.withSendmail()
	run := func(status int, args ...string) string {
		t.Helper()
		r := w.run(append(args, "-c", c, "--mta-config", w.path("mail"))...)
		if r.status != status || r.stderr != "" {
			t.Errorf("%v: got %+v", args, r)
		}
		return w.tidy(r.stdout)
	}
	mc, cf := mustRead(t, w.path("mail/sendmail.mc")), mustRead(t, w.path("mail/sendmail.cf"))
	same := func(step string) {
		t.Helper()
		if mustRead(t, w.path("mail/sendmail.mc")) != mc || mustRead(t, w.path("mail/sendmail.cf")) != cf {
			t.Errorf("%s: the files are not as they were", step)
		}
	}

	contains(t, "before", run(1, "check"), "\nsendmail       DIR/mail/sendmail.cf: 3 errors\n", "\nerror    DIR/mail/sendmail.cf: InputMailFilters\n",
		"\n           INPUT_MAIL_FILTER(`bouncefilter', `S=local:DIR/milter.sock, F=T, ", "\n\"bouncefilter setup sendmail\" shows ")
	contains(t, "dry run", run(0, "setup", "sendmail"), "- Rules remove tags from recipients ", "--- DIR/mail/sendmail.mc\n+++ DIR/mail/sendmail.mc\n",
		"\n+O InputMailFilters=bouncefilter\n", "\nNothing was changed.", "\n  kill -HUP $(head -n 1 DIR/mail/sendmail.pid)\n")
	same("dry run")

	contains(t, "written", run(0, "setup", "sendmail", "--write"), "\nChanged:\n  DIR/mail/sendmail.mc\n  DIR/mail/sendmail.cf\n",
		"The former files are in DIR/state/setup/sendmail-", "\nLeft to do by hand: 1 error.\n")
	contains(t, "afterwards", run(1, "check"), "/sendmail.cf: 1 error\n", "There is no such socket")
	contains(t, "again", run(0, "setup", "sendmail", "--write"), "Nothing is to be done: Sendmail in DIR/mail/sendmail.cf is set up.\n")
	contains(t, "undone", run(0, "setup", "sendmail", "--undo"), "Restored:\n  DIR/mail/sendmail.mc\n  DIR/mail/sendmail.cf\n")
	same("undone")

	// What cannot be done says what can.
	w.file("mail/sendmail.cf", cf+"# a comment\nC{Mine}more\n", 0o644)
	r := w.run("setup", "sendmail", "-c", c, "--mta-config", w.path("mail"))
	contains(t, "edited", w.tidy(r.stderr), "bouncefilter: error: set up Sendmail: DIR/mail/sendmail.cf is not what m4 makes of DIR/mail/sendmail.mc", "\nhint: write into DIR/mail/sendmail.mc")
	if err := os.Remove(w.path("mail/sendmail.mc")); err != nil {
		t.Fatal(err)
	}
	r = w.run("setup", "sendmail", "--write", "-c", c, "--mta-config", w.path("mail/sendmail.cf"))
	contains(t, "without source", w.tidy(r.stderr), "so setup changes nothing\nhint: add these lines by hand", "\n  Xbouncefilter, S=local:DIR/milter.sock, F=T", "\n  R$+ < @ $={BouncefilterDomain} . >\t")
}
