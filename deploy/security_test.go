package deploy

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

const security = "deploy/security.md"

var testName = regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w*$`)

// testNames returns the names of all tests and fuzz targets.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	for _, file := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			for _, m := range declaration.FindAllStringSubmatch(read(t, file), -1) {
				names[m[1]] = true
			}
		}
	}
	return names
}

// Every row of every table of security.md names a test in its last cell, and every test that the page names exists.
func TestSecurityIsShownByTests(t *testing.T) {
	names, rows := testNames(t), 0
	text := read(t, security)
	for _, word := range words(text) {
		if testName.MatchString(word) && !names[word] {
			t.Errorf("%s names %s, which does not exist", security, word)
		}
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		last := cells[len(cells)-1]
		if strings.HasPrefix(lines[i+1], "|---") {
			if strings.TrimSpace(last) != "shown by" {
				t.Errorf("%s:%d: the last column is %q", security, i+1, last)
			}
			continue
		}
		rows++
		if !slices.ContainsFunc(words(last), testName.MatchString) {
			t.Errorf("%s:%d: no test shows this: %s", security, i+1, line)
		}
	}
	if rows < 60 {
		t.Errorf("only %d rows seen", rows)
	}
}

// The unit has the directives that security.md promises.
func TestUnitHasWhatIsPromised(t *testing.T) {
	unit, n := read(t, unitFile), 0
	directive := regexp.MustCompile(`^[A-Z]\w+=`)
	for _, word := range words(read(t, security)) {
		if !directive.MatchString(word) {
			continue
		}
		n++
		if !strings.Contains(unit, "\n"+word+"\n") {
			t.Errorf("the unit lacks %s", word)
		}
	}
	if n < 20 {
		t.Errorf("only %d directives seen", n)
	}
}
