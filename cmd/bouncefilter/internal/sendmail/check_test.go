package sendmail

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

// update writes what check finds into the folders, to be read by a person: go test -run TestCheck -update
var update = flag.Bool("update", false, "write testdata/check/*/expected")

var lineNumber = regexp.MustCompile(`:\d+:`)

func TestCheck(t *testing.T) {
	for _, name := range folders(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyCase(t, name)
			c, site := configIn(t, dir, name)
			var got []string
			for _, f := range Check(c, site) {
				where := strings.ReplaceAll(f.Where, dir, "DIR")
				if exists(filepath.Join(dir, "sendmail.mc")) {
					where = lineNumber.ReplaceAllString(where, ":LINE:") // depends on the release of sendmail-cf
				}
				got = append(got, string(f.Level)+" "+f.Name+" "+where)
				if !strings.HasSuffix(f.What, ".") || f.Level == "error" && len(f.Cure) == 0 {
					t.Errorf("%s does not say what to do: %+v", f.Name, f)
				}
			}
			path := filepath.Join(cases, name, "expected")
			if *update {
				write(t, path, strings.Join(append(got, ""), "\n"), 0o644)
			}
			want := strings.Split(strings.TrimSpace(mtatest.Read(t, path)), "\n")
			if want[0] == "" {
				want = nil
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}

var findingName = regexp.MustCompile(`k\.add\(mta\.Level\w+, "([a-z-]+)"`)

// Each finding that the source can make occurs in a case.
func TestEachFindingOccurs(t *testing.T) {
	expected := ""
	for _, name := range folders(t) {
		expected += mtatest.Read(t, cases, name, "expected")
	}
	sources, err := filepath.Glob("check*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range findingName.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
	}
	if len(names) < 25 {
		t.Errorf("only %d findings in the source", len(names))
	}
	for name := range names {
		if !strings.Contains(expected, " "+name+" ") {
			t.Errorf("no case has the finding %q", name)
		}
	}
}

// What the rules look like is what Sendmail does with them.
func TestSendmailAgrees(t *testing.T) {
	needSendmail(t)
	for _, name := range folders(t) {
		if !exists(filepath.Join(cases, name, "sendmail.mc")) {
			continue
		}
		dir := copyCase(t, name)
		c, site := configIn(t, dir, name)
		tt, err := runTest(t.Context(), program(os.Getenv("PATH")), c.Path, site.Domains)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		said, takes := tt.untags(), tt.takes()
		for _, d := range site.Domains {
			if takes[d] != (c.hosts(d) == yes) {
				t.Errorf("%s: Sendmail takes mail for %s: %v, it looked like %v", name, d, takes[d], c.hosts(d))
			}
			if static := c.untags(d); said[d] != (static == yes) {
				t.Errorf("%s: Sendmail removes tags from recipients in %s: %v, the rules look like %v\n%v", name, d, said[d], static, tt)
			}
		}
		if !strings.HasPrefix(tt.version, "8.") {
			t.Errorf("version %q", tt.version)
		}
	}
}

// The manual's table of ways past bouncefilter names findings that check makes, at the levels at which it makes them.
func TestWaysOfTheManual(t *testing.T) {
	mtatest.Ways(t, "../../../../deploy/sendmail/README.md", cases, folders(t))
}
