package postfix

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// Whoever gives the commands that a finding names is rid of it.
func TestCures(t *testing.T) {
	needPostfix(t)
	isCommand := func(cure string) bool { return strings.HasPrefix(cure, "postconf -c ") }
	cured := map[string]bool{}
	for _, name := range folders(t) {
		if len(strings.TrimSpace(read(t, cases, name, "expected"))) == 0 {
			continue
		}
		dir := copyCase(t, name)
		c, site := readCase(t, dir, name)
		for _, f := range Check(c, site) {
			if len(f.Cure) == 0 || slices.ContainsFunc(f.Cure, func(cure string) bool { return !isCommand(cure) }) {
				continue
			}
			dir := copyCase(t, name)
			commands := strings.ReplaceAll(strings.Join(f.Cure, "\n"), c.Dir, dir)
			if out, err := exec.Command("sh", "-e", "-c", commands).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s%s", name, f.Name, err, commands, out)
			}
			settle(t, dir)
			now, site := readCase(t, dir, name)
			if slices.ContainsFunc(Check(now, site), func(g mta.Finding) bool {
				return g.Name == f.Name && strings.ReplaceAll(g.Where, dir, c.Dir) == f.Where
			}) {
				t.Errorf("%s: %s at %s remains after\n%s", name, f.Name, f.Where, commands)
			}
			cured[f.Name] = true
		}
	}
	for _, name := range []string{"milter-missing", "milter-overridden", "milter-protocol", "milter-twice", "own-bounces-lost", "headers-rewritten",
		"unknown-users-accepted", "delimiter-missing", "defaults-not-written", "sender-relayhost", "sender-authentication"} {
		if !cured[name] {
			t.Errorf("no case has a command against %s", name)
		}
	}
}
