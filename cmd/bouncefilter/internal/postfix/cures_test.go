package postfix

import (
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// After the commands that a finding names, the finding is gone.
func TestCures(t *testing.T) {
	needPostfix(t)
	isCommand := func(cure string) bool { return strings.HasPrefix(cure, "postconf -c ") }
	var mu sync.Mutex
	cured := map[string]bool{}
	t.Run("cases", func(t *testing.T) {
		for _, name := range folders(t) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				dir := copyCase(t, name)
				c, site := unchanged(t, dir, name)
				for _, f := range Check(c, site) {
					if len(f.Cure) == 0 || slices.ContainsFunc(f.Cure, func(cure string) bool { return !isCommand(cure) }) {
						continue
					}
					tryCure(t, name, dir, f)
					mu.Lock()
					cured[f.Name] = true
					mu.Unlock()
				}
			})
		}
	})
	for _, name := range []string{"milter-missing", "milter-overridden", "milter-protocol", "milter-twice", "own-bounces-lost", "headers-rewritten",
		"unknown-users-accepted", "delimiter-missing", "defaults-not-written", "sender-relayhost", "sender-authentication",
		"restriction-bypassed", "policy-sees-tags"} {
		if !cured[name] {
			t.Errorf("no case has a command against %s", name)
		}
	}
}

// tryCure gives the commands against a finding to a copy of the case, and looks for it there.
func tryCure(t *testing.T, name, original string, f mta.Finding) {
	t.Helper()
	dir := copyCase(t, name)
	commands := strings.ReplaceAll(strings.Join(f.Cure, "\n"), original, dir)
	if out, err := exec.Command("sh", "-e", "-c", commands).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s%s", f.Name, err, commands, out)
	}
	settle(t, dir)
	now, site := readCase(t, dir, name)
	if slices.ContainsFunc(Check(now, site), func(g mta.Finding) bool {
		return g.Name == f.Name && strings.ReplaceAll(g.Where, dir, original) == f.Where
	}) {
		t.Errorf("%s at %s remains after\n%s", f.Name, f.Where, commands)
	}
}
