package e2e

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// clockVariable names the file from which a program of [steppedProgram] takes by how much its clock differs from that of the system.
const clockVariable = "BOUNCEFILTER_TEST_CLOCK"

// steppedProgram returns the path of a program whose clock a test sets while it runs: the clock of its decisions, and that of its log.
func steppedProgram(t *testing.T) string {
	t.Helper()
	path, err := buildStepped()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildStepped = sync.OnceValues(func() (string, error) {
	const clock = `func() time.Time {
	text, err := os.ReadFile(os.Getenv("` + clockVariable + `"))
	if err != nil {
		panic(err)
	}
	by, err := time.ParseDuration(string(text))
	if err != nil {
		panic(err)
	}
	return time.Now().Add(by)
}`
	const logger = "func New(w io.Writer, form Form, o slog.HandlerOptions) *slog.Logger {"
	return buildChanged("bouncefilter-stepped",
		change{"cmd/bouncefilter/main.go", "time.Now,", clock + ","},
		// No node is taken for silent because the clock was set, and what is done every minute or every few seconds is done more often.
		change{"store/node.go", "HeartbeatTimeout = 15 * time.Second", "HeartbeatTimeout = 30 * 24 * time.Hour"},
		change{"filter/view/view.go", "refreshInterval = time.Minute", "refreshInterval = time.Second / 2"},
		change{"filter/view/view.go", "nodesInterval = 5 * time.Second", "nodesInterval = time.Second / 2"},
		change{"cmd/bouncefilter/internal/logline/logline.go", "\t\"log/slog\"\n", "\t\"log/slog\"\n\t\"os\"\n"},
		change{"cmd/bouncefilter/internal/logline/logline.go", logger,
			"var clock = " + clock + `

type stepped struct{ slog.Handler }

func (h stepped) Handle(ctx context.Context, r slog.Record) error {
	r.Time = clock()
	return h.Handler.Handle(ctx, r)
}
func (h stepped) WithAttrs(a []slog.Attr) slog.Handler { return stepped{h.Handler.WithAttrs(a)} }
func (h stepped) WithGroup(n string) slog.Handler { return stepped{h.Handler.WithGroup(n)} }

func New(w io.Writer, form Form, o slog.HandlerOptions) *slog.Logger { return slog.New(stepped{realNew(w, form, o).Handler()}) }

func realNew(w io.Writer, form Form, o slog.HandlerOptions) *slog.Logger {`})
})

// steppedClock is the clock of programs of [steppedProgram]. Between two steps it goes on like any other.
type steppedClock string

func newSteppedClock(t *testing.T, dir string, at time.Time) steppedClock {
	t.Helper()
	c := steppedClock(filepath.Join(dir, "clock"))
	c.set(t, at)
	return c
}

// set sets the clock.
func (c steppedClock) set(t *testing.T, at time.Time) {
	t.Helper()
	next := string(c) + ".next"
	if err := os.WriteFile(next, []byte(time.Until(at).String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, string(c)); err != nil {
		t.Fatal(err)
	}
}

// environment is what a program needs to have the clock.
func (c steppedClock) environment() string { return clockVariable + "=" + string(c) }
