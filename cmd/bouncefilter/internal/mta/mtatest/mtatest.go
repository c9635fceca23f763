// Package mtatest is what the tests of the packages beside mta share: a folder of cases, each a folder with the configuration of a mail
// server and what check finds in it.
package mtatest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Folders returns the names of the cases in a folder, of which there must be so many at least.
func Folders(t testing.TB, cases string, atLeast int) []string {
	t.Helper()
	entries, err := os.ReadDir(cases)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < atLeast {
		t.Fatalf("only %d configurations", len(entries))
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Read returns what a file holds, whose path is in parts.
func Read(t testing.TB, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var verdict = regexp.MustCompile("(error|warning|note)(?: or (warning))? `([a-z-]+)`")

// Ways tests that the table of ways past bouncefilter in a manual names findings that check makes, at the levels at which it makes them.
func Ways(t *testing.T, manual, cases string, names []string) {
	t.Helper()
	expected := "\n"
	for _, name := range names {
		expected += Read(t, cases, name, "expected") + "\n"
	}
	_, table, found := strings.Cut(Read(t, manual), "<!-- ways: held by a test -->\n")
	if !found {
		t.Fatal("there is no table")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	rows := 0
	for line := range strings.Lines(table) {
		columns := strings.Split(line, "|")
		verdicts := verdict.FindAllStringSubmatch(columns[3], -1)
		for _, v := range verdicts {
			for _, level := range v[1:3] {
				if level != "" && !strings.Contains(expected, "\n"+level+" "+v[3]+" ") {
					t.Errorf("no case has %s %s", level, v[3])
				}
			}
		}
		if rows++; rows > 2 && len(verdicts) == 0 {
			t.Errorf("no verdict in %s", line)
		}
	}
	if rows < 12 {
		t.Errorf("only %d rows", rows)
	}
}
