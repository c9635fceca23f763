package sendmail

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// needSendmail returns the folder of Sendmail's configuration files, and lets the program be found. Sendmail is not installed,
// for it conflicts with Postfix, but unpacked.
func needSendmail(t *testing.T) string {
	t.Helper()
	root := os.Getenv("BOUNCEFILTER_SENDMAIL")
	switch {
	case root != "":
	case os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "":
		t.Fatal("BOUNCEFILTER_SENDMAIL does not name the folder that Sendmail is unpacked in; run deploy/test")
	default:
		t.Skip("BOUNCEFILTER_SENDMAIL does not name the folder that Sendmail is unpacked in")
	}
	// QUIRK: Sendmail sleeps for a minute when its host has no qualified name, so it gets a host of its own, which no name server
	// has to be asked for.
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "hosts"), []byte("127.0.0.1 mx.example.com localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nexec unshare --uts --mount sh -c 'hostname mx.example.com; mount --bind %s/hosts /etc/hosts; exec \"$@\"' sh %s/usr/libexec/sendmail/sendmail \"$@\"\n", bin, root)
	if err := os.WriteFile(filepath.Join(bin, "sendmail"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
	return filepath.Join(root, "usr/share/sendmail/cf")
}

// safeFolder returns a new folder of which Sendmail believes that nobody else can write it.
func safeFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "bouncefilter-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// mcHead and mcTail are the beginning and the end of a sendmail.mc.
const (
	mcHead = "define(`_CF_DIR_', `%[1]s/')dnl\ninclude(`%[1]s/m4/cf.m4')dnl\nOSTYPE(`linux')dnl\n" +
		"define(`confCW_FILE', `%[2]s/local-host-names')dnl\nFEATURE(`use_cw_file')dnl\nFEATURE(`access_db', `hash -o %[2]s/access')dnl\n"
	mcTail = "MAILER(`local')dnl\nMAILER(`smtp')dnl\n"
)

var mcFiles = []struct{ name, mc string }{
	{"plain", mcHead + mcTail},
	{"with MAILER_DEFINITIONS", mcHead + "MAILER_DEFINITIONS\n" + mcTail},
	{"beside another milter", mcHead + "INPUT_MAIL_FILTER(`opendkim', `S=inet:8891@127.0.0.1')dnl\n" + mcTail},
	{"with local rules", mcHead + mcTail + "LOCAL_CONFIG\nC{Other}other.example\nLOCAL_RULE_0\nR$+ < @ virt.example . > $*	$#local $: $1\n"},
	{"with an older block", mcHead + blockBegin + "\nINPUT_MAIL_FILTER(`bouncefilter', `S=local:/elsewhere')dnl\n" + blockEnd + "\n" + mcTail},
	{"without an end of line", mcHead + "MAILER(`local')dnl\nMAILER(`smtp')dnl"},
}

func TestSetup(t *testing.T) {
	cf := needSendmail(t)
	for _, tt := range mcFiles {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			socket := filepath.Join(safeFolder(t), "milter.sock")
			ln, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
			site := exampleSite(t, "tcp:127.0.0.1:1", "unix:"+socket)
			write := func(name, text string) string {
				t.Helper()
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return path
			}
			mc := fmt.Sprintf(tt.mc, cf, dir)
			write("sendmail.mc", mc)
			write("local-host-names", "example.com\n")
			write("submit.cf", "")
			before, err := makeCf(t.Context(), dir, mc)
			if err != nil {
				t.Fatal(err)
			}
			path := write("sendmail.cf", string(before))
			if err := Verify(t.Context(), path); err != nil {
				t.Fatalf("Sendmail does not understand what it is before: %v", err)
			}
			found, err := Find(t.Context(), path, site)
			if err != nil || !mta.Errors(found) {
				t.Errorf("before: %+v, %v", found, err)
			}

			change, err := Setup(t.Context(), path, site)
			if err != nil || len(change.Files) != 2 || len(change.Why) == 0 {
				t.Fatalf("%+v, %v", change, err)
			}
			backup := filepath.Join(t.TempDir(), "setup", "sendmail")
			if err := change.Apply(backup, func() error { return Verify(t.Context(), path) }); err != nil {
				t.Fatal(err)
			}
			if found, err = Find(t.Context(), path, site); err != nil || len(found) != 0 {
				t.Errorf("after: %+v, %v", found, err)
			}
			answers, err := addressTest(t.Context(), path, []string{
				"prvs=0787788259=user@example.com", "PRVS=0787788259=User@Example.COM", "prvs=07877882AB=user@virt.example", "user@example.com",
				"prvs=0787788259=user@remote.example", "prvs=nonsense=user@example.com",
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, tagged := range []bool{false, false, false, false, true, true} {
				if strings.Contains(strings.ToLower(answers[i]), "prvs=") != tagged || answers[i] == "" {
					t.Errorf("address %d is resolved to %q", i, answers[i])
				}
			}
			again, err := Setup(t.Context(), path, site)
			if err != nil || len(again.Files) != 0 {
				t.Errorf("again: %+v, %v", again, err)
			}
			if _, err := mta.Undo(backup); err != nil {
				t.Fatal(err)
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != string(before) {
				t.Errorf("sendmail.cf is not what it was before, %v", err)
			}
		})
	}
}

func TestSetupThatCannotBeDone(t *testing.T) {
	needSendmail(t)
	site := exampleSite(t, "unix:/run/bouncefilter/milter.sock")
	dir := t.TempDir()
	cf := filepath.Join(dir, "sendmail.cf")
	if err := os.WriteFile(cf, []byte("DZ8.17.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Setup(t.Context(), cf, site)
	if err == nil || !strings.Contains(err.Error(), "put these lines into the file") || !strings.Contains(err.Error(), filterLine(site)) {
		t.Errorf("without sendmail.mc: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sendmail.mc"), []byte("MAILER(`local')\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = Setup(t.Context(), cf, site); err == nil || !strings.Contains(err.Error(), "m4 makes no sendmail.cf") {
		t.Errorf("sendmail.mc that includes nothing: %v", err)
	}
	if err := os.WriteFile(cf, []byte("DZ8.13.8\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = Setup(t.Context(), cf, site); err == nil || !strings.Contains(err.Error(), "8.14 or later") {
		t.Errorf("old: %v", err)
	}
	if err := Verify(t.Context(), cf); err == nil {
		t.Error("a sendmail.cf of one line is fine")
	}
}

// The lines that the manual gives to an administrator are those that setup writes.
func TestManualHasTheSameLines(t *testing.T) {
	text, err := os.ReadFile("../../../../deploy/sendmail/bouncefilter.m4")
	if err != nil {
		t.Fatal(err)
	}
	site := exampleSite(t, "unix:/run/bouncefilter/milter.sock")
	site.Domains = site.Domains[:1]
	if want := block(site); !strings.HasSuffix(string(text), "\n"+want) {
		t.Errorf("deploy/sendmail/bouncefilter.m4 ends with\n%s\nnot with\n%s", text, want)
	}
}
