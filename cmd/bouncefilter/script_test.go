package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logqueue"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// script is the world of one script.
type script struct {
	dir    string
	now    time.Time
	status int
	stdout string
	stdin  string // of the next command
}

// TestScripts runs the scripts in testdata/script, each in a folder of its own, $WORK. Beside the commands of testscript they have:
//
//	bouncefilter ARG...           runs a command; serve ends when it is ready
//	feed FILE                     gives the next command a standard input
//	expand FILE                   puts the values of variables into a file
//	status N                      the exit status of the last one is N
//	prints LINE...                these lines are all that the last one has printed
//	clock TIME                    sets the clock; it is 2026-11-23T12:00:00Z at the beginning
//	save NAME                     sets a variable to the line that the last one has printed
//
// A script ends with an error if a command fails without ! in front of it, or does not fail with it.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) < 5 {
		t.Fatalf("%v, %v", scripts, err)
	}
	command := func(do func(*script, *testscript.TestScript, bool, []string)) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			do(ts.Value(script{}).(*script), ts, neg, args)
		}
	}
	testscript.Run(t, testscript.Params{
		Files:              scripts,
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[script{}] = &script{dir: e.WorkDir, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"bouncefilter": command((*script).run),
			"status":       command((*script).checkStatus),
			"prints":       command((*script).checkOutput),
			"clock":        command((*script).setClock),
			"save":         command((*script).save),
			"feed": command(func(s *script, ts *testscript.TestScript, _ bool, args []string) {
				s.stdin = ts.ReadFile(strings.Join(args, " "))
			}),
			"expand": command((*script).expand),
		},
	})
}

func (s *script) run(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stdout bytes.Buffer
	a := &app{
		stdin: strings.NewReader(s.stdin), stdout: io.MultiWriter(&stdout, ts.Stdout()), stderr: ts.Stderr(),
		now: func() time.Time { return s.now },
		getenv: func(key string) string {
			if key == "HOME" {
				return s.dir
			}
			return ""
		},
		notify: func(state string) {
			if state == "READY=1" {
				cancel()
			}
		},
		hangups:   func() (<-chan os.Signal, func()) { return nil, func() {} },
		ticks:     func(time.Duration) (<-chan time.Time, func()) { return nil, func() {} },
		openStore: open.Open,
		newLog:    logqueue.New,
	}
	s.status = a.run(ctx, args)
	s.stdout, s.stdin = stdout.String(), ""
	if neg == (s.status == 0) {
		ts.Fatalf("exit status %d", s.status)
	}
}

func (s *script) checkStatus(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 || args[0] != strconv.Itoa(s.status) {
		ts.Fatalf("the exit status is %d", s.status)
	}
}

func (s *script) checkOutput(ts *testscript.TestScript, _ bool, args []string) {
	if want := strings.Join(args, "\n") + "\n"; s.stdout != want {
		ts.Fatalf("it has printed %q", s.stdout)
	}
}

func (s *script) setClock(ts *testscript.TestScript, _ bool, args []string) {
	t, err := time.Parse(time.RFC3339, strings.Join(args, " "))
	ts.Check(err)
	s.now = t
}

func (s *script) save(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("save needs the name of a variable")
	}
	ts.Setenv(args[0], strings.TrimSpace(s.stdout))
}

func (s *script) expand(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(strings.Join(args, " "))
	ts.Check(os.WriteFile(path, []byte(os.Expand(ts.ReadFile(path), ts.Getenv)), 0o600))
}
