package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	address string // of the milter, on TCP
	http    string // address for metrics
}

// newSoakSite starts all of it. It ends with the lab.
func newSoakSite(ctx context.Context, l *lab, o soakOptions) (*soakSite, error) {
	s := &soakSite{lab: l}
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
		url = s.redis.url
	}
	return s, s.start(ctx, url)
}

// start starts the daemon, with its log in a pipe.
func (s *soakSite) start(ctx context.Context, url string) error {
	var err error
	if s.address, err = freePort(); err != nil {
		return err
	}
	var arguments []string
	s.lab.metrics = true
	if arguments, s.http, err = s.lab.serveArguments(ctx, "soak", "tcp:"+s.address, url, s.state); err != nil {
		return err
	}
	reader, writer, err := newLogReader()
	if err != nil {
		return err
	}
	s.log = reader
	if s.daemon, err = startLogging(writer, reader.last, s.lab.binary, arguments...); err != nil {
		return err
	}
	s.lab.children = append(s.lab.children, s.daemon)
	return s.daemon.await(ctx, "tcp", s.address)
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

// A redisServer keeps an append-only file, and can be stopped and restarted, by one fault at a time.
type redisServer struct {
	lab *lab
	dir string

	mu      sync.Mutex
	process *process
	url     string // of the store
}

func (l *lab) newRedisServer(ctx context.Context, dir string) (*redisServer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &redisServer{lab: l, dir: dir}
	return r, r.start(ctx)
}

// start starts the server. It returns as soon as the server accepts connections, which is before it has read its file.
func (r *redisServer) start(ctx context.Context) (err error) {
	r.process, r.url, err = r.lab.startRedis(ctx, "redis", r.dir, "--appendonly", "yes", "--appendfsync", "everysec")
	return err
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
