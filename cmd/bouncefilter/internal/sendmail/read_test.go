package sendmail

import (
	"context"
	"errors"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

func TestLocate(t *testing.T) {
	dir := copyCase(t, "cf-good")
	cf := filepath.Join(dir, "sendmail.cf")
	write(t, filepath.Join(dir, "main.cf"), "myhostname = postfix.example\n", 0o644)
	for path, want := range map[string]string{
		dir: cf, cf: cf, filepath.Join(dir, "sendmail.mc"): cf, filepath.Join(dir, "submit.cf"): filepath.Join(dir, "submit.cf"),
		filepath.Join(dir, "main.cf"): "", filepath.Join(dir, "no.cf"): "", filepath.Join(dir, "none"): "",
	} {
		if got := Locate(path, ""); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// A sendmail command may be that of another mail server.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sendmail")
	for _, tt := range []struct {
		text string
		mode os.FileMode
		want bool
	}{{"#!/bin/sh\n# InputMailFilters\n", 0o755, true}, {"#!/bin/sh\n# Postfix\n", 0o755, false}, {"# InputMailFilters\n", 0o644, false}} {
		_ = os.Remove(path)
		write(t, path, tt.text, tt.mode)
		if got := program("relative:" + dir); (got == path) != tt.want {
			t.Errorf("%q: got %q", tt.text, got)
		}
	}
}

func TestProbe(t *testing.T) {
	base := t.TempDir()
	// Tests have their folders in one for everybody with a sticky bit.
	c := parse("", "O DontBlameSendmail=GroupWritableDirPathSafe, TrustStickyBit\n")
	strict := parse("", "O DontBlameSendmail=TrustStickyBit\n")
	place := func(name string, mode os.FileMode) string {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "sock")
	}
	listen := func(path string) net.Listener {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	alive, group, world, dead := place("alive", 0o755), place("group", 0o775), place("world", 0o777), place("dead", 0o755)
	sticky := place("sticky", 0o777|os.ModeSticky)
	for _, path := range []string{alive, group, world, sticky} {
		listen(path)
	}
	l := listen(dead)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	file, link := place("file", 0o755), place("link", 0o755)
	write(t, file, "", 0o644)
	if err := os.Symlink(alive, link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		config *Config
		path   string
		want   Socket
	}{
		{"alive", c, alive, Socket{Exists: true, IsSocket: true}},
		{"missing", c, base + "/none", Socket{}},
		{"dead", c, dead, Socket{Exists: true, IsSocket: true, Dead: true}},
		{"a file", c, file, Socket{Exists: true}},
		{"a link", c, link, Socket{Exists: true, IsSocket: true, Unsafe: link + " is a symbolic link"}},
		{"a folder for a group, which is allowed", c, group, Socket{Exists: true, IsSocket: true}},
		{"a folder for a group", strict, group, Socket{Exists: true, IsSocket: true,
			Unsafe: "users other than its owner can write to the folder " + filepath.Dir(group) + " (mode 0775)"}},
		{"a folder for all, with a sticky bit that does not count", parse("", ""), sticky, Socket{Exists: true, IsSocket: true,
			Unsafe: "users other than its owner can write to the folder " + filepath.Dir(sticky) + " (mode 0777)"}},
		{"a folder for all, with a sticky bit that counts", strict, sticky, Socket{Exists: true, IsSocket: true}},
		{"a folder for all", c, world, Socket{Exists: true, IsSocket: true,
			Unsafe: "users other than its owner can write to the folder " + filepath.Dir(world) + " (mode 0777)"}},
	} {
		a, err := listener.Parse("unix:" + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		got := tt.config.probe(t.Context(), mta.Listener{Address: a})
		if got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// A Sendmail that does not run as root needs the right to connect.
func TestClosedSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, who may give files away")
	}
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	for _, tt := range []struct {
		runAs    string
		uid, gid int
		mode     os.FileMode
		closed   bool
	}{
		{"", 0, 0, 0o600, false}, {"root", 0, 0, 0o600, false}, {"nobody", 0, 0, 0o660, true}, {"nobody:mail", 0, gid, 0o660, false},
		{"nobody", 0, gid, 0o640, true}, {"nobody", uid, 0, 0o600, false}, {"nobody", 0, 0, 0o666, false}, {"no such user", 0, 0, 0o600, false},
	} {
		if err := errors.Join(os.Chown(path, tt.uid, tt.gid), os.Chmod(path, tt.mode)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		got := parse("", "O RunAsUser="+tt.runAs+"\n").closed(info)
		if (got != "") != tt.closed || tt.closed && !strings.Contains(got, "Sendmail runs as nobody (RunAsUser), and the socket has mode 06") {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
}

// Find, from the files to the findings, also asks the sendmail command.
func TestFind(t *testing.T) {
	needSendmail(t)
	dir := copyCase(t, "good-standard")
	_, site := siteOf(t, "good-standard")
	findings, err := Find(t.Context(), filepath.Join(dir, "sendmail.cf"), site)
	if err != nil || len(findings) != 1 || findings[0].Name != "socket-missing" {
		t.Errorf("got %v, %v", findings, err)
	}
	c, err := Read(t.Context(), filepath.Join(dir, "sendmail.cf"), site)
	if err != nil || !c.Untags["example.com"] || !c.Takes["example.com"] || c.Source != filepath.Join(dir, "sendmail.mc") || c.Submit == nil ||
		!strings.HasPrefix(c.Program, "8.") {
		t.Errorf("got %+v, %v", c, err)
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(c.Source, later, later); err != nil {
		t.Fatal(err)
	}
	if findings, err := Find(t.Context(), c.Path, site); err != nil || findings[0].Name != "not-generated" {
		t.Errorf("a source that is newer: %v, %v", findings, err)
	}
	write(t, c.Path, mtatest.Read(t, c.Path)+"ZZ\n", 0o644)
	if findings, err := Find(t.Context(), c.Path, site); err != nil || findings[0].Name != "sendmail-complains" || !strings.Contains(findings[0].What, `"ZZ"`) {
		t.Errorf("a line that Sendmail does not know: %v, %v", findings, err)
	}
	if _, err := Find(t.Context(), dir+"/none.cf", site); err == nil {
		t.Error("no error without a file")
	}
}

// If the command takes too long, the error says so.
func TestCommandThatSleeps(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sendmail")
	write(t, path, "#!/bin/sh\nexec sleep 30\n", 0o755)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := runTest(ctx, path, "x.cf", nil); err == nil || !strings.Contains(err.Error(), "does not answer in time") {
		t.Errorf("got %v", err)
	}
	write(t, path, "#!/bin/sh\necho nonsense\n", 0o755)
	if _, err := runTest(t.Context(), path, "x.cf", nil); err == nil || !strings.Contains(err.Error(), "does not understand: nonsense") {
		t.Errorf("got %v", err)
	}
}

// A configuration without the usual rule sets does not say what mail it takes.
func TestConfigurationWithoutTheUsualRuleSets(t *testing.T) {
	needSendmail(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sendmail.cf"), "V10/Berkeley\nMlocal, P=/bin/true, F=lsDFM, A=true\nMprog, P=/bin/true, F=lsDFM, A=true\nS0\nR$*\t$#local $: $1\n", 0o644)
	tt, err := runTest(t.Context(), program(os.Getenv("PATH")), filepath.Join(dir, "sendmail.cf"), []string{"example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if said := tt.takes(); len(said) != 0 || tt.untags()["example.com"] {
		t.Errorf("takes %v, untags %v", said, tt.untags())
	}
}
