package redis

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// connLifetime is how long a connection is used. A new one asks the server for its identity.
	connLifetime = 2 * time.Minute

	// connectTimeout and ioTimeout bound what has no deadline of its own. On the mail path a guard.Guard sets one.
	connectTimeout = 2 * time.Second
	ioTimeout      = 3 * time.Second

	// bufferSize is the size of a connection's buffer for each direction, in octets. The commands for a message are shorter.
	bufferSize = 8 << 10

	// reloadInterval is how often a client in use asks a cluster which server has which keys. It learns in no other way that a
	// server which has stopped answering was replaced.
	reloadInterval = time.Second

	// maxRedirects is how often a command follows the redirections of a cluster.
	maxRedirects = 3
)

// Connect returns a client for the servers that rawURL names, see [Open], for what is no store. It does not connect before it is used, and
// repeats no command. Its errors never hold a password. The option prefix means nothing to it.
func Connect(rawURL string) (redis.UniversalClient, error) {
	c, err := parseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("open Redis: %w", err)
	}
	logging.Disable() // see [Open]
	o := options(c)
	switch {
	case c.cluster:
		return redis.NewClusterClient(o.Cluster()), nil
	case c.master != "":
		return redis.NewFailoverClient(o.Failover()), nil
	}
	single := o.Simple()
	single.Network = c.network
	return redis.NewClient(single), nil
}

// options are those of all clients.
func options(c config) *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs:            c.addrs,
		MasterName:       c.master,
		SentinelUsername: c.sentinelUser,
		SentinelPassword: c.sentinelPassword,
		Username:         c.user,
		Password:         c.password,
		DB:               c.db,
		TLSConfig:        c.tls,
		Dialer:           limitReplies(dialer(c)),

		ContextTimeoutEnabled: true,
		DialTimeout:           connectTimeout,
		ReadTimeout:           ioTimeout,
		WriteTimeout:          ioTimeout,
		ConnMaxLifetime:       connLifetime,

		// The caller repeats what failed, if it wants to: counting twice is not the same as counting once, and no
		// message waits for a repetition.
		MaxRetries:    -1,
		DialerRetries: 1,
		MaxRedirects:  maxRedirects,

		Protocol:         2, // 3 would only add a check for pushed messages before each reply
		ReadBufferSize:   bufferSize,
		WriteBufferSize:  bufferSize,
		PipelinePoolSize: -1, // all commands are pipelines: no second pool

		DisableIdentity:          true, // spares two commands for each connection
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// newClient returns a client of a store for the servers that c names. It knows which process answers.
func newClient(c config) redis.UniversalClient {
	o := options(c)
	switch {
	case c.cluster:
		cluster := o.Cluster()
		cluster.NewClient = newServerClient
		cluster.ClusterStateReloadInterval = reloadInterval
		return redis.NewClusterClient(cluster)
	case c.master != "":
		srv := &server{}
		o.OnConnect = srv.connected
		client := redis.NewFailoverClient(o.Failover())
		client.AddHook(srv)
		return client
	}
	single := o.Simple()
	single.Network = c.network
	return newServerClient(single)
}

// newServerClient returns a client for one server.
func newServerClient(o *redis.Options) *redis.Client {
	srv := &server{}
	o.OnConnect = srv.connected
	client := redis.NewClient(o)
	client.AddHook(srv)
	return client
}
