package freeport

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Processes that ask at the same time get different ports, and ports that can be used.
func TestProcessesDoNotShare(t *testing.T) {
	if os.Getenv("FREEPORT_CHILD") != "" {
		for range 20 {
			fmt.Println("port", Get(t))
		}
		fmt.Println("asleep")
		_, _ = os.Stdin.Read(make([]byte, 1)) // keeps its ports until the test ends
		return
	}
	var outputs []func() string
	for range 3 {
		child := exec.Command(os.Args[0], "-test.run=^TestProcessesDoNotShare$")
		child.Env = append(os.Environ(), "FREEPORT_CHILD=yes")
		stdin, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = stdin.Close()
			_ = child.Wait()
		})
		outputs = append(outputs, func() string {
			var text strings.Builder
			for buf := make([]byte, 4096); !strings.Contains(text.String(), "asleep"); {
				n, err := stdout.Read(buf)
				text.Write(buf[:n])
				if err != nil {
					t.Fatalf("a child ended: %v\n%s", err, text.String())
				}
			}
			return text.String()
		})
	}
	got := map[int]bool{}
	for range 20 {
		got[Get(t)] = true
	}
	for _, output := range outputs {
		for line := range strings.Lines(output()) {
			port, ok := strings.CutPrefix(strings.TrimSpace(line), "port ")
			if !ok {
				continue
			}
			n, err := strconv.Atoi(port)
			if err != nil {
				t.Fatal(err)
			}
			if got[n] {
				t.Errorf("port %d was given away twice", n)
			}
			got[n] = true
		}
	}
	if len(got) != 4*20 {
		t.Errorf("%d ports, expected 80", len(got))
	}
	for port := range got {
		if port < first || port > last {
			t.Errorf("port %d is out of range", port)
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Error(err)
			continue
		}
		ln.Close()
	}
}

// A port on which a process listens is skipped.
func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", Get(t)+1))
	if err != nil {
		t.Skip(err) // another process was faster
	}
	defer ln.Close()
	if got, taken := Get(t), ln.Addr().(*net.TCPAddr).Port; got == taken {
		t.Errorf("port %d is in use", got)
	}
}
