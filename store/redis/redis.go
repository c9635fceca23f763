package redis

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/bouncefilter/bouncefilter/store"
)

// startMargin is added to the time since when the record is complete, so that nodes whose clocks differ by less agree that nothing was
// lost after it.
const startMargin = time.Minute

// Store is a Redis server, or several. Use [Open]; a Store may be used by many goroutines.
type Store struct {
	client    redis.UniversalClient
	hasher    *store.Hasher
	layout    layout
	smallest  int           // bits of the smallest layer
	shards    []shard       // one, or [clusterShards]
	examining chan struct{} // taken by the caller that examines, see examine.go
	examined  atomic.Uint64 // how often the shards were examined
	keptAt    atomic.Int64  // see keep, in seconds since 1970
	tidied    atomic.Int64  // when old heartbeats were removed last, in seconds since 1970 on the server's clock
	doubts    doubts
	nodes     nodeMemory
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Doubter = (*Store)(nil)
)

// Open returns a Store for the servers that rawURL names. It does not connect: Ping finds out whether they answer. Errors never hold a
// password. h signs what the store holds: all that share it need the same hash secret.
//
//	redis://user:password@host:6379/0       a password alone: redis://:password@host
//	rediss://host:6380/0?ca=/etc/ssl/ca.pem TLS; ca names the authorities to trust instead of the system's
//	rediss://host:6380/0?cert=/FILE&key=/FILE  with a client certificate, in PEM form; renewed files are used without a restart
//	unix:/run/redis/redis.sock?db=0         or unix://user:password@/run/redis/redis.sock
//
//	redis+sentinel://user:password@host1:26379,host2:26379,host3:26379/mymaster/0
//	redis+cluster://user:password@host1:6379,host2:6379,host3:6379
//
// With TLS, the schemes of Sentinels and of a cluster are rediss+sentinel: and rediss+cluster:. User and password are those of the Redis
// servers; the options sentinel_user and sentinel_password are those of the Sentinels. One server of a cluster that answers is
// enough.
//
// The option prefix is what the names of all keys begin with, [DefaultPrefix] by default.
func Open(_ context.Context, rawURL string, h *store.Hasher) (*Store, error) {
	c, err := parseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("open Redis: %w", err)
	}
	if h == nil {
		return nil, errors.New("open Redis: no hash secret")
	}
	// The library would print a line for each try to connect, on a logger of the whole process. Each is an error of the call as
	// well, which the caller reports once.
	logging.Disable()
	s := &Store{hasher: h, layout: layout{prefix: c.prefix, shards: c.cluster}, smallest: minBits, shards: make([]shard, 1),
		examining: make(chan struct{}, 1)}
	if c.cluster {
		s.smallest, s.shards = minShardBits, make([]shard, clusterShards)
	}
	s.client = newClient(c)
	return s, nil
}

// Ping implements [store.Store]. Of a cluster, all servers that hold records must answer.
func (s *Store) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return failed("ping", err)
	}
	var err error
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return c.Ping(ctx).Err() })
	} else {
		err = s.client.Ping(ctx).Err()
	}
	if err != nil {
		return failed("ping", err)
	}
	return nil
}

// Close implements [store.Store].
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("redis store: close: %w", err)
	}
	return nil
}

// failed returns the error of a method. All errors may pass: even a wrong password can be corrected on the server.
func failed(op string, err error) error {
	return fmt.Errorf("redis store: %s: %w: %w%s", op, store.ErrUnavailable, err, explain(err))
}
