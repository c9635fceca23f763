package filter

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// rows returns the rows of a table of the manual by their first word.
func rows(t *testing.T, name string) map[string]string {
	t.Helper()
	manual, err := os.ReadFile("../deploy/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(manual), "<!-- "+name+": held by a test -->\n")
	if !ok {
		t.Fatalf("deploy/manual.md has no table of %s", name)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	rows := map[string]string{}
	for _, line := range strings.Split(table, "\n")[2:] {
		rows[strings.Split(line, "`")[1]] = line
	}
	return rows
}

// The manual's table of causes says what the table in the code says.
func TestManualHasTheCauses(t *testing.T) {
	rows := rows(t, "causes")
	for _, c := range policy.Causes() {
		reason := "what is proven"
		if r := c.Reason(); r != policy.NoReason {
			reason = "`" + r.String() + "`"
		}
		if want := fmt.Sprintf("| `%s` | %s | %s | `%s` |", c, c.Sentence(), reason, c.Action()); rows[c.String()] != want {
			t.Errorf("deploy/manual.md:\n got %s\nwant %s", rows[c.String()], want)
		}
		delete(rows, c.String())
	}
	for word := range rows {
		t.Errorf("deploy/manual.md has a row for %q", word)
	}
}

// The manual's table of limits has all names, each with a test that exists.
func TestManualHasTheLimits(t *testing.T) {
	rows := rows(t, "limits")
	for _, n := range limit.Names() {
		row, ok := rows[string(n)]
		if !ok {
			t.Errorf("deploy/manual.md lacks the limit %q", n)
			continue
		}
		cells := strings.Split(strings.Trim(row, "| "), "|")
		test := strings.Trim(cells[len(cells)-1], " `")
		if !strings.HasPrefix(test, "Test") || !hasTest(t, test) {
			t.Errorf("deploy/manual.md: the test %q of the limit %q does not exist", test, n)
		}
		delete(rows, string(n))
	}
	for word := range rows {
		t.Errorf("deploy/manual.md has a row for %q", word)
	}
}

// hasTest says whether the project has a test with that name.
func hasTest(t *testing.T, name string) (found bool) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)") {
			found = true
			return fs.SkipAll
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The manual's table of reasons says what the table in the code says.
func TestManualHasTheReasons(t *testing.T) {
	rows := rows(t, "reasons")
	p := testPolicy(t, nil)
	for _, r := range policy.Reasons() {
		switch r {
		case policy.NoReason, policy.NotProtected:
			continue // nothing for an operator to see
		}
		if r >= policy.Signed {
			continue
		}
		def, reply := "accepted", ""
		switch a := p.Action(r); a {
		case policy.ActionReject:
			def = map[policy.Stage]string{policy.StageRcpt: "refused at RCPT", policy.StageEndOfMessage: "refused at end of message"}[r.Stage()]
			reply = " `" + r.Reply(policy.Refuse).String() + "`"
		case policy.ActionDefer:
			def = "deferred at end of message"
			reply = " `" + r.Reply(policy.Defer).String() + "`"
		case policy.ActionDiscard:
			def = "this recipient is dropped"
		}
		if r == policy.Valid {
			def += ", untagged"
		}
		want := fmt.Sprintf("| `%s` | %s | %s |%s |", r, r.Sentence(), def, reply)
		if rows[r.String()] != want {
			t.Errorf("deploy/manual.md:\n got %s\nwant %s", rows[r.String()], want)
		}
		delete(rows, r.String())
	}
	for word := range rows {
		t.Errorf("deploy/manual.md has a row for %q", word)
	}
}

// The manual lists the known destinations as the policy has them, and no others.
func TestManualHasTheKnownDestinations(t *testing.T) {
	rows := rows(t, "known destinations")
	for _, d := range policy.KnownDestinations() {
		if want := fmt.Sprintf("| `%s` | %s | <%s> | %s |", d.Recipients, d.What, d.Source, d.Seen); rows[d.Recipients] != want {
			t.Errorf("deploy/manual.md:\n got %s\nwant %s", rows[d.Recipients], want)
		}
		delete(rows, d.Recipients)
	}
	for recipients := range rows {
		t.Errorf("deploy/manual.md has a row for %q", recipients)
	}
}
