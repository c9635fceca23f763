// Package broadcastvalue is the form in which backends store a broadcast under its topic and name: the last day, a space, the value.
package broadcastvalue

import (
	"bytes"
	"strconv"

	"github.com/bouncefilter/bouncefilter/store"
)

// Format returns the stored form of b.
func Format(b store.Broadcast) []byte {
	return append(append(strconv.AppendInt(nil, int64(b.Expires), 10), ' '), b.Value...)
}

// Parse reads the stored form of a broadcast. ok is false if it cannot be read, or has expired on the day today.
func Parse(topic, name string, stored []byte, today store.Day) (b store.Broadcast, ok bool) {
	day, value, found := bytes.Cut(stored, []byte{' '})
	expires, err := strconv.ParseInt(string(day), 10, 32)
	b = store.Broadcast{Topic: topic, Name: name, Value: bytes.Clone(value), Expires: store.Day(expires)}
	return b, found && err == nil && b.Expires >= today
}
