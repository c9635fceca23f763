// Package redistest starts real Redis servers for tests, on 127.0.0.1 and without anything on disk: single ones ([Start]), a master
// with replicas that Sentinels watch over ([StartSentinels]), and a Cluster ([StartCluster]). They end with the test, by their process IDs.
//
// A test that lacks redis-server is skipped, or fails where BOUNCEFILTER_REQUIRE_SERVERS is set. With -short it is always skipped.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store/redistest/freeport"
)

// patience ends a test that waits for a state that an idle machine reaches within seconds.
const patience = 5 * time.Minute

// givenUp is how long a server may not answer before the others replace it: long enough for one that has to wait for a busy machine.
const givenUp = 4 * time.Second

// Server is a redis-server, or a Sentinel.
type Server struct {
	Addr   string // host:port
	Socket string // path of its unix socket; Sentinels have none
	Dir    string // its folder, removed after the test

	args []string
	cmd  *exec.Cmd
}

// FreePort among options is replaced by a free port, another one for each server.
const FreePort = "free port"

// Start starts a server with more options. It listens on 127.0.0.1 and on a unix socket.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t)
	_, port, _ := net.SplitHostPort(s.Addr)
	s.Socket = filepath.Join(s.Dir, "s")
	s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--unixsocket", s.Socket, "--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--dir", s.Dir, "--logfile", filepath.Join(s.Dir, "log")}, args...)
	for i, arg := range s.args {
		if arg == FreePort {
			_, s.args[i], _ = net.SplitHostPort(freeAddr(t))
		}
	}
	s.Start(t)
	return s
}

// newServer returns a server with a folder and an address, and does not start it.
func newServer(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short: it starts redis-server")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
			t.Fatal("redis-server is not installed, and BOUNCEFILTER_REQUIRE_SERVERS is set")
		}
		t.Skip("redis-server is not installed; deploy/test installs it and runs this")
	}
	// Not t.TempDir: with the name of a subtest the path would be too long for a socket.
	dir, err := os.MkdirTemp("", "bf-redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{Addr: freeAddr(t), Dir: dir}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("log of %s:\n%s", s.Addr, log[max(0, len(log)-2000):])
		}
		s.Kill(t)
	})
	return s
}

// Launch starts the server again after it has ended, with more options, and does not wait for it.
func (s *Server) Launch(t testing.TB, args ...string) {
	t.Helper()
	s.cmd = exec.Command("redis-server", append(slices.Clone(s.args), args...)...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// Start starts the server again after it has ended, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.Launch(t)
	c := s.Client(t)
	eventually(t, "server "+s.Addr+" listens", func() bool {
		conn, err := net.Dial("tcp", s.Addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	eventually(t, "server "+s.Addr+" answers", func() bool {
		err := c.Ping(context.Background()).Err()
		return err == nil || redis.HasErrorPrefix(err, "NOAUTH")
	})
}

// Kill ends the server as a crash would. One that has ended does not mind.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Errorf("kill redis-server: %v", err)
	}
	_ = s.cmd.Wait() // It was killed, which Wait reports.
	s.cmd = nil
}

// Running says whether the server was started and not ended.
func (s *Server) Running() bool { return s.cmd != nil }

// Pause lets the server hang, and Resume lets it go on.
func (s *Server) Pause(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Resume is the end of Pause.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Errorf("signal redis-server: %v", err)
	}
}

// Client returns a client of this server alone, to look behind the scenes with. It is closed after the test.
func (s *Server) Client(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DialTimeout: patience, DialerRetries: 1})
	t.Cleanup(func() { c.Close() })
	return c
}

// info returns a field of the server's INFO, or "".
func info(c *redis.Client, section, name string) string {
	for line := range strings.Lines(c.Info(context.Background(), section).Val()) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// eventually polls until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// freeAddr returns an address whose port is free.
func freeAddr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(freeport.Get(t)))
}

// Sentinels is a master with two replicas that three Sentinels watch over.
type Sentinels struct {
	Master   string // its name
	Data     []*Server
	Watchers []*Server
}

