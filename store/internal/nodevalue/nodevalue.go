// Package nodevalue is the form in which stores keep what a node says about itself: JSON, so that a later version may say
// more.
package nodevalue

import (
	"encoding/json"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// Format returns the value that is stored under the node's name.
func Format(n store.Node) ([]byte, error) { return json.Marshal(n) }

// Parse reads what is stored under a name. ok is false if it cannot be read or, at the time now, is too old to be kept.
func Parse(name, value string, now time.Time) (n store.Node, ok bool) {
	n.Name = name
	err := json.Unmarshal([]byte(value), &n)
	return n, err == nil && now.Sub(n.Seen) <= store.NodeRetention
}
