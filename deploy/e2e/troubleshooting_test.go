package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The symptoms of deploy/troubleshooting.md are what servers really say: each heading in code is a text that a test sees
// (symptoms), a reply of the filter's, or a line of our log, whose texts are in the sources.
var symptoms = map[string]func(t *testing.T) string{
	"Recipient address rejected: User unknown": func(t *testing.T) string {
		s := newSite(t, siteOptions{sections: []string{theMilter}})
		c := s.outside(t)
		defer c.quit()
		c.mustCommand("250", "MAIL FROM:<>")
		return c.command("RCPT TO:<" + s.daemon.sign(t, "user@virt.example", time.Now()) + ">")
	},
	"Service unavailable - try again later": func(t *testing.T) string {
		s := newSite(t, siteOptions{})
		s.daemon.process.end(t, syscall.SIGTERM)
		c := s.outside(t)
		defer c.quit()
		return c.command("MAIL FROM:<>")
	},
	"connect to Milter service": func(t *testing.T) string {
		s := newSite(t, siteOptions{})
		s.daemon.process.end(t, syscall.SIGTERM)
		c := s.outside(t)
		defer c.quit()
		c.command("MAIL FROM:<>")
		eventually(t, "Postfix complains", func() bool { return strings.Contains(s.postfix.log(), "Connection refused") })
		return s.postfix.log()
	},
	"Temporary lookup failure": func(t *testing.T) string {
		needServers(t)
		// A lookup of a recipient that gets no answer, as in the chapter about socketmap.
		s := newSite(t, siteOptions{settings: []string{"virtual_alias_maps = socketmap:inet:127.0.0.1:1:untag"}})
		c := s.outside(t)
		defer c.quit()
		c.mustCommand("250", "MAIL FROM:<>")
		return c.command("RCPT TO:<user@virt.example>")
	},
	"unsafe: World writable directory": func(t *testing.T) string {
		needServers(t)
		s := newSendmailSite(t, filepath.Join(newFolder(t, "site"), "sendmail"), newSink(t, "world.example"), newSink(t, "inner.example"))
		cf, err := os.ReadFile(s.path("sendmail.cf"))
		if err != nil {
			t.Fatal(err)
		}
		s.write(t, "sendmail.cf", strings.Replace(string(cf), "#O InputMailFilters", "O InputMailFilters=bouncefilter", 1)+
			"Xbouncefilter, S=local:/tmp/milter.sock, F=T\n", 0o644)
		out, err := s.within(s.program, "-C", s.path("sendmail.cf"), "-bD").CombinedOutput()
		if err == nil {
			t.Error("Sendmail starts")
		}
		return string(out)
	},
}

func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	for _, symptom := range slices.Sorted(maps.Keys(symptoms)) {
		t.Run(symptom, func(t *testing.T) {
			t.Parallel()
			if said := symptoms[symptom](t); !strings.Contains(said, symptom) {
				t.Errorf("it says %q", lastLines(said, 20))
			}
		})
	}
}

// TestTroubleshootingNamesWhatIsSaid holds the page and the sources together.
func TestTroubleshootingNamesWhatIsSaid(t *testing.T) {
	page := readManual(t, "deploy/troubleshooting.md")
	var sources strings.Builder
	for _, dir := range []string{"filter", "store", "cmd/bouncefilter"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ os.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				text, err := os.ReadFile(path)
				sources.Write(text)
				return err
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	headings := regexp.MustCompile("(?m)^### `(.*)`$").FindAllStringSubmatch(page, -1)
	for _, h := range headings {
		if _, seen := symptoms[h[1]]; !seen && !strings.Contains(sources.String(), h[1]) {
			t.Errorf("deploy/troubleshooting.md has the heading %q, which no source says: has a message changed?", h[1])
		}
	}
	if len(headings) < 12 {
		t.Errorf("only %d symptoms are quoted", len(headings))
	}
	for symptom := range symptoms {
		if !strings.Contains(page, "### `"+symptom+"`\n") {
			t.Errorf("the page does not have %q", symptom)
		}
	}
	// The words of findings and reasons that it names.
	for _, word := range []string{"key-missing", "key-differs", "milter-missing", "verify-only", "other-route", "untagged", "over-budget", "not-issued"} {
		if !strings.Contains(page, "`"+word+"`") || !strings.Contains(sources.String(), `"`+word+`"`) {
			t.Errorf("%q is not on the page, or not a word of ours", word)
		}
	}
}

// Its configuration is one that bouncefilter takes, and its commands are run in [TestReadmeInstall] and [TestFreshRoot].
func TestTroubleshootingConfiguration(t *testing.T) {
	t.Parallel()
	page := readManual(t, "deploy/troubleshooting.md")
	options := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(options) < 2 {
		t.Fatalf("the page has %d pieces of configuration", len(options))
	}
	d := newDaemon(t, filepath.Join(newFolder(t, "site"), "bouncefilter"), "memory:", false, "", "")
	for _, m := range options {
		for _, text := range []string{m[1], "domains = [\"example.com\"]\nstate_dir = \"" + d.dir + "\"\n" + m[1]} {
			d.write(t, text)
			out, status := d.run(t, "check", "--mta", "none", "--config", d.config)
			if wantDomain := !strings.Contains(text, "domains ="); (status != 0) != wantDomain || wantDomain && strings.Count(out, "\n") != 1 {
				t.Errorf("check: exit status %d\n%s\n%s", status, text, out)
			}
		}
	}
	elsewhere := readManual(t, readme) + readManual(t, manual) + readManual(t, "deploy/sendmail/README.md")
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
		if !strings.Contains(elsewhere, block[1]) {
			t.Errorf("this command is run by no test: %s", block[1])
		}
	}
}
