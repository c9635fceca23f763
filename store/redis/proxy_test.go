package redis_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy passes on what a client and a server say, and counts how often the client speaks after the server.
type proxy struct {
	socket      string
	requests    atomic.Int64
	connections atomic.Int64
}

func startProxy(t *testing.T, server string) *proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "bf-proxy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &proxy{socket: filepath.Join(dir, "s")}
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		wait.Wait()
	})
	wait.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("unix", server)
			if err != nil {
				client.Close()
				continue
			}
			p.connections.Add(1)
			var clientSpoke atomic.Bool
			wait.Go(func() {
				defer upstream.Close()
				p.copy(upstream, client, func() {
					if !clientSpoke.Swap(true) {
						p.requests.Add(1)
					}
				})
			})
			wait.Go(func() {
				defer client.Close()
				p.copy(client, upstream, func() { clientSpoke.Store(false) })
			})
		}
	})
	return p
}

func (p *proxy) copy(to io.Writer, from io.Reader, spoke func()) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			spoke()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
