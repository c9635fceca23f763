package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// daemonPackage is what is built and measured.
const daemonPackage = "github.com/bouncefilter/bouncefilter/cmd/bouncefilter"

// errNoRedis says that there is no redis-server to start.
var errNoRedis = errors.New("redis-server is not installed (Debian: apt install redis-server); " +
	"leave it out with -targets null,bolt, or soak with -store bolt")

// A target is one milter that is measured.
type target struct {
	name             string
	network, address string
	pid              int
	process          *process // nil if the operator started it
	http             string   // address for metrics; empty if there is none
	inert            bool     // does nothing, and must do nothing: the null milter
	signers          []signer // with tags that this milter made
}

// A lab is where the milters run: a temporary directory with their sockets, stores and logs, and the processes.
type lab struct {
	dir         string
	metrics     bool   // bouncefilter has its port for metrics
	connections int    // that bouncefilter must allow; 0 for its default
	tcp         bool   // milters listen on the loopback interface, not on unix sockets
	binary      string // of bouncefilter; built when it is first needed, unless one was named
	children    []*process
	disks       []*disk
}

// newLab makes the directory. The caller closes the lab.
func newLab(o options) (*lab, error) {
	dir, err := os.MkdirTemp("", "bouncefilter-bench-")
	if err != nil {
		return nil, err
	}
	return &lab{dir: dir, tcp: o.tcp, binary: o.binary}, nil
}

