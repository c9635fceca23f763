package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
)

// Exit statuses.
const (
	exitOK    = 0
	exitWrong = 1 // a wrong answer, or something that was asked for could not be measured
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: figures go to stdout, progress and errors to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "bench: error: %v\n", err)
		return code
	}
	if len(args) == 2 && args[0] == nullCommand {
		if err := serveNull(ctx, args[1], stderr); err != nil {
			return fail(exitWrong, err)
		}
		return exitOK
	}
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return fail(exitUsage, err)
	}
	measure := compare
	switch {
	case o.connections.any():
		measure = compareConnections
	case o.soak.duration > 0:
		measure = soak
	case o.idle > 0:
		measure = compareIdle
	}
	if err := measure(ctx, o, stdout, stderr); err != nil {
		return fail(exitWrong, err)
	}
	return exitOK
}

// compare measures messages and prints the table.
func compare(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	c := comparison{opts: o, ids: newIDSource(), progress: stderr}
	// Without redis-server the rest is measured all the same, but what was asked for was not done.
	var missing error
	for _, name := range o.targets {
		t, err := l.start(ctx, name, name)
		if errors.Is(err, errNoRedis) {
			missing = err
			fmt.Fprintf(stderr, "bench: going on without redis: %v\n", err)
			continue
		}
		if err != nil {
			return err
		}
		c.targets = append(c.targets, t)
	}
	c.targets = append(c.targets, o.extra...)
	writeConditions(stdout, o, l)
	results, err := c.run(ctx)
	if err != nil {
		return err
	}
	rows := summarise(results, o.names())
	writeTable(stdout, rows)
	if o.tcp {
		writeStalls(stdout, results, o.names())
	}
	if o.json != "" {
		// The rows of the table and the single runs behind them.
		err := writeJSON(o.json, struct {
			Rows []row    `json:"rows"`
			Runs []result `json:"runs"`
		}{rows, results})
		if err != nil {
			return err
		}
	}
	return missing
}

// writeConditions says under which conditions the figures that follow were measured.
func writeConditions(w io.Writer, o options, l *lab) {
	transport := "unix sockets"
	if o.tcp {
		transport = "TCP on the loopback interface, Nagle's algorithm on at the MTA's side"
	}
	fmt.Fprintf(w, "%s, %d CPUs for load generator and milters together; %s.\n",
		runtime.Version(), runtime.NumCPU(), transport)
	fmt.Fprintf(w, "Daemons log as by default, to files; logs and embedded store in %s.\n", l.dir)
	if slices.Contains(o.targets, targetRedis) {
		fmt.Fprintln(w, "Redis on a unix socket, without persistence; its own CPU time is not counted.")
	}
	if o.idle == 0 && !o.connections.any() {
		fmt.Fprintf(w, "%d messages a run, %d a session, %d senders, %d rounds; medians. Every answer was checked.\n",
			o.messages, o.perSession, o.senders, o.rounds)
		for _, s := range o.scenarios {
			fmt.Fprintf(w, "%s: %s. ", s.letter, s.title)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

// writeJSON writes figures to a file.
func writeJSON(file string, figures any) error {
	b, err := json.MarshalIndent(figures, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
