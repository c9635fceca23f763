package postfix

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

// The folders of testdata/check are one configuration each: main.cf, master.cf and tables, what postconf prints about them
// ("captured", so that the tests run without Postfix), what differs from the usual site ("site.json"), and what check finds
// ("expected").
const cases = "testdata/check"

// update writes what postconf prints into the folders: go test -run TestCaptures ./cmd/bouncefilter/internal/postfix -update
var update = flag.Bool("update", false, "write testdata/check/*/captured with the postconf of this host")

// oneSite is what differs from a Postfix 3.7 with the milter on TCP in both roles, for example.com.
type oneSite struct {
	Domains    []string          `json:"domains"`
	Delimiters string            `json:"delimiters"`
	Forms      []string          `json:"forms"`
	Listen     []string          `json:"listen"`
	Roles      []mta.Listener    `json:"roles"`
	Networks   []netip.Prefix    `json:"networks"` // loopback, unless said otherwise
	Socketmap  string            `json:"socketmap"`
	Version    string            `json:"version"`
	Types      []string          `json:"types"`
	Instances  []string          `json:"instances"`
	Local      []string          `json:"local"`
	Hosted     []string          `json:"hosted"`
	Sockets    map[string]Socket `json:"sockets"`
}

// folders returns the names of all cases.
func folders(t *testing.T) []string {
	t.Helper()
	return mtatest.Folders(t, cases, 30)
}

// siteOf returns the site of a case.
func siteOf(t testing.TB, name string) (oneSite, mta.Site) {
	t.Helper()
	o := oneSite{Domains: []string{"example.com"}, Delimiters: "+-", Forms: []string{"standard"}, Listen: []string{"tcp:127.0.0.1:8766"},
		Types: []string{"hash", "pcre", "regexp"}}
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
	site := mta.Site{Domains: o.Domains, Delimiters: o.Delimiters, Forms: o.Forms, Socketmap: o.Socketmap,
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	if o.Networks != nil {
		site.Networks = o.Networks
	}
	for i, text := range o.Listen {
		l := o.Roles[min(i, len(o.Roles)-1)]
		if l.Address, err = listener.Parse(text); err != nil {
			t.Fatal(err)
		}
		site.Listeners = append(site.Listeners, l)
	}
	return o, site
}

// configOf reads a case from what was captured.
func configOf(t *testing.T, name string) (*Config, mta.Site) {
	t.Helper()
	c, site := capturedConfig(t, name)
	tables, err := filepath.Glob(filepath.Join(cases, name, "*.pcre"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range tables {
		c.Tables["/etc/postfix/"+filepath.Base(path)] = mtatest.Read(t, path)
	}
	return c, site
}

// capturedConfig is configOf without tables.
func capturedConfig(t *testing.T, name string) (*Config, mta.Site) {
	t.Helper()
	o, site := siteOf(t, name)
	parts := strings.Split("\n"+mtatest.Read(t, cases, name, "captured"), "\n$ postconf ")
	if len(parts) != 4 {
		t.Fatalf("%s: %d parts", name, len(parts))
	}
	output := func(part int, flag string) string {
		rest, ok := strings.CutPrefix(parts[part], flag+"\n")
		if !ok {
			t.Fatalf("%s: part %d is not postconf %s", name, part, flag)
		}
		return rest
	}
	c := &Config{Dir: "/etc/postfix", Main: parseParameters(output(1, "-n")), Services: parseServices(output(2, "-M"), output(3, "-P")),
		Defaults: parseParameters(mtatest.Read(t, "testdata", "defaults")), Types: o.Types, Instances: o.Instances, Local: o.Local, Hosted: o.Hosted, Sockets: o.Sockets, Tables: map[string]string{}}
	if o.Version != "" {
		c.Defaults["mail_version"] = o.Version
	}
	return c, site
}

var sbin sync.Once

// needPostfix skips the test, or fails it, without Postfix.
func needPostfix(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short: it runs Postfix")
	}
	sbin.Do(func() { os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin") }) // which a user's PATH may lack
	if _, err := exec.LookPath("postconf"); err == nil {
		return
	}
	if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
		t.Fatal("postconf is missing; deploy/test installs Postfix")
	}
	t.Skip("needs Postfix; deploy/test installs it and runs this test")
}

// capture returns what postconf prints about a configuration, as if it were in /etc/postfix.
func capture(t *testing.T, dir string) string {
	t.Helper()
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, flag := range []string{"-n", "-M", "-P"} {
		out, err := run(t.Context(), "postconf", "-c", abs, flag)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "$ postconf %s\n", flag)
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "config_directory = ") {
				b.WriteString(strings.ReplaceAll(line, abs, "/etc/postfix"))
			}
		}
	}
	return b.String()
}

// What was captured is what postconf prints.
func TestCaptures(t *testing.T) {
	needPostfix(t)
	for _, name := range folders(t) {
		got := capture(t, filepath.Join(cases, name))
		path := filepath.Join(cases, name, "captured")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := mtatest.Read(t, path); got != want {
			t.Errorf("%s: postconf prints\n%s\nand captured was\n%s", name, got, want)
		}
	}
}
