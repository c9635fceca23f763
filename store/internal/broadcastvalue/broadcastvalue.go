// Package broadcastvalue is the form in which stores keep a broadcast under its name: the last day, a space, the value.
package broadcastvalue

import (
	"bytes"
	"strconv"

	"github.com/bouncefilter/bouncefilter/store"
)

// Format returns what is stored under the broadcast's name.
func Format(n store.Broadcast) []byte {
	return append(append(strconv.AppendInt(nil, int64(n.Expires), 10), ' '), n.Value...)
}

// Parse reads what is stored under a name of a topic. ok is false if it cannot be read, or is over on the day today.
func Parse(topic, name string, stored []byte, today store.Day) (n store.Broadcast, ok bool) {
	day, value, found := bytes.Cut(stored, []byte{' '})
	expires, err := strconv.ParseInt(string(day), 10, 32)
	n = store.Broadcast{Topic: topic, Name: name, Value: bytes.Clone(value), Expires: store.Day(expires)}
	return n, found && err == nil && n.Expires >= today
}
