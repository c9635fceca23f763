// Package open turns the one URL that a site configures into a [store.Store].
//
//	memory:                                    lost at the end of the process; for tests and for trying out
//	bolt:/var/lib/bouncefilter/state.db        a file on this host; bolt:state.db is relative to the working folder
//	redis://user:password@host:6379/0          a Redis server, which several nodes may share
//	rediss://user:password@host:6380/0         the same over TLS; ?ca=/path trusts only the authorities in that file
//	unix:/run/redis/redis.sock?db=0            the same over a socket; unix://user:password@/path with a password
//	redis+sentinel://user:password@host1,host2/mymaster/0   the master that Sentinels watch over
//	redis+cluster://user:password@host1,host2  a Redis Cluster; both also with rediss for TLS
//
// Packages bolt and redis describe what these promise. [Redacted] makes a URL fit for logs.
package open

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
	"github.com/bouncefilter/bouncefilter/store/memory"
	"github.com/bouncefilter/bouncefilter/store/redis"
)

// Option changes how Open works.
type Option func(*options)

type options struct {
	warn func(string)
	look bool
	now  func() time.Time
}

// Warn gives Open a function to call with what an operator should know although the store could be opened: that a
// damaged file was moved aside.
func Warn(f func(message string)) Option { return func(o *options) { o.warn = f } }

// LeaveDamaged is for whoever only wants to look: a damaged file is left where it is, and Open fails.
func LeaveDamaged() Option { return func(o *options) { o.look = true } }

// Clock replaces the system's clock in a store that is part of this process. A server has a clock of its own.
func Clock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Open opens the store that rawURL names. It does not wait for a server: whether one answers is for Ping to find out,
// because a mail server has to start without it. Errors never hold a password.
func Open(ctx context.Context, rawURL string, opts ...Option) (store.Store, error) {
	o := options{warn: func(string) {}, now: time.Now}
	for _, opt := range opts {
		opt(&o)
	}
	s, err := open(ctx, rawURL, o)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", Redacted(rawURL), err)
	}
	return s, nil
}

// open returns no nil pointers in its Store, unlike the functions it calls.
func open(ctx context.Context, rawURL string, o options) (store.Store, error) {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	if !ok {
		return nil, errors.New("this is not a URL; use memory:, bolt:/path, redis://host, rediss://host or unix:/path")
	}
	switch scheme {
	case "memory":
		if rest != "" {
			return nil, errors.New("memory: takes nothing behind it")
		}
		return memory.NewWithClock(o.now), nil
	case "bolt":
		path, err := boltPath(rest)
		if err != nil {
			return nil, err
		}
		opts := []bolt.Option{bolt.Warn(o.warn), bolt.Clock(o.now)}
		if o.look {
			opts = append(opts, bolt.LeaveDamaged())
		}
		s, err := bolt.Open(path, opts...)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	if redis.IsScheme(scheme) {
		s, err := redis.Open(ctx, rawURL)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, errors.New("unknown kind of store; use memory:, bolt:/path, redis://host, rediss://host, unix:/path, redis+sentinel://hosts/master or redis+cluster://hosts")
}

// boltPath returns the path in what follows bolt:. The form with three slashes is understood because people write it.
func boltPath(rest string) (string, error) {
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		if !strings.HasPrefix(after, "/") {
			return "", errors.New("bolt: takes a path, not a host: write bolt:/path or bolt:path")
		}
		rest = after
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return "", fmt.Errorf("path %q: a %% must be written as %%25", rest)
	}
	if path == "" {
		return "", errors.New("bolt: takes a path: write bolt:/var/lib/bouncefilter/state.db")
	}
	return path, nil
}

// hidden stands for what may be a password.
const hidden = "xxxxx"

// Redacted returns rawURL without its password, for logs and errors. What cannot be taken apart is left out as a whole.
func Redacted(rawURL string) string {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	switch {
	case !ok:
		return hidden
	case scheme == "memory", scheme == "bolt":
		return rawURL
	case !redis.IsScheme(scheme):
		return hidden
	}
	single, hosts := redis.SplitHosts(rawURL)
	u, err := url.Parse(single)
	if err != nil || strings.ContainsRune(u.Opaque+u.Path+u.RawQuery+u.Fragment, '@') {
		// A password with a slash, a question mark or the like ends up in all sorts of places.
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			return scheme + "://" + hidden + "@" + host(rest[at+1:])
		}
		return scheme + ":" + hidden
	}
	u.Fragment, u.RawFragment = "", ""
	if u.User != nil {
		if _, ok := u.User.Password(); ok && u.User.Username() != "" {
			u.User = url.UserPassword(u.User.Username(), hidden)
		} else {
			u.User = url.User(hidden)
		}
	}
	if u.RawQuery != "" {
		known := url.Values{}
		for name, values := range u.Query() {
			if name == "db" || name == "prefix" || name == "ca" {
				known[name] = values
			}
		}
		u.RawQuery = known.Encode()
	}
	if len(hosts) > 1 {
		u.Host = standIn
		return strings.Replace(u.String(), standIn, strings.Join(hosts, ","), 1)
	}
	return u.String()
}

// standIn stands for several hosts, of which a URL cannot be put together.
const standIn = "hosts.invalid"

// host returns what names the server in the part of a URL behind the last @.
func host(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	return s
}
