package e2e

import (
	"bufio"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/d--j/go-milter"
)

// signMessage lets the daemon sign a message, as an MTA would.
func (d *daemon) signMessage(t *testing.T, sender string) {
	t.Helper()
	network, address := "tcp", strings.TrimPrefix(d.milter, "inet:")
	macros := milter.NewMacroBag()
	macros.Set(milter.MacroAuthAuthen, "user")
	s, err := milter.NewClient(network, address, milter.WithReadTimeout(patience), milter.WithWriteTimeout(patience)).Session(macros)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, ask := range []func() (*milter.Action, error){
		func() (*milter.Action, error) { return s.Conn("client.example", milter.FamilyInet, 40123, "192.0.2.1") },
		func() (*milter.Action, error) { return s.Helo("client.example") },
		func() (*milter.Action, error) { return s.Mail(sender, "") },
		func() (*milter.Action, error) { return s.Rcpt("friend@remote.example", "") },
		s.DataStart,
		func() (*milter.Action, error) { return s.HeaderField("Message-ID", "<1@virt.example>", nil) },
		s.HeaderEnd,
	} {
		if action, err := ask(); err != nil || action != nil && action.StopProcessing() {
			t.Fatalf("%v, %v", action, err)
		}
	}
	changes, _, err := s.BodyReadFrom(strings.NewReader("text\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.Type == milter.ActionChangeFrom && strings.Contains(c.From, "prvs=") {
			return
		}
	}
	t.Fatalf("the message was not signed: %v", changes)
}

// fillLog lets the daemon sign messages until its log drops lines: some 600 octets a message, all at once on one connection.
func (d *daemon) fillLog(t *testing.T) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(d.milter, "inet:"))
	if err != nil {
		t.Fatal(err)
	}
	replies := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, c)
		replies <- err
	}()
	message := frame('D', "M{auth_authen}\x00user\x00") + frame('M', "<"+strings.Repeat("x", 200)+"@virt.example>\x00") +
		frame('R', "<"+strings.Repeat("y", 200)+"@remote.example>\x00") + frame('T', "") + frame('L', "Message-ID\x00<1@virt.example>\x00") +
		frame('N', "") + frame('E', "")
	const most = 20_000 // messages, whose lines are far more than the queue may hold
	text := negotiate + frame('C', connectLocal) + frame('H', "client.example\x00")
	for i := 0; i < most && d.dropped(t) == 0; i += 500 {
		if _, err := io.WriteString(c, text+strings.Repeat(message, 500)); err != nil {
			t.Fatal(err)
		}
		text = ""
	}
	if _, err := io.WriteString(c, frame('Q', "")); err != nil {
		t.Fatal(err)
	}
	if err := <-replies; err != nil { // the daemon has closed the connection: all messages are through
		t.Fatal(err)
	}
	c.Close()
	if d.dropped(t) == 0 {
		t.Fatalf("no line was dropped with %d messages", most)
	}
}

func (d *daemon) dropped(t *testing.T) float64 {
	t.Helper()
	return d.metric(t, "bouncefilter_log_lines_dropped_total")
}

// alive fails unless the daemon says that mail goes on.
func (d *daemon) alive(t *testing.T) {
	t.Helper()
	for _, question := range []string{"/healthz", "/readyz"} {
		if status, body := d.get(question); status != 200 {
			t.Errorf("%s: %d %s", question, status, body)
		}
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, w
}

// A pipe that is never read holds up neither mail nor the end of the daemon. Once it is read, the log says how many lines are missing.
func TestStandardErrorIsNeverRead(t *testing.T) {
	t.Parallel()
	for name, started := range map[string]func(w *os.File) error{
		"a blocking pipe": func(*os.File) error { return nil },
		"a pipe that another process makes non-blocking": func(w *os.File) error { return syscall.SetNonblock(int(w.Fd()), true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newLoneDaemon(t)
			r, w := pipe(t)
			d.stderr = w
			d.start(t)
			if err := started(w); err != nil {
				t.Fatal(err)
			}
			w.Close() // the daemon has its own
			d.fillLog(t)
			d.signMessage(t, "during@virt.example")
			d.alive(t)

			dropped := d.dropped(t)
			lines := make(chan record, 100_000)
			go func() {
				defer close(lines)
				for s := bufio.NewScanner(r); s.Scan(); {
					lines <- parseLogfmt(s.Text())
				}
			}()
			told := 0.0
			for told < dropped {
				line, ok := <-lines
				if !ok {
					t.Fatalf("the log ended before it told of %v lines", dropped-told)
				}
				if strings.HasPrefix(line["msg"], "log lines were dropped") {
					n, err := strconv.ParseFloat(line["lines"], 64)
					if err != nil || line["level"] != "WARN" {
						t.Errorf("%v", line)
					}
					told += n
				}
			}
			if told != d.dropped(t) {
				t.Errorf("the log tells of %v dropped lines, the metric of %v", told, d.dropped(t))
			}
			d.signMessage(t, "after@virt.example")
			for line := range lines {
				if line["sender"] == "<after@virt.example>" {
					break
				}
			}
			if status := d.process.end(t, syscall.SIGTERM); status != 0 {
				t.Errorf("exit status %d", status)
			}
			last := record{}
			for line := range lines {
				last = line
			}
			if last["msg"] != "summary" {
				t.Errorf("the last line is %v", last)
			}
		})
	}
}

// SIGTERM ends a daemon whose standard error is never read.
func TestDaemonEndsWithAStuckStandardError(t *testing.T) {
	t.Parallel()
	d := newLoneDaemon(t)
	_, w := pipe(t)
	d.stderr = w
	d.start(t)
	defer w.Close()
	d.fillLog(t)
	d.signMessage(t, "during@virt.example")
	if status := d.process.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// A reader of the log that dies takes nothing with it, and neither does a full disk: what cannot be written waits, and is dropped in the end.
func TestStandardErrorThatFails(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (stderr *os.File, started func()){
		"a pipe whose reader is gone": func(t *testing.T) (*os.File, func()) {
			r, w := pipe(t)
			return w, func() { r.Close() }
		},
		"a full disk": func(t *testing.T) (*os.File, func()) {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			return full, func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newLoneDaemon(t)
			stderr, started := open(t)
			d.stderr = stderr
			d.start(t)
			stderr.Close() // the daemon has its own
			started()
			d.fillLog(t)
			d.signMessage(t, "during@virt.example")
			d.alive(t)
			if n := d.metric(t, "bouncefilter_log_write_errors_total"); n == 0 {
				t.Error("no failure was counted")
			}
			if status := d.process.end(t, syscall.SIGTERM); status != 0 {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

// What keeps the daemon from starting is told on the standard error, whole and in order, before it ends.
func TestErrorsAtTheStartAreTold(t *testing.T) {
	t.Parallel()
	d := newLoneDaemon(t)
	ln, err := net.Listen("tcp", strings.TrimPrefix(d.milter, "inet:"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	out, status := d.run(t, "serve", "--config", d.config)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if last := lines[len(lines)-1]; status != 2 || !strings.HasPrefix(last, "bouncefilter: error: ") {
		t.Errorf("exit status %d, the last line is %q in\n%s", status, last, out)
	}
}
