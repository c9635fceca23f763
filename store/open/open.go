// Package open turns the store URL of a site's configuration into a [store.Store].
//
// [Open] opens the store, and [Redacted] makes a URL fit for logs. No error of the package holds a password. The URLs:
//
//	memory:                                    lost at the end of the process; for tests and demonstrations
//	bolt:/var/lib/bouncefilter/state.db        a file on this host; bolt:state.db is relative to the working folder
//	redis://user:password@host:6379/0          a Redis server, which several nodes may share
//	rediss://user:password@host:6380/0         the same over TLS; ?ca=/path trusts only the authorities in that file
//	unix:/run/redis/redis.sock?db=0            the same over a socket; unix://user:password@/path with a password
//	redis+sentinel://user:password@host1,host2/mymaster/0   the master that Sentinels watch over
//	redis+cluster://user:password@host1,host2  a Redis Cluster; both also with rediss for TLS
//
// The comments of packages bolt and redis say what each of them promises.
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
	warn         func(string)
	leaveDamaged bool
	now          func() time.Time
	hasher       *store.Hasher
}

// Warn gives Open a function that it calls with a warning for the operator when it has moved a damaged file aside.
func Warn(f func(message string)) Option { return func(o *options) { o.warn = f } }

// LeaveDamaged lets Open fail on a damaged file instead of moving it aside: for commands that only read.
func LeaveDamaged() Option { return func(o *options) { o.leaveDamaged = true } }

// Clock replaces the system's clock in a store that is part of this process (memory:, bolt:).
func Clock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Hasher gives Open the hasher of the site, which signs what a server holds. Stores that are part of this process do without.
func Hasher(h *store.Hasher) Option { return func(o *options) { o.hasher = h } }

// Open opens the store that rawURL names. It does not connect to a server, because a mail server has to start without it: Ping finds out
// whether the server answers. Errors never hold a password.
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

// kind is a kind of store that is part of this process. Other schemes are those of package redis.
type kind struct {
	scheme string
	open   func(rest string, o options) (store.Store, error) // rest is what comes behind the colon
}

// embedded are the kinds that are part of this process: no other node has the same store, and a URL holds no password.
func embedded() []kind {
	return []kind{{"memory", openMemory}, {"bolt", openBolt}}
}

// Embedded says whether a URL names a store that is part of one process.
func Embedded(rawURL string) bool {
	_, _, ok := embeddedKind(rawURL)
	return ok
}

func embeddedKind(rawURL string) (k kind, rest string, ok bool) {
	scheme, rest, _ := strings.Cut(rawURL, ":")
	for _, k := range embedded() {
		if k.scheme == scheme {
			return k, rest, true
		}
	}
	return kind{}, "", false
}

// Usage says how the URLs of stores are written.
const Usage = "memory:, bolt:/path, redis://host, rediss://host, unix:/path, redis+sentinel://hosts/master or redis+cluster://hosts"

// open returns a nil Store with an error, not one that holds a nil pointer.
func open(ctx context.Context, rawURL string, o options) (store.Store, error) {
	scheme, _, ok := strings.Cut(rawURL, ":")
	if !ok {
		return nil, errors.New("this is not a URL; use " + Usage)
	}
	if k, rest, ok := embeddedKind(rawURL); ok {
		return k.open(rest, o)
	}
	if redis.IsScheme(scheme) {
		s, err := redis.Open(ctx, rawURL, o.hasher)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, errors.New("unknown kind of store; use " + Usage)
}

func openMemory(rest string, o options) (store.Store, error) {
	if rest != "" {
		return nil, errors.New("memory: takes nothing behind it")
	}
	return memory.NewWithClock(o.now), nil
}

func openBolt(rest string, o options) (store.Store, error) {
	path, err := boltPath(rest)
	if err != nil {
		return nil, err
	}
	opts := []bolt.Option{bolt.Warn(o.warn), bolt.Clock(o.now)}
	if o.leaveDamaged {
		opts = append(opts, bolt.LeaveDamaged())
	}
	s, err := bolt.Open(path, opts...)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// boltPath returns the path in a URL behind "bolt:". It accepts three slashes before it, because operators write them.
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

// hidden is printed instead of what may be a password.
const hidden = "xxxxx"

// Redacted returns rawURL without its password, for logs and errors. Of a URL that cannot be parsed it shows only the scheme and what must be
// a host.
func Redacted(rawURL string) string {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	switch {
	case !ok:
		return hidden
	case Embedded(rawURL):
		return rawURL
	case !redis.IsScheme(scheme):
		return hidden
	}
	single, hosts := redis.SplitHosts(rawURL)
	u, err := url.Parse(single)
	if err != nil || strings.ContainsRune(u.Opaque+u.Path+u.RawQuery+u.Fragment, '@') {
		// A password with a slash or a question mark may be anywhere in the URL.
		if hosts := host(rest[strings.LastIndexByte(rest, '@')+1:]); strings.ContainsRune(rest, '@') && !strings.ContainsFunc(hosts, unusual) {
			return scheme + "://" + hidden + "@" + hosts
		}
		return scheme + ":" + hidden
	}
	u.Fragment, u.RawFragment = "", ""
	if u.User != nil {
		if _, ok := u.User.Password(); ok {
			u.User = url.UserPassword(u.User.Username(), hidden)
		} else {
			u.User = url.User(hidden)
		}
	}
	if u.RawQuery != "" {
		known := url.Values{}
		for name, values := range u.Query() {
			if name == "db" || name == "prefix" || name == "ca" || name == "cert" || name == "key" {
				known[name] = values
			}
		}
		u.RawQuery = strings.ReplaceAll(known.Encode(), "%2F", "/") // which a query may have
	}
	if len(hosts) > 1 {
		u.Host = standIn
		return strings.Replace(u.String(), standIn, strings.Join(hosts, ","), 1)
	}
	return u.String()
}

// standIn takes the place of several hosts, which net/url cannot print.
const standIn = "hosts.invalid"

// unusual says whether a character needs an escape in a URL, or is not in the name of a host or a master.
func unusual(r rune) bool {
	return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune("-._:,/[]", r))
}

// host returns the hosts and the path in the part of a URL behind the last @.
func host(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	return s
}