// StartSentinels starts a set. A master that does not answer for some seconds is given up. args are options of the data servers.
func StartSentinels(t testing.TB, args ...string) *Sentinels {
	t.Helper()
	const name = "mail"
	set := &Sentinels{Master: name}
	args = append(args, "--repl-diskless-sync-delay", "0")
	master := Start(t, args...)
	host, port, _ := net.SplitHostPort(master.Addr)
	set.Data = append(set.Data, master)
	for range 2 {
		set.Data = append(set.Data, Start(t, append([]string{"--replicaof", host + " " + port}, args...)...))
	}
	for _, s := range set.Data[1:] {
		admin := s.Client(t)
		eventually(t, "the replicas follow the master", func() bool { return info(admin, "replication", "master_link_status") == "up" })
	}
	for range 3 {
		w := newServer(t)
		_, wport, _ := net.SplitHostPort(w.Addr)
		config := filepath.Join(w.Dir, "sentinel.conf")
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile %s\nsentinel monitor %s %s %s 2\n"+
			"sentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s 10000\n",
			wport, w.Dir, filepath.Join(w.Dir, "log"), name, host, port, name, givenUp.Milliseconds(), name)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.args = []string{config, "--sentinel"}
		w.Start(t)
		set.Watchers = append(set.Watchers, w)
	}
	for _, w := range set.Watchers {
		c := redis.NewSentinelClient(&redis.Options{Addr: w.Addr})
		eventually(t, "Sentinels and replicas know each other", func() bool {
			m := c.Master(context.Background(), name).Val()
			return m["num-slaves"] == "2" && m["num-other-sentinels"] == "2"
		})
		c.Close()
	}
	return set
}

// URL is that of the set, with options such as "?prefix=x:".
func (set *Sentinels) URL(options string) string {
	var hosts []string
	for _, w := range set.Watchers {
		hosts = append(hosts, w.Addr)
	}
	return "redis+sentinel://" + strings.Join(hosts, ",") + "/" + set.Master + options
}

// Current returns the server that the Sentinels call the master.
func (set *Sentinels) Current(t testing.TB) *Server {
	t.Helper()
	var now *Server
	eventually(t, "a Sentinel knows a master", func() bool {
		now = set.current()
		return now != nil
	})
	return now
}

// current returns nil if no Sentinel answers.
func (set *Sentinels) current() *Server {
	for _, w := range set.Watchers {
		if !w.Running() {
			continue
		}
		c := redis.NewSentinelClient(&redis.Options{Addr: w.Addr})
		addr, err := c.GetMasterAddrByName(context.Background(), set.Master).Result()
		c.Close()
		if err != nil {
			continue
		}
		for _, s := range set.Data {
			if s.Addr == net.JoinHostPort(addr[0], addr[1]) {
				return s
			}
		}
	}
	return nil
}

// AwaitFailover waits until a server other than former is the master and takes writes.
func (set *Sentinels) AwaitFailover(t testing.TB, former *Server) *Server {
	t.Helper()
	var now *Server
	eventually(t, "a replica has taken over", func() bool {
		now = set.Current(t)
		return now != former && info(now.Client(t), "replication", "role") == "master"
	})
	return now
}

// Cluster is a Redis Cluster of three masters with a replica each.
type Cluster struct{ Servers []*Server }

// StartCluster starts a cluster. A server that does not answer for some seconds is given up. args are options of all servers.
func StartCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	const masters, replicas = 3, 3
	c := &Cluster{}
	create := []string{"--cluster", "create"}
	for range masters + replicas {
		_, bus, _ := net.SplitHostPort(freeAddr(t))
		s := Start(t, append([]string{"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", strconv.FormatInt(givenUp.Milliseconds(), 10), "--repl-diskless-sync-delay", "0",
			"--cluster-replica-validity-factor", "0"}, args...)...)
		c.Servers = append(c.Servers, s)
		create = append(create, s.Addr)
	}
	create = append(create, "--cluster-replicas", "1", "--cluster-yes")
	if out, err := exec.Command("redis-cli", create...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli --cluster create: %v\n%s", err, out)
	}
	eventually(t, "the cluster is complete", func() bool { return c.complete(t) })
	return c
}

// complete says whether all servers that run agree that all slots are served, and every replica follows its master.
func (c *Cluster) complete(t testing.TB) bool {
	t.Helper()
	for _, s := range c.Servers {
		if !s.Running() {
			continue
		}
		admin := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1})
		state := admin.ClusterInfo(context.Background()).Val()
		link := info(admin, "replication", "master_link_status")
		admin.Close()
		if !strings.Contains(state, "cluster_state:ok") || link == "down" {
			return false
		}
	}
	return true
}

// URL is that of the cluster, with options such as "?prefix=x:".
func (c *Cluster) URL(options string) string {
	var hosts []string
	for _, s := range c.Servers {
		hosts = append(hosts, s.Addr)
	}
	return "redis+cluster://" + strings.Join(hosts, ",") + options
}

// Masters returns the servers that run and serve slots.
func (c *Cluster) Masters(t testing.TB) []*Server {
	t.Helper()
	var masters []*Server
	for _, s := range c.Servers {
		if s.Running() && info(s.Client(t), "replication", "role") == "master" {
			masters = append(masters, s)
		}
	}
	return masters
}

// AwaitComplete waits until all slots are served again.
func (c *Cluster) AwaitComplete(t testing.TB) {
	t.Helper()
	eventually(t, "the cluster is complete again", func() bool { return len(c.Masters(t)) == 3 && c.complete(t) })
}
