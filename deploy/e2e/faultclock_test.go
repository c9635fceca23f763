package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// aDayAhead returns the path of a program whose clock is a day ahead. It is built from this tree, with another clock in the place
// where main gives the program that of the system: Go asks the kernel for the time, where libfaketime does not come between, and
// the kernel has one calendar for all processes.
func aDayAhead(t *testing.T) string {
	t.Helper()
	path, err := buildAhead()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildAhead = sync.OnceValues(func() (string, error) {
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
	changed, overlay := filepath.Join(folder, "ahead.go"), filepath.Join(folder, "ahead.json")
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {source: changed}})
	if err != nil {
		return "", err
	}
	for name, content := range map[string]string{
		changed: strings.Replace(string(text), clock, "func() time.Time { return time.Now().Add(24 * time.Hour) },", 1),
		overlay: string(replaced),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	return build("bouncefilter-ahead", "-overlay", overlay)
})
