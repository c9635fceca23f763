package sendmail

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

// shipped is the folder with the files that a postmaster includes instead of running setup.
const shipped = "../../../../deploy/sendmail"

// What setup writes is what the manual has.
func TestBlockIsWhatIsShipped(t *testing.T) {
	have := map[string]bool{}
	for _, name := range []string{"bouncefilter-milter.m4", "bouncefilter-untag.m4"} {
		for line := range strings.Lines(mtatest.Read(t, shipped, name)) {
			have[squeezed(strings.TrimSpace(line))] = true
		}
	}
	b := block{milters: []Milter{{Name: ourName, Socket: "local:/run/bouncefilter/milter.sock"}}, domains: []string{"example.com", "*.example.edu"}}
	for _, line := range b.mc() {
		switch line {
		case "C{BouncefilterDomain}`example.com'":
			line = "C{BouncefilterDomain} example.com"
		case "C{BouncefilterBelow}`example.edu'":
			line = "dnl C{BouncefilterBelow} example.edu"
		case "divert(0)dnl":
			continue // the files are at the end, the block is not
		}
		if !have[squeezed(line)] {
			t.Errorf("deploy/sendmail has no line %q", line)
		}
	}
}

// After the manual was followed, setup changes nothing. If bouncefilter has more domains than the file, setup writes rules for the
// others.
func TestSetupBesideTheManual(t *testing.T) {
	needSendmail(t)
	dir := copyCase(t, "untouched")
	write(t, filepath.Join(dir, "local-host-names"), "example.com\nmore.example\n", 0o644)
	abs, err := filepath.Abs(shipped)
	if err != nil {
		t.Fatal(err)
	}
	mc := mtatest.Read(t, dir, "sendmail.mc") + "include(`" + abs + "/bouncefilter-untag.m4')dnl\ninclude(`" + abs + "/bouncefilter-milter.m4')dnl\n"
	cf, err := generate(t.Context(), dir, mc)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "sendmail.mc"), mc, 0o644)
	write(t, filepath.Join(dir, "sendmail.cf"), cf, 0o644)
	c, site := configIn(t, dir, "untouched")
	if findings := Check(c, site); len(findings) > 0 {
		t.Errorf("check says %v", findings)
	}
	change, err := Setup(t.Context(), c.Path, site)
	if err != nil || len(change.Files) > 0 {
		t.Errorf("setup: %v, %v", change, err)
	}
	site.Domains = append(site.Domains, "more.example")
	mc, why := changeOf(t, dir, site)
	contains(t, mc, "C{BouncefilterDomain}`more.example'\n")
	contains(t, why, "in more.example, a user and an unknown user resolve to the same with and without a tag.")
	if strings.Contains(mc, "\nINPUT_MAIL_FILTER(") {
		t.Errorf("the milter is there twice:\n%s", mc)
	}
}
