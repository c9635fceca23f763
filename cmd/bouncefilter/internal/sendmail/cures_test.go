package sendmail

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

// The lines that check names work unchanged.
func TestCures(t *testing.T) {
	needSendmail(t)
	for _, name := range []string{"untouched", "like-debian", "own-bounces-lost", "unknown-users-to-one-mailbox", "relay-by-access"} {
		dir := copyCase(t, name)
		c, site := configIn(t, dir, name)
		lines := ""
		for _, f := range Check(c, site) {
			end := slices.IndexFunc(f.Cure, func(line string) bool { return strings.HasPrefix(line, "then: make -C ") })
			if end > 0 {
				lines += strings.Join(f.Cure[1:end], "\n") + "\n"
			}
		}
		mc := mtatest.Read(t, c.Source)
		at := strings.Index(mc, "\nMAILER(") + 1
		cf, err := generate(t.Context(), dir, mc[:at]+lines+mc[at:])
		if err != nil {
			t.Fatal(err)
		}
		write(t, c.Path, cf, 0o644)
		if len(lines) < 100 {
			t.Errorf("%s: lines to add are %q", name, lines)
		}
		c, site = configIn(t, dir, name)
		for _, f := range Check(c, site) {
			if f.Level == "error" {
				t.Errorf("%s: after adding\n%s\ncheck says %+v", name, lines, f)
			}
		}
	}
}

// So do those for a sendmail.cf that has no source.
func TestLinesWithoutSource(t *testing.T) {
	needSendmail(t)
	for _, name := range []string{"untouched", "other-milters-and-rules"} {
		dir := copyCase(t, name)
		if err := os.Remove(filepath.Join(dir, "sendmail.mc")); err != nil {
			t.Fatal(err)
		}
		c, site := configIn(t, dir, name)
		site.Domains = site.Domains[:1]
		var refused *NoSourceError
		if _, err := Setup(t.Context(), c.Path, site); !errors.As(err, &refused) {
			t.Fatalf("got %v", err)
		}
		cf := mtatest.Read(t, c.Path)
		heading := slices.IndexFunc(refused.Lines, func(line string) bool { return strings.HasPrefix(line, "and at the end of the file") })
		cf += strings.Join(refused.Lines[heading+1:], "\n") + "\n"
		for _, line := range refused.Lines[:heading] {
			if !strings.HasPrefix(line, "in place of") {
				cf = strings.Replace(cf, "\nDZ", "\n"+line+"\nDZ", 1)
			}
		}
		if name == "other-milters-and-rules" {
			cf = strings.Replace(cf, "\nO InputMailFilters=opendkim\n", "\n", 1)
		}
		write(t, c.Path, cf, 0o644)
		c, site = configIn(t, dir, name)
		site.Domains = site.Domains[:1]
		if findings := Check(c, site); len(findings) > 0 {
			t.Errorf("%s: after adding %q, check says %+v", name, refused.Lines, findings)
		}
		tt, err := runTest(t.Context(), program(os.Getenv("PATH")), c.Path, site.Domains)
		if err != nil || !tt.untags()["example.com"] {
			t.Errorf("%s: got %+v, %v", name, tt, err)
		}
	}
}