// close ends all processes, those started last first, and removes disks and directory.
func (l *lab) close() error {
	var errs []error
	for _, p := range slices.Backward(l.children) {
		errs = append(errs, p.stop())
	}
	for _, d := range l.disks {
		if err := d.close(); err != nil {
			return errors.Join(append(errs, err)...) // the directory holds a mounted disk
		}
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// start starts the milter of that name (null, bolt or redis) under label, which no other may have, and returns once it
// accepts connections.
func (l *lab) start(ctx context.Context, name, label string) (*target, error) {
	listen, err := l.listenAddress(label)
	if err != nil {
		return nil, err
	}
	t := &target{name: name, inert: name == targetNull}
	if t.network, t.address, err = splitAddress(listen); err != nil {
		return nil, err
	}
	switch name {
	case targetNull:
		t.process, err = l.startNull(label, listen)
	case targetBolt:
		t.process, t.http, err = l.startDaemon(ctx, label, listen, "bolt:"+filepath.Join(l.dir, label+".db"))
	case targetRedis:
		var url string
		if _, url, err = l.startRedis(ctx, label+"-server", l.dir, "--appendonly", "no"); err == nil {
			t.process, t.http, err = l.startDaemon(ctx, label, listen, url)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	t.pid = t.process.pid()
	if err := t.process.await(ctx, t.network, t.address); err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	return t, nil
}

// inTurn measures the milters of those names one after the other, each freshly started. Without redis-server the others are measured all the
// same, and the error says so in the end.
func (l *lab) inTurn(ctx context.Context, names []string, stderr io.Writer, measure func(*target) error) error {
	var missing error
	for _, name := range names {
		t, err := l.start(ctx, name, name)
		if errors.Is(err, errNoRedis) {
			missing = err
			fmt.Fprintf(stderr, "bench: going on without redis: %v\n", err)
			continue
		}
		if err != nil {
			return err
		}
		if err := measure(t); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := t.process.stop(); err != nil {
			return err
		}
	}
	return missing
}

// child starts a process that ends with the lab.
func (l *lab) child(name, program string, args ...string) (*process, error) {
	p, err := startProcess(l.dir, name, program, args...)
	if err == nil {
		l.children = append(l.children, p)
	}
	return p, err
}

func (l *lab) startNull(label, listen string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return l.child(label, self, nullCommand, listen)
}

// severalForgers lets the daemon refuse every forged bounce: all of them come from one network here, as those of no attacker do.
const severalForgers = "bad_tags_per_day = 1000000\n"

// startDaemon starts bouncefilter with its default settings, its log included, and a key that it makes itself.
func (l *lab) startDaemon(ctx context.Context, label, listen, storeURL string) (p *process, metrics string, err error) {
	arguments, metrics, err := l.serveArguments(ctx, label, listen, storeURL, filepath.Join(l.dir, label+"-state"))
	if err != nil {
		return nil, "", err
	}
	p, err = l.child(label, l.binary, arguments...)
	return p, metrics, err
}

// serveArguments returns the arguments with which startDaemon and the soak start bouncefilter, which is built by then, and its address for
// metrics.
func (l *lab) serveArguments(ctx context.Context, label, listen, storeURL, state string) (arguments []string, metrics string, err error) {
	if err := l.needDaemon(ctx); err != nil {
		return nil, "", err
	}
	serveHTTP := "off"
	if l.metrics {
		if metrics, err = freePort(); err != nil {
			return nil, "", err
		}
		serveHTTP = metrics
	}
	config := filepath.Join(l.dir, label+".toml")
	limits := severalForgers
	if l.connections > 0 { // of one peer, which has nine tenths of them
		limits += fmt.Sprintf("[limits]\nconnections = %d\n", l.connections/8*9+spareFiles)
	}
	if err := os.WriteFile(config, []byte(limits), 0o600); err != nil {
		return nil, "", err
	}
	return []string{"serve", "--config", config, "--domain", domain, "--mode", "enforce",
		"--listen", listen, "--http", serveHTTP, "--store", storeURL, "--state-dir", state}, metrics, nil
}

// needDaemon builds bouncefilter unless a program was named.
func (l *lab) needDaemon(ctx context.Context) error {
	if l.binary != "" {
		return nil
	}
	binary := filepath.Join(l.dir, "bouncefilter")
	if err := buildDaemon(ctx, binary); err != nil {
		return err
	}
	l.binary = binary
	return nil
}

// buildDaemon builds bouncefilter of the module that the working directory is in.
func buildDaemon(ctx context.Context, binary string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, daemonPackage).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s", daemonPackage, err, out)
	}
	return nil
}

// startRedis starts a server on a unix socket that takes no snapshots, and returns it and the URL of its store once it accepts connections.
func (l *lab) startRedis(ctx context.Context, label, dir string, options ...string) (p *process, url string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, "", errNoRedis
	}
	socket := filepath.Join(l.dir, label+".sock")
	p, err = l.child(label, program, append([]string{"--port", "0", "--unixsocket", socket, "--dir", dir, "--save", ""}, options...)...)
	if err != nil {
		return nil, "", err
	}
	return p, "unix:" + socket, p.await(ctx, "unix", socket)
}

// listenAddress returns where the milter of that label listens.
func (l *lab) listenAddress(label string) (string, error) {
	if !l.tcp {
		return "unix:" + filepath.Join(l.dir, label+".sock"), nil
	}
	port, err := freePort()
	return "tcp:" + port, err
}

// freePort returns an address on the loopback interface.
func freePort() (string, error) {
	// A port that is free now is still free a moment later, unless something else on this machine takes it just then; the
	// milter would say so and end.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// parseExtra reads name=unix:/path@pidfile (or tcp:host:port): a milter that already runs, configured like ours.
func parseExtra(s string) (*target, error) {
	name, rest, found := strings.Cut(s, "=")
	at := strings.LastIndexByte(rest, '@')
	if !found || name == "" || at < 0 {
		return nil, fmt.Errorf("-extra %q: want name=unix:/path@pidfile", s)
	}
	if slices.Contains(ownTargets(), name) {
		return nil, fmt.Errorf("-extra %q: %s is the name of a target that the program starts itself", s, name)
	}
	t := &target{name: name}
	var err error
	if t.network, t.address, err = splitAddress(rest[:at]); err != nil {
		return nil, fmt.Errorf("-extra %q: %w", s, err)
	}
	b, err := os.ReadFile(rest[at+1:])
	if err != nil {
		return nil, fmt.Errorf("-extra %q: %w", s, err)
	}
	if t.pid, err = strconv.Atoi(strings.TrimSpace(string(b))); err != nil || t.pid < 1 {
		return nil, fmt.Errorf("-extra %q: no process ID in %s", s, rest[at+1:])
	}
	return t, nil
}
