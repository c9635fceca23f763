// Command bouncefilter ends backscatter: mail that bounces although it was never sent from here.
//
// bouncefilter serve is the milter that Postfix or Sendmail asks. The other commands help to run it: key makes and rotates keys, revoke
// takes tags out of use, check finds mistakes in the configuration before a restart does and in that of the mail server, setup puts the
// latter right, node lists the daemons that share a store, sign and verify show what the milter would do with an address, inspect
// explains bounces, backtest says what would have happened to mail that was saved, policy hands requests of Postfix on to a policy service, try is a demonstration. There is a file for each; what they do is in the packages below internal.
//
// Results go to the standard output, everything else to the standard error. The exit status is 0 for yes, 1 for no (an
// invalid tag, an address that cannot be signed, a problem found by check), 2 for wrong usage, a configuration that
// cannot be used or a message that cannot be read. No secret is ever printed and no flag takes one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/coreos/go-systemd/v22/journal"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logline"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logqueue"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/remedy"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// Exit statuses.
const (
	exitYes   = 0
	exitNo    = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it. Only inspect, report, backtest and policy read the standard input.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{
		stdin: stdin, stdout: stdout, stderr: stderr,
		now:    time.Now,
		getenv: os.Getenv,
		notify: func(state string) { _, _ = sd.SdNotify(false, state) }, // there may be no service manager
		hangups: func() (<-chan os.Signal, func()) {
			c := make(chan os.Signal, 1) // one reload reads what several signals are about
			signal.Notify(c, syscall.SIGHUP)
			return c, func() { signal.Stop(c) }
		},
		ticks: func(interval time.Duration) (<-chan time.Time, func()) {
			t := time.NewTicker(interval)
			return t.C, t.Stop
		},
		openStore:   open.Open,
		newLog:      logqueue.New,
		usualConfig: usualConfig,
	}
	a.journal, _ = journal.StderrIsJournalStream() // an error is a value that no service manager sets
	a.watchdog, _ = sd.SdWatchdogEnabled(false)    // likewise
	return a.run(ctx, args)
}

// app is what the commands see of the world.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	getenv         func(string) string
	notify         func(state string)                       // reports to the service manager, see sd_notify(3)
	journal        bool                                     // the standard error goes to the journal of systemd
	watchdog       time.Duration                            // in which the service manager wants to hear that mail passes; 0 for never
	hangups        func() (c <-chan os.Signal, stop func()) // each value asks for a reload
	ticks          func(interval time.Duration) (c <-chan time.Time, stop func())
	openStore      func(ctx context.Context, url string, opts ...open.Option) (store.Store, error)
	usualConfig    string // see the constant; "" for none

	// newLog makes the queue that is in front of stderr while the daemon runs.
	newLog func(stderr io.Writer, notice func(dropped uint64) []byte) *logqueue.Queue
	log    *logqueue.Queue // nil for other commands than serve
}

// logPatience bounds how long the end of the daemon waits for the standard error to take what is left of the log.
const logPatience = 2 * time.Second

// queueLog puts a queue in front of stderr, for a command that must not wait for it. run closes it.
//
// QUIRK: if a write to a pipe whose reader is gone fails, and the pipe is standard output or standard error, the runtime of Go ends the
// process with SIGPIPE (package os/signal).
func (a *app) queueLog(notice func(dropped uint64) []byte) {
	signal.Ignore(syscall.SIGPIPE)
	a.log = a.newLog(a.stderr, notice)
	a.stderr = a.log
}

// grammar is the command line. Kong makes the parser and the help from it.
type grammar struct {
	Serve    serveCmd    `cmd:"" help:"Run the milter."`
	Check    checkCmd    `cmd:"" help:"Find everything that is wrong with configuration, keys, store and the mail server, and show what is in effect."`
	Setup    setupCmd    `cmd:"" help:"Show the change that sets up the mail server of this host, make it, or undo it."`
	Key      keyCmd      `cmd:"" help:"Make, list and rotate keys."`
	Node     nodeCmd     `cmd:"" help:"List the daemons that share the store, and remove one that will not come back."`
	Sign     signCmd     `cmd:"" help:"Print the signed form of an address."`
	Verify   verifyCmd   `cmd:"" help:"Verify the tag of an address."`
	Revoke   revokeCmd   `cmd:"" help:"Revoke tags, senders and keys that attackers have, list and remove revocations."`
	Report   reportCmd   `cmd:"" help:"Say what the milter did, why own mail came back, and whether it is safe to enforce."`
	Inspect  inspectCmd  `cmd:"" help:"Explain bounces, receipts and automatic replies: what they answer, what they say, and what the milter would do with them."`
	Backtest backtestCmd `cmd:"" help:"Say what the milter would have done with saved mail and logs, before it is installed."`
	Policy   policyCmd   `cmd:"" help:"Stand between Postfix and a policy service, which gets recipients without tags."`
	Try      tryCmd      `cmd:"" help:"Show what the milter does, in memory and without a mail server."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

const description = "bouncefilter signs the envelope senders of outbound mail and refuses bounces that answer no such mail."

// run parses the command line, runs the command and prints its error.
func (a *app) run(ctx context.Context, args []string) (status int) {
	defer func() {
		if a.log != nil {
			a.log.Close(logPatience) // if it is stuck there is nobody to be told
		}
	}()
	// Kong ends the process after --help through a function that must not return.
	type exit struct{ status int }
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exit)
			if !ok {
				panic(r)
			}
			status = e.status
		}
	}()
	parser, err := kong.New(&grammar{}, kong.Name("bouncefilter"), kong.Description(description),
		kong.Writers(a.stdout, a.stderr), kong.Exit(func(s int) { panic(exit{s}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(a))
	if err != nil {
		return a.fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		return a.fail(usageError{err})
	}
	if err := command.Run(); err != nil {
		return a.fail(err)
	}
	return exitYes
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// errNo ends a command whose answer is no, after it has printed the answer.
var errNo = errors.New("no")

// errUnread ends a command that has said already which files it could not read.
var errUnread = errors.New("not everything could be read")

// negative is an answer of no that is printed as an error.
type negative struct{ error }

func (n negative) Unwrap() error { return n.error }

// fail prints an error and returns the exit status that belongs to it.
func (a *app) fail(err error) int {
	if errors.Is(err, errNo) {
		return exitNo
	}
	if errors.Is(err, errUnread) {
		return exitUsage
	}
	lines, hint, status := []string{err.Error()}, "", exitNo
	var problems tomlfile.Problems
	var problem tomlfile.Problem
	var usage usageError
	switch {
	case errors.As(err, &usage):
		status, hint = exitUsage, "bouncefilter --help lists commands and flags"
	case errors.As(err, &problems):
		lines, status = nil, exitUsage
		for _, p := range problems.Sorted() {
			lines = append(lines, p.String())
		}
	case errors.As(err, &problem):
		status = exitUsage
	}
	var no negative
	if errors.As(err, &no) {
		status = exitNo
	}
	if r := remedy.Of(err); r != "" {
		hint = r
	}
	severity := ""
	if a.journal {
		severity = logline.ErrorPrefix
	}
	for _, l := range lines {
		fmt.Fprintf(a.stderr, "%sbouncefilter: error: %s\n", severity, strings.ReplaceAll(l, "\n", "; "))
	}
	if hint != "" {
		fmt.Fprintf(a.stderr, "%shint: %s\n", severity, hint)
	}
	return status
}
