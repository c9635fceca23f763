package e2e

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store/redistest/freeport"
)

// patience is how long a test waits for a state that an idle machine reaches within milliseconds. It only ends a test that hangs: how
// long something may take is held against package pace.
const patience = 5 * time.Minute

// eventually polls until ok returns true. It is the only way in which these tests wait.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	begin := time.Now()
	for pause := 5 * time.Millisecond; !ok(); pause = min(pause*5/4, 100*time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("after %v still not: %s", patience, what)
		}
		time.Sleep(pause)
	}
}

// process is a server that a test started. It ends with the test, by its process id.
type process struct {
	name string
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when the process has ended
}

// start runs a command in the background. Its output is shown when the test fails.
func start(t *testing.T, name string, command ...string) *process {
	t.Helper()
	return startTo(t, name, nil, command...)
}

// startTo is start with a file of the caller as standard error, unless it is nil.
func startTo(t *testing.T, name string, stderr *os.File, command ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(command[0], command[1:]...), out: new(output), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if stderr != nil {
		p.cmd.Stderr = stderr
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // see startReaper for those that this does not reach
	if err := startFromOneThread(p.cmd); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			p.signal(syscall.SIGTERM)
		}
		select {
		case <-p.done:
		case <-time.After(patience):
			t.Errorf("%s: did not end within %v of SIGTERM", name, patience)
			p.signal(syscall.SIGKILL)
			<-p.done
		}
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, lastLines(p.out.String(), 60))
		}
	})
	return p
}

// startFromOneThread starts a command from a thread that lives as long as this process.
//
// QUIRK: the parent whose end Pdeathsig means is the thread that started the process, and threads of Go may end.
func startFromOneThread(cmd *exec.Cmd) error {
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	return <-started
}

// starter returns where the functions go that one thread runs.
var starter = sync.OnceValue(func() chan<- func() {
	functions := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range functions {
			f()
		}
	}()
	return functions
})

// signal sends a signal to the process; a process that has ended does not mind.
func (p *process) signal(s os.Signal) { p.cmd.Process.Signal(s) }

// end sends a signal, waits for the end of the process and returns its exit status, -1 for one that was killed.
func (p *process) end(t *testing.T, s os.Signal) int {
	t.Helper()
	p.signal(s)
	return p.wait(t)
}

// wait waits for the end of a process that has got the signal to end, and returns its exit status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s: did not end within %v", p.name, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string { return o.from(0) }

// len and from let a test look only at what was written after a certain moment.
func (o *output) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Len()
}

func (o *output) from(offset int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.buf.Bytes()[offset:])
}

// execute runs a command to its end and returns its standard output; a failure ends the test.
func execute(t *testing.T, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// freePort returns a TCP port that is free on 127.0.0.1.
func freePort(t *testing.T) int {
	t.Helper()
	return freeport.Get(t)
}

// listen has a function serve each connection to a port of 127.0.0.1, which is closed when it returns. New ones are accepted until the
// test ends.
func listen(t *testing.T, serve func(net.Conn)) *net.TCPAddr {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr)
}

// lastLines returns the end of a text.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
