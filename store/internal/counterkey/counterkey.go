// Package counterkey is the form in which backends store the names of a counter (node, topic, name): one string, which an operator
// can read in a database's shell:
//
//	mx1|verdict|example.com|untagged
package counterkey

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/bouncefilter/bouncefilter/store"
)

// Format returns the names of c. Different names never give the same string, whatever octets they hold.
func Format(c store.Counter) string {
	return url.QueryEscape(c.Node) + "|" + url.QueryEscape(c.Topic) + "|" + c.Name
}

// Parse returns a Counter with the names that s holds.
func Parse(s string) (c store.Counter, err error) {
	parts := strings.SplitN(s, "|", 3)
	if len(parts) != 3 {
		return store.Counter{}, fmt.Errorf("counter name %q: want three parts", s)
	}
	if c.Node, err = url.QueryUnescape(parts[0]); err != nil {
		return store.Counter{}, fmt.Errorf("counter name %q: %w", s, err)
	}
	if c.Topic, err = url.QueryUnescape(parts[1]); err != nil {
		return store.Counter{}, fmt.Errorf("counter name %q: %w", s, err)
	}
	c.Name = parts[2]
	return c, nil
}
