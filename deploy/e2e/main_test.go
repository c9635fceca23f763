package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// requireServers makes a missing server a failure instead of a reason to skip; deploy/test sets it.
const requireServers = "BOUNCEFILTER_REQUIRE_SERVERS"

// folder is the temporary folder of the whole run. It is not a t.TempDir because Postfix' and Redis' processes run as
// other users, which must be able to pass through it.
var folder string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if folder, err = os.MkdirTemp("", "bouncefilter-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	if err := os.Chmod(folder, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	done, err := startReaper(folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer done()
	return m.Run()
}

// newFolder returns a new folder in the folder of the run.
func newFolder(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp(folder, name)
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// skipShort skips the test, which starts servers or runs the program, in the short lane: go test -short.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short")
	}
}

// needServers skips the test, or fails it, when the machine cannot run the servers.
func needServers(t *testing.T) {
	t.Helper()
	skipShort(t)
	missing := missingServers()
	switch {
	case len(missing) == 0:
	case os.Getenv(requireServers) != "":
		t.Fatalf("%s is set, but this test needs %s; run deploy/test, which installs what is missing", requireServers, strings.Join(missing, ", "))
	default:
		t.Skipf("needs %s; deploy/test installs what is missing and runs this test", strings.Join(missing, ", "))
	}
}

var missingServers = sync.OnceValue(func() []string {
	var missing []string
	if os.Getuid() != 0 {
		missing = append(missing, "to be run by root")
	}
	// Daemons and administration commands are in sbin, which a user's PATH may lack.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
	for _, command := range []string{"postfix", "postconf", "sendmail", "redis-server", "saslpasswd2"} {
		if _, err := exec.LookPath(command); err != nil {
			missing = append(missing, command)
		}
	}
	if types, err := exec.Command("postconf", "-m").Output(); err != nil || !strings.Contains(string(types), "pcre") {
		missing = append(missing, "the pcre tables of Postfix")
	}
	return missing
})

// bouncefilter returns the path of the program, built from this tree once for all tests.
func bouncefilter(t *testing.T) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildOnce = sync.OnceValues(func() (string, error) { return build("bouncefilter") })

// build builds the program under a name in the folder of the run, with more flags.
func build(name string, flags ...string) (string, error) {
	if err := touchSources(); err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	out, err := exec.Command("go", slices.Concat([]string{"build", "-o", path}, flags, []string{"../../cmd/bouncefilter"})...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// touchSources looks at every source file of the program. The go command keeps the result of a test until a file changes
// that the test has looked at; it does not see what the compiler that the test starts looks at.
func touchSources() error {
	for _, dir := range []string{"cmd", "filter", "prvs", "store"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
