package listener_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
)

func TestParse(t *testing.T) {
	tests := []struct {
		in, want, postfix string
		loopback          bool
	}{
		{"tcp:127.0.0.1:8766", "tcp:127.0.0.1:8766", "inet:127.0.0.1:8766", true},
		{"inet:localhost:8766", "tcp:localhost:8766", "inet:localhost:8766", true},
		{"tcp:[::1]:8766", "tcp:[::1]:8766", "inet:[::1]:8766", true},
		{"tcp:0.0.0.0:8766", "tcp:0.0.0.0:8766", "inet:0.0.0.0:8766", false},
		{"tcp::8766", "tcp::8766", "inet::8766", false},
		{"tcp:mx.example.com:8766", "tcp:mx.example.com:8766", "inet:mx.example.com:8766", false},
		{"unix:/run//x/milter.sock", "unix:/run/x/milter.sock", "unix:/run/x/milter.sock", true},
		{"unix:/var/spool/postfix/bouncefilter/milter.sock", "unix:/var/spool/postfix/bouncefilter/milter.sock",
			"unix:bouncefilter/milter.sock", true},
	}
	for _, tt := range tests {
		a, err := listener.Parse(tt.in)
		if err != nil || a.String() != tt.want || a.Postfix() != tt.postfix || a.Loopback() != tt.loopback {
			t.Errorf("%s: got %s, %s, %v, %v", tt.in, a, a.Postfix(), a.Loopback(), err)
		}
	}
	for _, bad := range []string{"", "8766", "127.0.0.1:8766", "tcp:8766", "tcp:h:http", "tcp:h:65536", "tcp:h:-1", "tcp:a b:1",
		"tcp:a,b:1", "unix:/a b", "unix:/a,b", "unix:/{a}", "unix:", "unix:milter.sock", "unix:/" + strings.Repeat("x", 107)} {
		if a, err := listener.Parse(bad); err == nil {
			t.Errorf("%q was taken for %s", bad, a)
		}
	}
}

func unixAddress(t *testing.T) (listener.Address, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made", "milter.sock")
	a, err := listener.Parse("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return a, path
}

func TestUnixSocketHasTheModeAndGroupAskedFor(t *testing.T) {
	a, path := unixAddress(t)
	l, err := a.Listen(listener.Options{Mode: 0o620, Group: os.Getgid()})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o620 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file stayed: %v", err)
	}
}

func TestALiveSocketIsNotTakenAway(t *testing.T) {
	a, path := unixAddress(t)
	o := listener.Options{Mode: 0o600, Group: -1}
	l, err := a.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := a.Listen(o); err == nil || !strings.Contains(err.Error(), path) ||
		!strings.Contains(err.Error(), "another process listens there") {
		t.Errorf("got %v", err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the first listener is gone: %v", err)
	} else {
		_ = c.Close()
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	a, path := unixAddress(t)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false) // as a killed process leaves it
	_ = stale.Close()
	l, err := a.Listen(listener.Options{Mode: 0o600, Group: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// A socket that was removed, and made anew by another process, is that of the other process.
func TestTheSocketOfAnotherProcessStays(t *testing.T) {
	a, path := unixAddress(t)
	l, err := a.Listen(listener.Options{Mode: 0o600, Group: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket of the other process is gone: %v", err)
	}
}

func TestAFileThatIsNoSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := listener.Parse("unix:" + path)
	if _, err := a.Listen(listener.Options{Mode: 0o600, Group: -1}); err == nil {
		t.Error("no error")
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "data" {
		t.Errorf("the file was changed: %q, %v", data, err)
	}
}

func TestABusyPortNamesItself(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	a, _ := listener.Parse("tcp:" + l.Addr().String())
	if _, err := a.Listen(listener.Options{}); err == nil || !strings.Contains(err.Error(), l.Addr().String()+": another process") {
		t.Errorf("got %v", err)
	}
}
