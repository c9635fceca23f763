// Package counterkey is the form in which backends store the names of a counter (node, domain, reason): one string, which an operator
// can read in a database's shell:
//
//	mx1|example.com|untagged
package counterkey

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/bouncefilter/bouncefilter/store"
)

// Format returns the names of c. Different names never give the same string, whatever octets they hold.
func Format(c store.Counter) string {
	return url.QueryEscape(c.Node) + "|" + url.QueryEscape(c.Domain) + "|" + url.QueryEscape(c.Reason)
}

// Parse returns a Counter with the names that s holds.
func Parse(s string) (store.Counter, error) {
	parts := strings.Split(s, "|")
	if len(parts) != 3 {
		return store.Counter{}, fmt.Errorf("counter name %q: want three parts", s)
	}
	for i, p := range parts {
		u, err := url.QueryUnescape(p)
		if err != nil {
			return store.Counter{}, fmt.Errorf("counter name %q: %w", s, err)
		}
		parts[i] = u
	}
	return store.Counter{Node: parts[0], Domain: parts[1], Reason: parts[2]}, nil
}
