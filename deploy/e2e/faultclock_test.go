package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// ahead returns the path of a program whose clock is ahead. It is built from this tree, with another clock in the place where main gives
// the program that of the system: Go asks the kernel for the time, where libfaketime does not come between, and the kernel has one
// calendar for all processes.
func ahead(t *testing.T, by time.Duration) string {
	t.Helper()
	buildMu.Lock()
	defer buildMu.Unlock()
	if path, ok := built[by]; ok {
		return path
	}
	path, err := buildAhead(by)
	if err != nil {
		t.Fatal(err)
	}
	built[by] = path
	return path
}

// built has the programs that were built, by how much their clock is ahead.
var (
	buildMu sync.Mutex
	built   = map[time.Duration]string{}
)

func buildAhead(by time.Duration) (string, error) {
	clock := fmt.Sprintf("func() time.Time { return time.Now().Add(%d) },", by)
	return buildChanged("bouncefilter-ahead-"+by.String(), change{"cmd/bouncefilter/main.go", "time.Now,", clock})
}

// change is a change of a source file of the program, whose path is relative to the project: of a text that it has once.
type change struct{ path, from, to string }

// buildChanged builds the program under a name, with changes of some files.
func buildChanged(name string, changes ...change) (string, error) {
	texts := map[string]string{}
	for _, c := range changes {
		source, err := filepath.Abs(filepath.Join(root, c.path))
		if err != nil {
			return "", err
		}
		if _, changed := texts[source]; !changed {
			text, err := os.ReadFile(source)
			if err != nil {
				return "", err
			}
			texts[source] = string(text)
		}
		if n := strings.Count(texts[source], c.from); n != 1 {
			return "", fmt.Errorf("%s has %q %d times, expected once", source, c.from, n)
		}
		texts[source] = strings.Replace(texts[source], c.from, c.to, 1)
	}
	replace := map[string]string{}
	for source, text := range texts {
		changed := filepath.Join(folder, name+"-"+filepath.Base(source))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[source] = changed
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(folder, name+".json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	return build(name, "-overlay", overlay)
}
