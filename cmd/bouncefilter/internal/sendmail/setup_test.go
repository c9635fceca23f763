package sendmail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

// leftToPeople are findings that remain after setup, because the operator has to decide about them. All others must be gone.
var leftToPeople = map[string][]string{
	"accepts-inbound-only":      {"milter-accepts"},
	"daemon-with-other-milters": {"milter-overridden"},
	"domain-not-covered":        {"domains-elsewhere"},
	"masquerade":                {"masquerade", "generics"},
	"masquerade-host":           {"masquerade"},
	"other-milters-and-rules":   {"domains-elsewhere"},
	"restrictions":              {"local-check", "compat-check"},
	"relay-by-access":           {"domains-elsewhere"},
	"relay-for-others":          {"networks-differ"},
	"strips-senders":            {"strips-senders"},
	"tcp-and-hasty":             {"milter-timeout", "milter-tcp"},
	"like-debian":               {"milter-tcp"},
}

// nothingToDo are cases, besides the good ones, in which setup changes nothing.
var nothingToDo = []string{"accepts-inbound-only", "daemon-with-other-milters", "domain-not-covered", "masquerade", "masquerade-host",
	"relay-for-others", "strips-senders", "tcp-and-hasty"}

// For every configuration: after the change, check has no finding that setup could have cured, a second setup changes nothing, and
// undoing restores every byte.
func TestSetup(t *testing.T) {
	needSendmail(t)
	for _, name := range folders(t) {
		if !exists(filepath.Join(cases, name, "sendmail.mc")) || name == "filters-defined-later" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyCase(t, name)
			before := readAll(t, dir)
			o, site := siteOf(t, name)
			config := filepath.Join(dir, "sendmail.cf")
			change, err := Setup(t.Context(), config, site)
			if err != nil {
				t.Fatal(err)
			}
			if unchanged := strings.HasPrefix(name, "good-") || slices.Contains(nothingToDo, name); unchanged != (len(change.Files) == 0) {
				t.Errorf("the change is\n%s", change.Diff())
			}
			if diff := change.Diff(); strings.Contains(diff, "\n+##### built by") {
				t.Errorf("the change also says when it was made:\n%s", diff)
			}
			backup := filepath.Join(t.TempDir(), "setup", "sendmail")
			if err := change.Apply(backup, func() error { return Verify(t.Context(), config) }); err != nil {
				t.Fatal(err)
			}
			c, site := configIn(t, dir, name)
			c.Takes = o.Takes
			if c.Stale {
				t.Error("sendmail.cf is older than sendmail.mc")
			}
			for _, f := range Check(c, site) {
				if !slices.Contains(leftToPeople[name], f.Name) {
					t.Errorf("after the change, check says %s at %s: %s\n%s", f.Name, f.Where, f.What, change.Diff())
				}
			}
			again, err := Setup(t.Context(), config, site)
			if err != nil || len(again.Files) > 0 {
				t.Fatalf("a second setup: %v\n%s", err, again.Diff())
			}
			if len(change.Files) == 0 {
				return
			}
			if !slices.Equal(change.Then, []string{"kill -HUP $(head -n 1 " + dir + "/sendmail.pid)"}) || !slices.Equal(change.Then, Reload(config)) ||
				!strings.HasPrefix(change.Why[len(change.Why)-1], "Tested") {
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

// changeOf sets a case up, after an edit of its source by an administrator, and returns the new sendmail.mc and why.
func changeOf(t *testing.T, dir string, site mta.Site) (mc string, why string) {
	t.Helper()
	change, err := Setup(t.Context(), filepath.Join(dir, "sendmail.cf"), site)
	if err != nil {
		t.Fatal(err)
	}
	if len(change.Files) != 2 {
		t.Fatalf("%d files change", len(change.Files))
	}
	if err := change.Apply(filepath.Join(t.TempDir(), "setup", "sendmail"), nil); err != nil {
		t.Fatal(err)
	}
	return mtatest.Read(t, dir, "sendmail.mc"), strings.Join(change.Why, "\n")
}

func contains(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("lacks %q:\n%s", w, text)
		}
	}
}

// Our rules come before those that give an address to a mailer at once, and other milters stay.
func TestBlockComesBeforeLocalRules(t *testing.T) {
	needSendmail(t)
	dir := copyCase(t, "other-milters-and-rules")
	_, site := siteOf(t, "other-milters-and-rules")
	mc, why := changeOf(t, dir, site)
	contains(t, mc, "`S=inet:8891@127.0.0.1, F=T')dnl\n"+beginLine+"\nINPUT_MAIL_FILTER(`bouncefilter',", "divert(0)dnl\n"+endLine+"\nLOCAL_CONFIG\nC{Inner}")
	contains(t, why, "Milters are asked in the order opendkim, bouncefilter.")
	cf := mtatest.Read(t, dir, "sendmail.cf")
	if rules := parse("sendmail.cf", cf).untagging([]string{"Parse0"}); len(rules) != 2 { // which comes before ParseLocal
		t.Errorf("rule set Parse0 removes tags by %v", rules)
	}
}

// A domain that is new in bouncefilter.toml gets into the block, one that is gone out of it.
func TestBlockFollowsTheDomains(t *testing.T) {
	needSendmail(t)
	dir := copyCase(t, "untouched")
	write(t, filepath.Join(dir, "local-host-names"), "example.com\ndefine.example\n", 0o644)
	_, site := siteOf(t, "untouched")
	first, _ := changeOf(t, dir, site)
	site.Domains = []string{"define.example"}
	second, why := changeOf(t, dir, site)
	if want := strings.Replace(first, "}`example.com'", "}`define.example'", 1); second != want {
		t.Errorf("got\n%s\nwant\n%s", second, want)
	}
	contains(t, why, "in define.example, a user and an unknown user resolve to the same with and without a tag.")
}

// All domains below one, and very many: Sendmail takes the tags off, and those of other domains stay.
func TestBlockOfWildcardsAndVeryManyDomains(t *testing.T) {
	needSendmail(t)
	dir := copyCase(t, "untouched")
	names := "example.com\ndept.example.edu\na.b.example.edu\nexample.edu\nxn--mller-kva.example\n"
	_, site := siteOf(t, "untouched")
	site.Domains = []string{"example.com", "*.example.edu", "xn--mller-kva.example", "müller.example"}
	for i := range 3000 {
		d := fmt.Sprintf("customer-%05d-shop.example", i)
		names, site.Domains = names+d+"\n", append(site.Domains, d)
	}
	write(t, filepath.Join(dir, "local-host-names"), names, 0o644)
	mc, why := changeOf(t, dir, site)
	contains(t, mc, "C{BouncefilterBelow}`example.edu'\n", "C{BouncefilterDomain}`xn--mller-kva.example'\n", "C{BouncefilterDomain}`customer-02999-shop.example'\n")
	contains(t, why, "and 90 others, a user and an unknown user resolve to the same with and without a tag.")
	if strings.Contains(mc, "müller") {
		t.Error("sendmail.mc has octets beyond ASCII")
	}
	if again, err := Setup(t.Context(), filepath.Join(dir, "sendmail.cf"), site); err != nil || len(again.Files) > 0 {
		t.Errorf("a second setup: %v, %v", err, again)
	}
	tested, err := runTest(t.Context(), program(os.Getenv("PATH")), filepath.Join(dir, "sendmail.cf"),
		[]string{"dept.example.edu", "a.b.example.edu", "customer-02999-shop.example", "xn--mller-kva.example", "example.edu"})
	if err != nil {
		t.Fatal(err)
	}
	for domain, untags := range tested.untags() {
		if want := domain != "example.edu"; untags != want {
			t.Errorf("%s: tags are taken off %t, want %t", domain, untags, want)
		}
	}
	c, _ := configIn(t, dir, "untouched")
	if findings := Check(c, site); len(findings) > 0 {
		t.Errorf("check says %v", findings)
	}
}

// A line that lets mail leave unsigned becomes a comment; when setup is undone, it is a line again.
func TestLineThatIsReplaced(t *testing.T) {
	needSendmail(t)
	dir := copyCase(t, "accepts-unsigned")
	before := mtatest.Read(t, dir, "sendmail.mc")
	_, site := siteOf(t, "accepts-unsigned")
	mc, why := changeOf(t, dir, site)
	contains(t, mc, "\n"+replacedMark+"INPUT_MAIL_FILTER(`bouncefilter', `S=local:/run/bouncefilter/milter.sock')dnl\n")
	contains(t, why, "Lines that defined bouncefilter before become comments.")
	if strings.Count(mtatest.Read(t, dir, "sendmail.cf"), "\nXbouncefilter,") != 1 {
		t.Error("not one X line")
	}
	if back := withoutBlock(mc); back != before {
		t.Errorf("without the block it is\n%s\nbefore it was\n%s", back, before)
	}
}

func TestSetupRefuses(t *testing.T) {
	needSendmail(t)
	for _, tt := range []struct {
		name, folder string
		edit         func(dir string)
		want, remedy string
	}{
		{"milters that are defined anew after the block", "filters-defined-later", nil, "the lines have no effect where setup puts them", ""},
		{"a sendmail.cf that was edited by hand", "untouched", func(dir string) {
			path := filepath.Join(dir, "sendmail.cf")
			write(t, path, strings.Replace(mtatest.Read(t, path), "\nCP.\n", "\nCP. UUCP\n", 1), 0o644)
		}, `is not what m4 makes of DIR/sendmail.mc: it has "CP. UUCP" where m4 makes "CP."`, "write into DIR/sendmail.mc what was edited"},
		{"a source that was edited and not made", "untouched", func(dir string) {
			path := filepath.Join(dir, "sendmail.mc")
			write(t, path, strings.Replace(mtatest.Read(t, path), "FEATURE(`use_cw_file')", "FEATURE(`use_cw_file')\nFEATURE(`redirect')", 1), 0o644)
		}, "is not what m4 makes of", "make -C DIR"},
		{"a source that m4 cannot read", "untouched", func(dir string) {
			path := filepath.Join(dir, "sendmail.mc")
			write(t, path, "include(`/nowhere/m4/cf.m4')\n"+mtatest.Read(t, path), 0o644)
		}, "m4: exit status 1", ""},
		{"a configuration that Sendmail cannot read", "untouched", func(dir string) {
			for _, name := range []string{"sendmail.mc", "sendmail.cf"} {
				path := filepath.Join(dir, name)
				write(t, path, mtatest.Read(t, path)+"LOCAL_CONFIG\nZnonsense\n", 0o644)
			}
			cf, err := generate(t.Context(), dir, mtatest.Read(t, dir, "sendmail.mc"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "sendmail.cf"), cf, 0o644)
		}, `unknown configuration line "Znonsense"`, ""},
		{"an old Sendmail", "cf-old", nil, "this is Sendmail 8.13.8; the set-up needs 8.14 or later", ""},
		{"no source", "cf-untouched", nil, "there is no DIR/sendmail.mc", "\n  Xbouncefilter, S=local:/run/bouncefilter/milter.sock, F=T, T=C:10s;S:10s;R:10s;E:30s\n  O InputMailFilters=bouncefilter"},
	} {
		dir := copyCase(t, tt.folder)
		if tt.edit != nil {
			tt.edit(dir)
		}
		_, site := siteOf(t, tt.folder)
		tidy := strings.NewReplacer(dir, "DIR")
		change, err := Setup(t.Context(), filepath.Join(dir, "sendmail.cf"), site)
		if err == nil || !strings.Contains(tidy.Replace(err.Error()), tt.want) {
			t.Errorf("%s: got %v, %v; expected %q", tt.name, change, err, tt.want)
		}
		var remediable interface{ Remedy() string }
		if found := errors.As(err, &remediable); found != (tt.remedy != "") || found && !strings.Contains(tidy.Replace(remediable.Remedy()), tt.remedy) {
			t.Errorf("%s: the remedy is %v; expected %q", tt.name, remediable, tt.remedy)
		}
	}
}

func TestNoSourceAndNothingToDo(t *testing.T) {
	_, site := siteOf(t, "cf-good")
	change, err := Setup(t.Context(), filepath.Join(copyCase(t, "cf-good"), "sendmail.cf"), site)
	if err != nil || len(change.Files) > 0 {
		t.Errorf("got %v, %v", change, err)
	}
}

// The test that setup makes finds rules that do not work.
func TestRulesThatDoNothingAreFound(t *testing.T) {
	needSendmail(t)
	dir := copyCase(t, "good-standard")
	p := &plan{cf: strings.Replace(mtatest.Read(t, dir, "sendmail.cf"), "^(prvs=", "^(prsv=", 1), untagged: []string{"example.com"}}
	if _, err := p.test(t.Context()); err == nil || !strings.Contains(err.Error(), "and with a tag to") {
		t.Errorf("got %v", err)
	}
	p.cf = mtatest.Read(t, dir, "sendmail.cf")
	if why, err := p.test(t.Context()); err != nil {
		t.Errorf("got %q, %v", why, err)
	}
}
