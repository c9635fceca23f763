package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A soakSite is what is soaked: the daemon, its store and its disk.
type soakSite struct {
	lab     *lab
	disk    *disk // nil if it is never frozen
	state   string
	redis   *redisServer // nil if the store is another
	log     *logReader
	daemon  *process
	network string
	address string
	http    *http.Client
	metrics string // URL
}

// newSoakSite starts all of it. It ends with the lab.
func newSoakSite(ctx context.Context, l *lab, o soakOptions) (*soakSite, error) {
	s := &soakSite{lab: l, http: &http.Client{Timeout: 5 * time.Second}}
	if err := l.needDaemon(ctx); err != nil {
		return nil, err
	}
	data := filepath.Join(l.dir, "data")
	if o.plays(faultFreeze) {
		var err error
		if s.disk, err = l.newDisk("disk"); err != nil {
			return nil, err
		}
		data = filepath.Join(s.disk.dir, "data")
	}
	s.state = filepath.Join(data, "state")
	if err := os.MkdirAll(s.state, 0o700); err != nil {
		return nil, err
	}
	url := "bolt:" + filepath.Join(data, "state.db")
	if o.store == targetRedis {
		var err error
		if s.redis, err = l.newRedisServer(ctx, filepath.Join(data, "redis")); err != nil {
			return nil, err
		}
		url = "unix:" + s.redis.socket
	}
	return s, s.start(ctx, url)
}

// start starts the daemon, with its log in a pipe.
func (s *soakSite) start(ctx context.Context, url string) error {
	listen, err := freePort()
	if err != nil {
		return err
	}
	web, err := freePort()
	if err != nil {
		return err
	}
	s.network, s.address, s.metrics = "tcp", listen, "http://"+web+"/metrics"
	reader, writer, err := newLogReader()
	if err != nil {
		return err
	}
	s.log = reader
	config := filepath.Join(s.lab.dir, "soak.toml")
	if err := os.WriteFile(config, []byte(severalForgers), 0o600); err != nil {
		return err
	}
	s.daemon, err = startLogging(writer, reader.last, s.lab.binary, "serve", "--config", config, "--domain", domain, "--mode", "enforce",
		"--listen", "tcp:"+listen, "--http", web, "--store", url, "--state-dir", s.state)
	if err != nil {
		return err
	}
	s.lab.children = append(s.lab.children, s.daemon)
	return s.daemon.await(ctx, s.network, s.address)
}

// reload has the daemon read configuration and keys again.
func (s *soakSite) reload() error { return s.daemon.cmd.Process.Signal(syscall.SIGHUP) }

// errNotNow says that a fault has to wait for its next moment.
var errNotNow = errors.New("not now")

// rotate makes a new key, which the daemon finds and lets sign. While the one before does not sign yet, there is none to be made.
func (s *soakSite) rotate(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, s.lab.binary, "key", "rotate", "--state-dir", s.state).CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil, strings.Contains(string(out), "is under way"):
		return errNotNow
	}
	return fmt.Errorf("key rotate: %w: %s", err, out)
}

// scrape returns the metrics of the daemon; those with labels are summed up.
func (s *soakSite) scrape(ctx context.Context) (map[string]float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metrics, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return parseMetrics(string(body)), nil
}

// parseMetrics reads the text format of Prometheus.
func parseMetrics(body string) map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(body) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " ")
		if at := strings.LastIndexByte(line, '}'); at >= 0 {
			name, value = line[:strings.IndexByte(line, '{')], strings.TrimSpace(line[at+1:])
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil && found && line[0] != '#' {
			values[name] += v
		}
	}
	return values
}

// descriptors returns how many descriptors a process has open.
func descriptors(pid int) (int, error) {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(all), err
}

// A redisServer keeps an append-only file, and can be stopped and restarted, by one fault at a time.
type redisServer struct {
	lab     *lab
	program string
	dir     string
	socket  string

	mu      sync.Mutex
	process *process
}

func (l *lab) newRedisServer(ctx context.Context, dir string) (*redisServer, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errNoRedis
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &redisServer{lab: l, program: program, dir: dir, socket: filepath.Join(l.dir, "redis.sock")}
	return r, r.start(ctx)
}

// start starts the server. It returns as soon as the server accepts connections, which is before it has read its file.
func (r *redisServer) start(ctx context.Context) (err error) {
	r.process, err = r.lab.child("redis", r.program, "--port", "0", "--unixsocket", r.socket, "--dir", r.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
	if err != nil {
		return err
	}
	return r.process.await(ctx, "unix", r.socket)
}

// restart ends the server with a signal, and starts it again after a time.
func (r *redisServer) restart(ctx context.Context, with syscall.Signal, after time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.process.cmd.Process.Signal(with); err != nil {
		return err
	}
	select {
	case <-r.process.exited:
	case <-time.After(startTimeout):
		return errors.New("redis-server has not ended")
	}
	wait(ctx, after)
	return r.start(context.WithoutCancel(ctx))
}

// pause stops the process for a time. It goes on in any case.
func (r *redisServer) pause(ctx context.Context, d time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.process.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	wait(ctx, d)
	return r.process.cmd.Process.Signal(syscall.SIGCONT)
}
