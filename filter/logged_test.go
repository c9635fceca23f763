package filter

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// All addresses and Message-IDs in the log are written by one function: whatever attribute of that name a line has.
func TestAddressesAreLoggedAlike(t *testing.T) {
	attribute := regexp.MustCompile(`"(sender|recipient|original|reported_recipient|address)", ([^,]+)`)
	found := map[string]int{}
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range attribute.FindAllSubmatch(text, -1) {
			name, value := string(m[1]), string(m[2])
			switch {
			case strings.HasPrefix(value, "angle("), strings.HasPrefix(value, "ln.Addr()"): // a socket
			case strings.Contains(string(text), `address("`+name+`", `): // which is a closure around angle
			default:
				t.Errorf("%s: %s is logged as %s", path, name, value)
			}
			found[name]++
		}
	}
	for _, name := range []string{"sender", "recipient", "original", "reported_recipient"} {
		if found[name] == 0 {
			t.Errorf("no line has %s: this test looks for something else", name)
		}
	}
	for _, s := range [][2]string{
		{"", "<>"}, {"<>", "<>"}, {"a@example.com", "<a@example.com>"}, {"<a@example.com>", "<a@example.com>"}, {"<a", "<<a>"},
		{strings.Repeat("a", maxLogText), "<" + strings.Repeat("a", maxLogText) + ">"}, {strings.Repeat("a", maxLogText+1), "<" + strings.Repeat("a", maxLogText) + "...>"},
	} {
		if got := angle(s[0]); got != s[1] {
			t.Errorf("%q is logged as %q", s[0], got)
		}
	}
}
