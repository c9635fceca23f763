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

// left is the mark of a node that has left.
type left struct {
	Left time.Time `json:"left,omitzero"`
}

// FormatLeft returns the stored form of the mark that a node has left.
func FormatLeft(at time.Time) ([]byte, error) { return json.Marshal(left{at.UTC()}) }

// ParseLeft reads the stored form of such a mark. ok is false if it is none.
func ParseLeft(value string) (at time.Time, ok bool) {
	var l left
	err := json.Unmarshal([]byte(value), &l)
	return l.Left, err == nil && !l.Left.IsZero()
}
