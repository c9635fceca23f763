package postfix

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

// leftToPeople are findings that remain after setup, because the operator has to decide about them. All others must be gone.
var leftToPeople = map[string][]string{
	"only-sends":                    {"domains-elsewhere"},
	"accepts-unsigned":              {"networks-differ"},
	"chosen-per-client":             {"milter-maps", "command-filter"},
	"good-accept-outside":           {"milter-accepts"},
	"good-other-tables-and-milters": {"headers-rewritten"},
	"milters-with-blanks":           {"headers-rewritten"},
	"extensions-missed":             {"extensions-missed"},
	"no-listener":                   {"milter-timeout"},
	"option-on-postscreen":          {"postscreen-option"},
	"restrictions-without-pcre":     {"tags-by-socketmap"},
	"own-cleanups":                  {"masquerade", "sender-canonical", "generic-breaks"},
	"proxied":                       {"milter-proxied"},
	"proxied-and-trusted":           {"milter-twice", "proxy-trusted"},
	"policy-services":               {"policy-sees-tags"},
	"restrictions-by-hand":          {"restriction-bypassed"},
	"rewriting":                     {"masquerade", "sender-canonical", "generic", "sender-relayhost", "sender-authentication"},
	"socketmap":                     {"tags-by-socketmap"},
	"table-unclear":                 {"table-unclear"},
	"tags-in-virtual-aliases":       {"unknown-users-accepted"},
}

// nothingToDo are cases, besides the good ones, in which setup changes nothing.
var nothingToDo = []string{"chosen-per-client", "extensions-missed", "local-domains-in-a-table", "policy-services", "proxied", "proxied-and-trusted", "rewriting", "rewriting-elsewhere",
	"socket-missing", "socketmap", "table-unclear"}

// refused are cases for which there is no change, and why.
var refused = map[string]string{
	"old-and-bare":         "needs 3.0 or later",
	"socket-outside-queue": "cannot reach the socket",
}

// copyCase copies a case to where it can be changed.
func copyCase(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	for _, pattern := range []string{"main.cf", "master.cf", "*.pcre"} {
		paths, err := filepath.Glob(filepath.Join(cases, name, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if err := writeSettled(filepath.Join(dir, filepath.Base(path)), []byte(mtatest.Read(t, path))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// unchanged is a copy of a case as readCase reads it, from what was captured: [TestCaptures] holds that postconf prints that.
func unchanged(t *testing.T, dir, name string) (*Config, mta.Site) {
	t.Helper()
	c, site := capturedConfig(t, name)
	c.Dir, c.Defaults["config_directory"] = dir, dir
	c.Sockets, c.Instances = nil, nil
	if err := c.readTables(); err != nil {
		t.Fatal(err)
	}
	return c, site
}

// readCase reads a configuration with Postfix' own postconf; what it leads to is as the case says.
func readCase(t *testing.T, dir, name string) (*Config, mta.Site) {
	t.Helper()
	c, err := readFiles(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	o, site := siteOf(t, name)
	c.Types, c.Local, c.Hosted = o.Types, o.Local, o.Hosted
	if o.Version != "" {
		c.Defaults["mail_version"] = o.Version
	}
	return c, site
}

func changeFor(t *testing.T, c *Config, site mta.Site) (*mta.Change, error) {
	t.Helper()
	p := &plan{c: c, site: site, tables: map[string]string{}, inPlace: map[string]map[int]string{}}
	if err := p.make(); err != nil {
		return nil, err
	}
	return p.change(t.Context())
}

// For every configuration: after the change, check has no finding that setup could have cured, a second setup changes nothing, and
// undoing restores every byte.
func TestSetup(t *testing.T) {
	needPostfix(t)
	for _, name := range folders(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyCase(t, name)
			before := readAll(t, dir)
			c, site := unchanged(t, dir, name)
			change, err := changeFor(t, c, site)
			if want := refused[name]; want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, expected %q", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if nothing := strings.HasPrefix(name, "good-") || slices.Contains(nothingToDo, name); nothing != (len(change.Files) == 0) {
				t.Errorf("the change is\n%s", change.Diff())
			}
			backup := filepath.Join(t.TempDir(), "setup", "postfix")
			if err := change.Apply(backup, nil); err != nil {
				t.Fatal(err)
			}
			settle(t, dir)
			if len(change.Files) > 0 {
				c, site = readCase(t, dir, name)
			}
			for _, f := range Check(c, site) {
				if !slices.Contains(leftToPeople[name], f.Name) {
					t.Errorf("after the change, check says %s at %s: %s\n%s", f.Name, f.Where, f.What, change.Diff())
				}
			}
			again, err := changeFor(t, c, site)
			if err != nil || len(again.Files) > 0 {
				t.Errorf("a second setup: %v\n%s", err, again.Diff())
			}
			if len(change.Files) == 0 {
				return
			}
			if len(change.Why) == 0 || !slices.Equal(change.Then, []string{"postfix -c " + dir + " reload"}) {
				t.Errorf("why %q, then %q", change.Why, change.Then)
			}
			if _, err := mta.Undo(backup); err != nil {
				t.Fatal(err)
			}
			if after := readAll(t, dir); after != before {
				t.Errorf("after undoing\n%s\nbefore it\n%s", after, before)
			}
		})
	}
}

// settle lets the files that were changed look as old as others: see writeSettled.
func settle(t *testing.T, dir string) {
	t.Helper()
	then := time.Now().Add(-time.Minute)
	for _, name := range []string{"main.cf", "master.cf"} {
		if err := os.Chtimes(filepath.Join(dir, name), then, then); err != nil {
			t.Fatal(err)
		}
	}
}

func readAll(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, e := range entries {
		all += "==> " + e.Name() + "\n" + mtatest.Read(t, dir, e.Name())
	}
	return all
}

func TestTablesThatPostfixCannotReadAreFound(t *testing.T) {
	needPostfix(t)
	dir := copyCase(t, "good-standard")
	if err := verifyTables(t.Context(), dir); err != nil {
		t.Error(err)
	}
	broken := strings.Replace(table(untagFile), "(.+)$/", "(.+$/", 1)
	if err := os.WriteFile(filepath.Join(dir, untagFile), []byte(broken), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := verifyTables(t.Context(), dir); err == nil || !strings.Contains(err.Error(), untagFile) {
		t.Errorf("got %v", err)
	}
}
