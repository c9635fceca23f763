package e2e

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// 400 connections to the port for metrics and health that do nothing leave the MTA its descriptors, of which the daemon has 400.
func TestIdleHTTPConnectionsTakeNothingFromTheMTA(t *testing.T) {
	t.Parallel()
	d := newLoneDaemon(t)
	d.within = []string{"prlimit", "--nofile=400:400"}
	d.start(t)
	for range 400 {
		c, err := net.Dial("tcp", d.http)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			continue // closed already, as one past the limit
		}
	}
	for range 20 {
		d.signMessage(t, "user@virt.example")
	}
	if log := d.process.out.String(); !strings.Contains(log, "limit=http-connections") || strings.Contains(log, "cannot accept") {
		t.Errorf("the limit is not logged, or descriptors ran out:\n%s", lastLines(log, 20))
	}
}

// A service manager that asks for it hears from the daemon as often as it wants to.
func TestServiceManagerHearsThatMailPasses(t *testing.T) {
	t.Parallel()
	d := newLoneDaemon(t)
	path := filepath.Join(d.dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	d.within = []string{"env", "NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=100000"}
	d.start(t)
	heard := map[string]int{}
	for buffer := make([]byte, 512); heard["WATCHDOG=1"] < 3; {
		n, err := c.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		heard[string(buffer[:n])]++
	}
	if heard["READY=1"] != 1 {
		t.Errorf("it heard %v", heard)
	}
}
