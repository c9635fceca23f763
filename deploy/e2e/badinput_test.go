package e2e

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// frame writes a frame of the milter protocol: length, command, data.
func frame(command byte, data string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))) + string(command) + data
}

// negotiate is what an MTA says first: version 6, every action, every step.
var negotiate = frame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff")

const connectLocal = "localhost\x004\x00\x19127.0.0.1\x00"

// TestMalformedFrames talks to the milter as no MTA does, while a message is under way in another session. The daemon
// stays, counts the malformed frames, and the message comes to its end. Some malformed frames end the process of any
// milter that passes them to go-milter v0.10.2. They are not among these: the tests of filter/wire check how the daemon
// refuses them.
func TestMalformedFrames(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	tag := s.tag(t, "user@virt.example")
	underway := s.outside(t)
	underway.mustCommand("250", "MAIL FROM:<>")
	underway.mustCommand("250", "RCPT TO:<"+tag+">")

	for _, row := range []struct {
		name, bytes string
		fault       bool // counted as a malformed frame
	}{
		{"nothing", "", false},
		{"half a length", "\x00\x00", false},
		{"SMTP", "EHLO client.example\r\nMAIL FROM:<>\r\n", true},
		{"frame of 4 GiB", "\xff\xff\xff\xffO", true},
		{"frame that ends too soon", "\x00\x00\x00\x0dO\x00\x00", false},
		{"negotiation that is too short", frame('O', "\x00"), true},
		{"negotiation with an ancient version", frame('O', "\x00\x00\x00\x01\x00\x00\x01\xff\x00\x1f\xff\xff"), false},
		{"negotiation in place of a message", negotiate + negotiate, true},
		{"connect without content", negotiate + frame('C', ""), true},
		{"connect of an unknown family", negotiate + frame('C', "localhost\x00X\x00\x19127.0.0.1\x00"), true},
		{"connect with half a port", negotiate + frame('C', "localhost\x004\x00"), true},
		{"helo without a NUL", negotiate + frame('C', connectLocal) + frame('H', "client"), true},
		{"macro without a command", negotiate + frame('D', ""), true},
		{"macro with a name only", negotiate + frame('D', "Mi\x00"), false},
		{"mail without an address", negotiate + frame('C', connectLocal) + frame('M', ""), true},
		{"recipient without an address", negotiate + frame('C', connectLocal) + frame('M', "<>\x00") + frame('R', ""), true},
		{"recipient without mail", negotiate + frame('C', connectLocal) + frame('R', "<user@virt.example>\x00"), false},
		{"header without a value", negotiate + frame('C', connectLocal) + frame('M', "<>\x00") + frame('R', "<user@virt.example>\x00") + frame('L', "Subject"), false},
		{"end of message at once", negotiate + frame('E', ""), false},
		{"unknown command", negotiate + frame('z', "what"), false},
		{"address of 64 KiB", negotiate + frame('C', connectLocal) + frame('M', "<>\x00") +
			frame('R', "<"+strings.Repeat("a", 64<<10)+"@virt.example>\x00"), false},
		{"tagged address of 64 KiB", negotiate + frame('C', connectLocal) + frame('M', "<>\x00") +
			frame('R', "<prvs=0787788259="+strings.Repeat("a", 64<<10)+"@virt.example>\x00"), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			faults := s.daemon.metric(t, "bouncefilter_frame_faults_total")
			s.daemon.say(t, row.bytes)
			if counted := s.daemon.metric(t, "bouncefilter_frame_faults_total") - faults; row.fault && counted == 0 {
				t.Errorf("the malformed frame was not counted")
			}
			if status, _ := s.daemon.get("/readyz"); status != 200 {
				t.Fatalf("/readyz: status %d", status)
			}
		})
	}
	if panics := s.daemon.metric(t, "bouncefilter_panics_total"); panics != 0 {
		t.Errorf("%v callbacks panicked", panics)
	}
	b := newBounce(tag, "")
	underway.mustCommand("354", "DATA")
	if r := underway.text(b.text); r[0] != '2' {
		t.Errorf("the message under way was answered %q", r)
	}
	s.mailbox("user@virt.example").await(t, b.mark)
}

// say sends bytes to the milter, closes its half of the connection, and waits until the milter closes the other.
func (d *daemon) say(t *testing.T, bytes string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.milter, "inet:"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, bytes); err != nil {
		return // refused before all was sent
	}
	conn.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, conn); err != nil && os.IsTimeout(err) {
		t.Errorf("the milter did not close the connection: %v", err)
	}
}

