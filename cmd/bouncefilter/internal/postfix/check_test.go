package postfix

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

func TestCheck(t *testing.T) {
	for _, name := range folders(t) {
		t.Run(name, func(t *testing.T) {
			c, site := configOf(t, name)
			var got []string
			for _, f := range Check(c, site) {
				got = append(got, string(f.Level)+" "+f.Name+" "+f.Where)
				if !strings.HasSuffix(f.What, ".") || f.Level == "error" && len(f.Cure) == 0 {
					t.Errorf("%s does not say what to do: %+v", f.Name, f)
				}
			}
			want := strings.Split(strings.TrimSpace(mtatest.Read(t, cases, name, "expected")), "\n")
			if want[0] == "" {
				want = nil
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}

var findingName = regexp.MustCompile(`k\.add\(mta\.Level\w+, "([a-z-]+)"|main\("([a-z-]+)"|lookup\{"([a-z-]+)"`)

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
			names[m[1]+m[2]+m[3]] = true
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

// The manual's table of ways past bouncefilter names findings that check makes, at the levels at which it makes them.
func TestWaysOfTheManual(t *testing.T) {
	mtatest.Ways(t, "../../../../deploy/postfix/README.md", cases, folders(t))
}
