package redis

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// connLifetime is how long a connection is used before the server is looked at anew.
	connLifetime = 10 * time.Minute

	// connectTimeout and ioTimeout bound what has no deadline of its own. On the mail path a guard.Guard sets one.
	connectTimeout = 2 * time.Second
	ioTimeout      = 3 * time.Second

	// bufferSize is that of a connection for each direction, in octets. What is sent for a message is shorter.
	bufferSize = 8 << 10

	// reloadInterval is how often a client in use asks a cluster which server has which keys. Nothing else tells it that a server
	// which does not answer any more was replaced.
	reloadInterval = time.Second

	// maxRedirects is how often a command follows what the servers of a cluster say about where its key is.
	maxRedirects = 3
)

// newClient returns a client for the servers that c names.
func (s *Store) newClient(c config) redis.UniversalClient {
	o := &redis.UniversalOptions{
		Addrs:            c.addrs,
		MasterName:       c.master,
		SentinelUsername: c.sentinelUser,
		SentinelPassword: c.sentinelPassword,
		Username:         c.user,
		Password:         c.password,
		DB:               c.db,
		TLSConfig:        c.tls,

		ContextTimeoutEnabled: true,
		DialTimeout:           connectTimeout,
		ReadTimeout:           ioTimeout,
		WriteTimeout:          ioTimeout,
		ConnMaxLifetime:       connLifetime,

		// A try that failed is the caller's to repeat: counting twice is not the same as counting once, and on the
		// mail path nobody waits.
		MaxRetries:    -1,
		DialerRetries: 1,
		MaxRedirects:  maxRedirects,

		Protocol:         2, // 3 brings nothing here but a look for pushed messages before each reply.
		ReadBufferSize:   bufferSize,
		WriteBufferSize:  bufferSize,
		PipelinePoolSize: -1, // Everything here is a pipeline: no second pool.

		DisableIdentity:          true, // Spares two commands for each connection.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch {
	case c.cluster:
		cluster := o.Cluster()
		cluster.NewClient = s.node
		cluster.ClusterStateReloadInterval = reloadInterval
		return redis.NewClusterClient(cluster)
	case c.master != "":
		n := &node{store: s}
		o.OnConnect = n.connected
		client := redis.NewFailoverClient(o.Failover())
		client.AddHook(n)
		return client
	}
	single := o.Simple()
	single.Network = c.network
	return s.node(single)
}

// node returns a client for one server.
func (s *Store) node(o *redis.Options) *redis.Client {
	n := &node{store: s}
	o.OnConnect = n.connected
	client := redis.NewClient(o)
	client.AddHook(n)
	return client
}

// node is what is known of the server behind one client: a server process, until another one takes its place.
type node struct {
	store   *Store
	process atomic.Pointer[process]

	mu     sync.Mutex
	former []string // run_id of processes before
}

// maxFormer bounds how many former processes of a node are remembered.
const maxFormer = 16

// process is a server process. It never changes.
type process struct {
	run     string    // its run_id, and what else tells that it lost keys, see identity; "" if the user may not ask for it
	fault   string    // why it may not keep what it acknowledges, for people; "" if it does, as far as can be seen
	settled time.Time // not relied upon before
}

// connected is called on each new connection before it is used, and asks the server who it is and whether it may evict.
//
// A server that was restarted, or that another one replaced, has closed its connections; no command can reach what came after
// it without passing here first. If a former process comes back, two of them stand behind one address, such as that of a proxy or of
// a master that some believe to be deposed: then nobody can tell which of them answered, and nobody relies on them for as long
// as a connection lives.
func (n *node) connected(ctx context.Context, conn *redis.Conn) error {
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
	// QUIRK: go-redis calls this for its connections to Sentinels as well.
	if infoField(server.Val(), "redis_mode") == "sentinel" {
		return nil
	}
	found := process{run: identity(server.Val(), stats.Val(), repl.Val())}
	if found.run == "" {
		found.fault = "the user may not run INFO, so nobody can tell whether the server was restarted: allow +info"
	} else {
		found.fault = mayEvict(mem.Val())
	}

	n.mu.Lock()
	defer n.mu.Unlock()
	if before := n.process.Load(); before != nil {
		found.settled = before.settled
		if before.run != found.run {
			if slices.Contains(n.former, found.run) {
				found.settled = time.Now().Add(connLifetime)
			}
			n.former = append(n.former, before.run)
			n.former = n.former[max(0, len(n.former)-maxFormer):]
		}
	}
	n.process.Store(&found)
	return nil
}

// identity tells a process from others, and from itself before it lost keys of which its memory says nothing: it has evicted some, or
// has followed another server meanwhile, whose data took the place of its own, and was promoted. A promoted one that has had no replica
// for an hour (repl-backlog-ttl) forgets whom it followed, and counts as another one once more, for nothing.
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

// witnesses collects which process answered which command.
type witnesses struct {
	mu  sync.Mutex
	all []witness
}

// witness says that a process answered a command.
type witness struct {
	cmd redis.Cmder
	by  *process
}

type witnessesKey struct{}

// witnessed returns a context whose commands leave a note of who answered them.
func witnessed(ctx context.Context) (context.Context, *witnesses) {
	w := &witnesses{all: make([]witness, 0, 2)}
	return context.WithValue(ctx, witnessesKey{}, w), w
}

// process returns the process that answered cmd. One of which nothing is known has no run_id, and is not relied upon.
func (w *witnesses) process(cmd redis.Cmder) process {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.all) - 1; i >= 0; i-- { // The last one counts: a cluster may have sent the command on.
		if w.all[i].cmd == cmd && w.all[i].by != nil {
			return *w.all[i].by
		}
	}
	return process{}
}

// ProcessPipelineHook implements [redis.Hook]: it notes who answered the commands that read or begin a memory.
func (n *node) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if w, ok := ctx.Value(witnessesKey{}).(*witnesses); ok {
			p := n.process.Load()
			w.mu.Lock()
			for _, cmd := range cmds {
				if name := cmd.Name(); name == "hgetall" || name == "hsetnx" {
					w.all = append(w.all, witness{cmd, p})
				}
			}
			w.mu.Unlock()
		}
		return err
	}
}

// ProcessHook implements [redis.Hook].
func (n *node) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// DialHook implements [redis.Hook].
func (n *node) DialHook(next redis.DialHook) redis.DialHook { return next }
