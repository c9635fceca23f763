// Package nodevalue is the form in which backends store a heartbeat under the name of its node: JSON, so that a later version may add
// fields.
package nodevalue

import (
	"encoding/json"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// Format returns the stored form of n.
func Format(n store.Node) ([]byte, error) { return json.Marshal(n) }

// Parse reads the stored form of a heartbeat. ok is false if it cannot be read, or is older than [store.NodeRetention] at the time now.
func Parse(name, value string, now time.Time) (n store.Node, ok bool) {
	err := json.Unmarshal([]byte(value), &n)
	n.Name = name // whatever the value says: it is stored under this one
	return n, err == nil && now.Sub(n.Seen) <= store.NodeRetention
}