// TestLargeMail sends what is large or odd through Postfix.
func TestLargeMail(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	tag := s.tag(t, "user@virt.example")

	t.Run("bounces of 100 MB cost no memory, and are not refused for what is not read", func(t *testing.T) {
		line := strings.Repeat("0123456789", 7) + "\n"
		large := strings.Repeat(line, 100_000_000/len(line))
		for _, bounce := range []struct{ to, end string }{{tag, ok}, {"user@virt.example", ok}} {
			c := s.outside(t)
			c.mustCommand("250", "MAIL FROM:<>")
			c.mustCommand("250", "RCPT TO:<"+bounce.to+">")
			c.mustCommand("354", "DATA")
			if r := c.text(newBounce(bounce.to, large).text); !strings.HasPrefix(r, bounce.end) {
				t.Errorf("bounce of 100 MB to %s was answered %q", bounce.to, r)
			}
			c.quit()
		}
		const limit = 64 << 20
		if peak := s.daemon.peakMemory(t); peak > limit {
			t.Errorf("the daemon used %d MiB of memory", peak>>20)
		} else {
			t.Logf("peak memory of the daemon: %d MiB", peak>>20)
		}
	})
	t.Run("10,000 recipients", func(t *testing.T) {
		const recipients = 10_000
		m := newMessage("user@virt.example", "everybody@remote.example")
		c := s.inside(t)
		var commands strings.Builder
		commands.WriteString("MAIL FROM:<user@virt.example>\r\n")
		for i := range recipients {
			fmt.Fprintf(&commands, "RCPT TO:<r%d@remote.example>\r\n", i)
		}
		commands.WriteString("DATA\r\n")
		go io.WriteString(c.conn, commands.String()) // pipelined: Postfix answers while it reads
		for i := range recipients + 2 {
			want := "250"
			if i == recipients+1 {
				want = "354"
			}
			if r := c.reply(); !strings.HasPrefix(r, want) {
				t.Fatalf("command %d was answered %q", i, r)
			}
		}
		if r := c.text(m.text); r[0] != '2' {
			t.Fatal(r)
		}
		arrived := func() (n int) {
			for _, d := range s.world.with(m.mark) {
				if !isSigned(d.sender, "user@virt.example") {
					t.Errorf("a copy left with the sender <%s>", d.sender)
				}
				n += len(d.recipients)
			}
			return n
		}
		eventually(t, "all recipients are served", func() bool { return arrived() >= recipients })
		if n := arrived(); n != recipients {
			t.Errorf("%d recipients were served, expected %d", n, recipients)
		}
	})
	t.Run("bounce to 1,500 recipients", func(t *testing.T) {
		c := s.outside(t)
		c.mustCommand("250", "MAIL FROM:<>")
		for range 1_500 {
			c.mustCommand("250", "RCPT TO:<user@virt.example>")
		}
		c.mustCommand("452 4.5.3 Too many recipients: this bounce has more than are read", "DATA")
	})
	t.Run("header with NULs", func(t *testing.T) {
		for _, to := range []string{tag, "user@virt.example"} {
			m := newBounce(to, "")
			m.text = strings.Replace(m.text, "\nDate: ", "\nX-Nul: a\x00b\x00\nX-Bouncefilter: \x00\nX-Bounce\x00filter: c\nDate: ", 1)
			c := s.outside(t)
			r := c.attempt("", []string{to}, m.text)
			if to == tag && r[0] != '2' || to != tag && r != replyNone {
				t.Errorf("bounce to %s was answered %q", to, r)
			}
			c.quit()
		}
	})
	t.Run("address of 64 KiB", func(t *testing.T) {
		c := s.outside(t)
		c.mustCommand("250", "MAIL FROM:<>")
		if r := c.tryCommand("RCPT TO:<" + strings.Repeat("a", 64<<10) + "@virt.example>"); r[0] != '5' {
			t.Errorf("answered %.100q", r)
		}
	})
	t.Run("the daemon is well", func(t *testing.T) {
		if status, _ := s.daemon.get("/readyz"); status != 200 {
			t.Errorf("/readyz: status %d", status)
		}
		if n := s.daemon.metric(t, "bouncefilter_panics_total"); n != 0 {
			t.Errorf("%v callbacks panicked", n)
		}
		b := newBounce(tag, "")
		c := s.outside(t)
		c.send("", []string{tag}, b.text)
		s.mailbox("user@virt.example").await(t, b.mark)
	})
}

// peakMemory returns the most memory that the daemon has had resident, in bytes (proc(5), VmHWM).
func (d *daemon) peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.process.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// TestStart starts the daemon with what it cannot use, and with what it has to make the best of.
func TestStart(t *testing.T) {
	needServers(t)
	t.Parallel()
	t.Run("configuration that is a directory", func(t *testing.T) {
		d := newDaemon(t, newFolder(t, "start"), "bolt:state.db", false, "", "")
		out, status := d.run(t, "serve", "--config", d.dir)
		if status != 2 || !strings.Contains(out, "bouncefilter: error: ") || !strings.Contains(out, d.dir) || !strings.Contains(out, "directory") {
			t.Errorf("exit status %d:\n%s", status, out)
		}
	})
	t.Run("no domain", func(t *testing.T) {
		d := newDaemon(t, newFolder(t, "start"), "bolt:state.db", false, "", "")
		out, status := d.run(t, "serve", "--state-dir", d.dir)
		if status != 2 || !strings.Contains(out, "--domain") {
			t.Errorf("exit status %d:\n%s", status, out)
		}
	})
	t.Run("state file that is truncated", func(t *testing.T) {
		d := newDaemon(t, newFolder(t, "start"), "bolt:state.db", false, "", "")
		d.start(t)
		d.kill(t)
		state := filepath.Join(d.dir, "state", "state.db")
		info, err := os.Stat(state)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(state, info.Size()/3); err != nil {
			t.Fatal(err)
		}
		d.start(t) // a lost record is no reason not to deliver mail
		r := d.awaitRecord(t, 0, record{"level": "WARN"})
		if !strings.Contains(r["msg"], "state.db") {
			t.Errorf("the warning does not name the file: %v", r)
		}
		if moved, _ := filepath.Glob(state + ".damaged-*"); len(moved) != 1 {
			t.Errorf("the damaged file was not kept: %v", moved)
		}
	})
	t.Run("a second daemon on the same address", func(t *testing.T) {
		d := newDaemon(t, newFolder(t, "start"), "bolt:state.db", false, "", "")
		d.start(t)
		out, status := d.run(t, "serve", "--config", d.config)
		if status == 0 || !strings.Contains(out, "bouncefilter: error: ") {
			t.Errorf("exit status %d:\n%s", status, out)
		}
	})
}
