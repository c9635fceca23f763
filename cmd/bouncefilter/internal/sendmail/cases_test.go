package sendmail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

// The folders of testdata/check are one configuration each: sendmail.mc, of which m4 makes sendmail.cf, or a sendmail.cf that
// is cut down to a few lines; class files; what differs from the usual site ("site.json"); and what check finds ("expected").
// DIR means the folder, CFDIR the folder with the files of sendmail-cf.
const cases = "testdata/check"

// oneSite is what differs from a milter on a unix socket in both roles, for example.com.
type oneSite struct {
	Domains    []string          `json:"domains"`
	Delimiters string            `json:"delimiters"`
	Local      []string          `json:"local"` // local-host-names
	Forms      []string          `json:"forms"`
	Listen     []string          `json:"listen"`
	Roles      []mta.Listener    `json:"roles"`
	Submit     string            `json:"submit"` // "none", or where submit.cf leads to
	Sockets    map[string]Socket `json:"sockets"`
	Stale      bool              `json:"stale"`
	Untags     map[string]bool   `json:"untags"`
	Takes      map[string]bool   `json:"takes"`
	Fault      string            `json:"fault"`
}

// folders returns the names of all cases.
func folders(t *testing.T) []string {
	t.Helper()
	return mtatest.Folders(t, cases, 40)
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// siteOf returns the site of a case.
func siteOf(t *testing.T, name string) (oneSite, mta.Site) {
	t.Helper()
	o := oneSite{Domains: []string{"example.com"}, Local: []string{"example.com"}, Forms: []string{"standard"},
		Listen: []string{"unix:/run/bouncefilter/milter.sock"}, Submit: "[127.0.0.1]"}
	data, err := os.ReadFile(filepath.Join(cases, name, "site.json"))
	if err == nil {
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.DisallowUnknownFields()
		err = d.Decode(&o)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s: %v", name, err)
	}
	if o.Roles == nil {
		o.Roles = []mta.Listener{{Sign: true, Verify: true}}
	}
	site := mta.Site{Domains: o.Domains, Delimiters: o.Delimiters, Forms: o.Forms,
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}
	for i, text := range o.Listen {
		l := o.Roles[min(i, len(o.Roles)-1)]
		if l.Address, err = listener.Parse(text); err != nil {
			t.Fatal(err)
		}
		site.Listeners = append(site.Listeners, l)
	}
	return o, site
}

// copyCase copies a case to a folder of its own and makes what is missing.
func copyCase(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	o, _ := siteOf(t, name)
	write(t, filepath.Join(dir, "local-host-names"), "# names of ours\n"+strings.Join(o.Local, "\n")+"\n", 0o644)
	write(t, filepath.Join(dir, "service.switch"), "hosts files\naliases files\npasswd files\n", 0o644)
	write(t, filepath.Join(dir, "aliases"), "postmaster: root\n", 0o644)
	if o.Submit != "none" {
		write(t, filepath.Join(dir, "submit.cf"), "V10/Berkeley\nD{MTAHost}"+o.Submit+"\n", 0o644)
	}
	entries, err := os.ReadDir(filepath.Join(cases, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "expected" || e.Name() == "site.json" {
			continue
		}
		text := strings.NewReplacer("CFDIR", macros(), "DIR", dir).Replace(mtatest.Read(t, cases, name, e.Name()))
		write(t, filepath.Join(dir, e.Name()), text, 0o644)
	}
	if source := filepath.Join(dir, "sendmail.mc"); exists(source) {
		needSendmail(t)
		write(t, filepath.Join(dir, "sendmail.cf"), generated(t, name, dir, mtatest.Read(t, source)), 0o644)
	}
	return dir
}

// configIn reads a copy of a case. What depends on the host is as the case says.
func configIn(t *testing.T, dir, name string) (*Config, mta.Site) {
	t.Helper()
	c, err := readFiles(filepath.Join(dir, "sendmail.cf"))
	if err != nil {
		t.Fatal(err)
	}
	o, site := siteOf(t, name)
	c.Host, c.Sockets, c.Stale, c.Untags, c.Takes, c.Fault = "mx.example.com", o.Sockets, o.Stale, o.Untags, o.Takes, o.Fault
	if c.Stale {
		c.Source = filepath.Join(dir, "sendmail.mc")
	}
	return c, site
}

// unpacked returns the folder that Sendmail is unpacked in.
func unpacked() string { return os.Getenv("BOUNCEFILTER_SENDMAIL") }

// generated is the sendmail.cf that m4 makes of the sendmail.mc of a case, for a folder: m4 is slow, and several tests look at each case.
func generated(t *testing.T, name, dir, mc string) string {
	t.Helper()
	alreadyMade.Lock()
	defer alreadyMade.Unlock()
	first, there := alreadyMade.cases[name]
	if !there {
		cf, err := generate(t.Context(), dir, mc)
		if err != nil {
			t.Fatal(err)
		}
		first = generatedCase{dir, cf}
		alreadyMade.cases[name] = first
	}
	return strings.ReplaceAll(first.cf, first.dir, dir)
}

type generatedCase struct{ dir, cf string }

var alreadyMade = struct {
	sync.Mutex
	cases map[string]generatedCase
}{cases: map[string]generatedCase{}}

// folder has what the tests share: the sendmail command, and a copy of the files of sendmail-cf.
var folder string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if folder, err = os.MkdirTemp("", "sendmail-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	return m.Run()
}

// macros returns the folder with the files of sendmail-cf.
func macros() string { return filepath.Join(folder, "cf") }

// makeinfo replaces a script of sendmail-cf that needs ten processes to say by whom, when and where a sendmail.cf is made. What it
// says is another thing each time as well.
const makeinfo = `echo "##### built by root@mx.example.com on $$"
echo "##### in $PWD"
echo "##### using $1 as configuration include directory"
echo "define(\` + "`" + `__HOST__', mx.example.com)dnl"
`

var prepared sync.Once

// needSendmail skips the test, or fails it, without Sendmail, and puts the sendmail command into PATH.
//
// QUIRK: Sendmail sleeps for 60 s when its host has no qualified name, so it gets a host of its own. It asks DNS about that
// name, so the host has no network either.
func needSendmail(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short: it needs Sendmail")
	}
	if unpacked() == "" || os.Geteuid() != 0 {
		if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
			t.Fatal("this test needs root, and BOUNCEFILTER_SENDMAIL, the folder that Sendmail is unpacked in; see deploy/test")
		}
		t.Skip("needs Sendmail and root; deploy/test unpacks it and runs this test")
	}
	prepared.Do(func() {
		if err := os.CopyFS(macros(), os.DirFS(filepath.Join(unpacked(), "usr/share/sendmail/cf"))); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(macros(), "sh/makeinfo.sh"), makeinfo, 0o644)
		write(t, filepath.Join(folder, "sendmail"), `#!/bin/sh
# Runs a Sendmail, which knows the option InputMailFilters.
exec unshare --uts --net sh -c 'hostname mx.example.com; exec "$@"' sh `+unpacked()+`/usr/libexec/sendmail/sendmail "$@"
`, 0o755)
		os.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	})
}
