package redis

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is what is known of the server behind one client: its process, until another one takes its place.
type server struct {
	process atomic.Pointer[process]

	mu     sync.Mutex
	former []string // identities of earlier processes
}

// maxFormer bounds how many former processes of a server are noted.
const maxFormer = 16

// process is a server process. It never changes.
type process struct {
	run         string    // its identity, see identity; "" if the user may not run INFO
	evicted     bool      // it has removed keys before they expired
	fault       string    // why it may lose what it acknowledges, for the operator; "" if nothing shows that it may
	trustedFrom time.Time // untrusted before
}

// connected is called on each new connection before it is used. It asks the server for its identity and whether it may evict.
//
// A server that was restarted or replaced has closed its connections, so no command reaches the process after it without a new
// connection. If a former process comes back, there are two processes behind one address, such as that of a proxy, or of a master that
// only some Sentinels believe to be replaced. Then it is not known which of them answers, and both are untrusted as long as a
// connection lives.
func (s *server) connected(ctx context.Context, conn *redis.Conn) error {
	var server, mem, stats, repl *redis.StringCmd
	_, err := conn.Pipelined(ctx, func(c redis.Pipeliner) error {
		server = c.Info(ctx, "server")
		mem = c.Info(ctx, "memory")
		stats = c.Info(ctx, "stats")
		repl = c.Info(ctx, "replication")
		return nil
	})
	if err != nil && !isReply(err) {
		return err
	}
	if ofSentinel(server.Val()) {
		return nil
	}
	found := process{run: identity(server.Val(), stats.Val(), repl.Val()), evicted: infoField(stats.Val(), "evicted_keys") != "0"}
	if found.run == "" {
		found.fault = "the user may not run INFO, so that a restart of the server would not be seen: allow +info"
	} else {
		found.fault = mayEvict(mem.Val())
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.process.Load(); before != nil {
		found.trustedFrom = before.trustedFrom
		if before.run != found.run {
			if slices.Contains(s.former, found.run) {
				found.trustedFrom = time.Now().Add(connLifetime)
			}
			s.former = append(s.former, before.run)
			s.former = s.former[max(0, len(s.former)-maxFormer):]
		}
	}
	s.process.Store(&found)
	return nil
}

// ofSentinel says whether INFO is of a Sentinel.
//
// QUIRK: go-redis asks its connections to Sentinels, too. Valkey 8.0 says server_mode where Redis says redis_mode.
func ofSentinel(info string) bool {
	return infoField(info, "redis_mode") == "sentinel" || infoField(info, "server_mode") == "sentinel"
}

// identity returns the run_id of a process, and what shows that it has lost keys since it started: the number of evicted keys, and the
// server that it followed before it was promoted, whose data took the place of its own.
func identity(server, stats, replication string) string {
	run := infoField(server, "run_id")
	if run == "" {
		return ""
	}
	if n := infoField(stats, "evicted_keys"); n != "0" {
		run += "-" + n
	}
	if followed := infoField(replication, "master_replid2"); strings.Trim(followed, "0") != "" {
		run += "-" + followed
	}
	return run
}

// responders collects which process answered which command.
type responders struct {
	mu  sync.Mutex
	all []responder
}

// responder says that a process answered a command.
type responder struct {
	cmd     redis.Cmder
	process *process
}

type respondersKey struct{}

// withResponders returns a context that collects which process answers the commands called with it.
func withResponders(ctx context.Context) (context.Context, *responders) {
	by := &responders{all: make([]responder, 0, 2)}
	return context.WithValue(ctx, respondersKey{}, by), by
}

// process returns the process that answered cmd. If it is not known, the result has no identity, and is untrusted.
func (by *responders) process(cmd redis.Cmder) process {
	by.mu.Lock()
	defer by.mu.Unlock()
	for i := len(by.all) - 1; i >= 0; i-- { // the last one counts: a cluster may have redirected the command
		if by.all[i].cmd == cmd && by.all[i].process != nil {
			return *by.all[i].process
		}
	}
	return process{}
}

// ProcessPipelineHook implements [redis.Hook]: it collects which process answered the commands that read a shard's state or set its start.
func (s *server) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if by, ok := ctx.Value(respondersKey{}).(*responders); ok {
			p := s.process.Load()
			by.mu.Lock()
			for _, cmd := range cmds {
				if name := cmd.Name(); name == "hgetall" || name == "hsetnx" || name == "hlen" {
					by.all = append(by.all, responder{cmd, p})
				}
			}
			by.mu.Unlock()
		}
		return err
	}
}

// ProcessHook implements [redis.Hook].
func (s *server) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// DialHook implements [redis.Hook].
func (s *server) DialHook(next redis.DialHook) redis.DialHook { return next }
