package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 20 * time.Second // until a process that was started answers
	stopTimeout  = 15 * time.Second // after SIGTERM, until it is killed
	pollInterval = 20 * time.Millisecond
)

// A process is a child of this program.
type process struct {
	cmd    *exec.Cmd
	log    func() ([]byte, error) // what it has written to its standard error, or the end of that
	exited chan struct{}          // closed when it has ended
}

// startProcess starts a program that logs to the file dir/name.log.
func startProcess(dir, name, program string, args ...string) (*process, error) {
	file := filepath.Join(dir, name+".log")
	log, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	return startLogging(log, func() ([]byte, error) { return os.ReadFile(file) }, program, args...)
}

// startLogging starts a program that logs to a file or pipe, which it closes here. log returns what was logged.
func startLogging(to *os.File, log func() ([]byte, error), program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), log: log, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = to, to
	err := p.cmd.Start()
	// The child has its own descriptor by now.
	if err := errors.Join(err, to.Close()); err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended shows in its log
		close(p.exited)
	}()
	return p, nil
}

// pid returns the process ID.
func (p *process) pid() int { return p.cmd.Process.Pid }

// await returns when the process accepts connections.
func (p *process) await(ctx context.Context, network, address string) error {
	deadline := time.Now().Add(startTimeout)
	for {
		conn, err := net.Dial(network, address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.exited:
			return fmt.Errorf("%s ended at once; its log: %s", p.cmd.Path, p.logTail())
		case <-time.After(pollInterval):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not listen on %s: %w; its log: %s", p.cmd.Path, address, err, p.logTail())
		}
	}
}

// logTail returns the end of the process's log, for an error message.
func (p *process) logTail() string {
	b, err := p.log()
	if err != nil {
		return err.Error()
	}
	const enough = 2000
	return "..." + string(bytes.TrimSpace(b[max(0, len(b)-enough):]))
}

// stop ends the process and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTimeout):
	}
	err := fmt.Errorf("%s (process %d) did not end on SIGTERM and was killed", p.cmd.Path, p.pid())
	return errors.Join(err, p.cmd.Process.Kill())
}

// cpuTime returns the CPU time a process has used, threads that ended included, to 10 ms (proc_pid_stat(5)).
func cpuTime(pid int) (time.Duration, error) {
	const (
		tick       = time.Second / 100 // USER_HZ is 100 on all architectures that Go runs on
		afterComm  = 11                // utime is field 14, the third is the first after the name
		leastCount = afterComm + 2
	)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	// The name is in parentheses and may hold blanks and parentheses itself.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < leastCount {
		return 0, fmt.Errorf("CPU time of process %d: unknown format", pid)
	}
	user, err1 := strconv.ParseInt(fields[afterComm], 10, 64)
	system, err2 := strconv.ParseInt(fields[afterComm+1], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// anonymous is the resident memory without file pages, which the kernel can drop.
const anonymous = "RssAnon:"

// memoryOf returns one of the figures about a process's memory, in KiB (proc_pid_status(5)).
func memoryOf(pid int, figure string) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(b)) {
		if value, found := strings.CutPrefix(line, figure); found {
			return strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		}
	}
	return 0, fmt.Errorf("memory of process %d: no %s", pid, figure)
}

// descriptors returns how many descriptors a process has open.
func descriptors(pid int) (int, error) {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(all), err
}
