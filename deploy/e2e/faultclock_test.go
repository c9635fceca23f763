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
	source, err := filepath.Abs("../../cmd/bouncefilter/main.go")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const clock = "time.Now,"
	if n := strings.Count(string(text), clock); n != 1 {
		return "", fmt.Errorf("%s has %q %d times, expected once", source, clock, n)
	}
	name := "bouncefilter-ahead-" + by.String()
	changed, overlay := filepath.Join(folder, name+".go"), filepath.Join(folder, name+".json")
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {source: changed}})
	if err != nil {
		return "", err
	}
	now := fmt.Sprintf("func() time.Time { return time.Now().Add(%d) },", by)
	for name, content := range map[string]string{changed: strings.Replace(string(text), clock, now, 1), overlay: string(replaced)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	return build(name, "-overlay", overlay)
}
