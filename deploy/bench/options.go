package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The targets that the program starts itself.
const (
	targetNull  = "null"  // does nothing, on the same library
	targetBolt  = "bolt"  // bouncefilter with the embedded store
	targetRedis = "redis" // bouncefilter with Redis on a unix socket
)

func ownTargets() []string { return []string{targetNull, targetBolt, targetRedis} }

// options are what the command line asks for.
type options struct {
	sessions   []int // one run for each number of sessions at a time
	messages   int   // in each run
	rounds     int
	perSession int // messages in one SMTP session
	senders    int // distinct senders in each run of scenario a, distinct tags in b and c
	scenarios  []scenario
	targets    []string
	extra      []*target
	json       string // file for all figures; empty for none
	tcp        bool
	binary     string // bouncefilter to measure; empty to build it
	idle       int    // idle connections to open instead of sending messages; 0 for the comparison
	soak       soakOptions
}

// parseOptions reads the command line. It returns flag.ErrHelp where that was all that was asked for.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{sessions: []int{1, 16, 128}, scenarios: scenarios(), targets: ownTargets()}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Func("conns", "numbers of `sessions` at a time, one run each (default 1,16,128)", func(s string) (err error) {
		o.sessions, err = parseList(s, strconv.Atoi)
		return err
	})
	f.IntVar(&o.messages, "n", 20000, "`messages` in each run")
	f.IntVar(&o.rounds, "rounds", 3, "`rounds`, in each of which every target has its turn")
	f.IntVar(&o.perSession, "per-session", 1, "`messages` in one SMTP session")
	f.IntVar(&o.senders, "senders", 1000, "distinct `senders`: each has one new tag recorded in each run of scenario a")
	f.Func("scenarios", "scenario `letters` (default a,b,c,d)", func(s string) (err error) {
		o.scenarios, err = parseList(s, parseScenario)
		return err
	})
	f.Func("targets", "`names` of the milters to start: null, bolt, redis (default all)", func(s string) (err error) {
		o.targets, err = parseList(s, parseTarget)
		return err
	})
	f.Func("extra", "`name=unix:/path@pidfile` of one more milter, already running, checked like bouncefilter",
		func(s string) error {
			t, err := parseExtra(s)
			o.extra = append(o.extra, t)
			return err
		})
	f.StringVar(&o.json, "json", "", "write all figures to this `file` as JSON")
	f.BoolVar(&o.tcp, "tcp", false, "listen on TCP loopback ports instead of unix sockets")
	f.StringVar(&o.binary, "binary", "", "measure this bouncefilter `program`, for instance an older one, instead of building it")
	f.IntVar(&o.idle, "idle", 0, "open that many idle `connections` instead, and report the memory of each")
	o.soak.define(f)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return o, o.validate()
}

func (o *options) validate() error {
	for name, value := range map[string]int{"-n": o.messages, "-rounds": o.rounds, "-per-session": o.perSession,
		"-senders": o.senders, "-conns": slices.Min(o.sessions)} {
		if value < 1 {
			return fmt.Errorf("%s: must be 1 or more", name)
		}
	}
	if o.idle < 0 {
		return errors.New("-idle: must be 0 or more")
	}
	if o.idle > 0 && len(o.extra) > 0 {
		return errors.New("-idle needs freshly started milters and does not go with -extra")
	}
	if o.soak.duration == 0 {
		return nil
	}
	if o.idle > 0 || len(o.extra) > 0 {
		return errors.New("-soak starts its own milter and does not go with -idle or -extra")
	}
	return o.soak.validate()
}

// names returns the names of all targets, in their order.
func (o *options) names() []string {
	names := slices.Clone(o.targets)
	for _, t := range o.extra {
		names = append(names, t.name)
	}
	return names
}

func parseTarget(s string) (string, error) {
	if !slices.Contains(ownTargets(), s) {
		return "", fmt.Errorf("%q is none of %s", s, strings.Join(ownTargets(), ", "))
	}
	return s, nil
}

func parseScenario(s string) (scenario, error) {
	for _, known := range scenarios() {
		if known.letter == s {
			return known, nil
		}
	}
	return scenario{}, fmt.Errorf("%q is none of a, b, c, d", s)
}

// parseList parses the parts of s between commas. There is one at least.
func parseList[T any](s string, parse func(string) (T, error)) ([]T, error) {
	var list []T
	for part := range strings.SplitSeq(s, ",") {
		v, err := parse(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}
