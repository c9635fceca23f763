// Package timevalue reads and writes the stored form of a time: nanoseconds since 1970 in network byte order, 0 for the zero time.
package timevalue

import (
	"encoding/binary"
	"time"
)

// Size is the length of the stored form in octets.
const Size = 8

// Append appends the stored form of t to b.
func Append(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.BigEndian.AppendUint64(b, 0)
	}
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixNano()))
}

// Parse reads the stored form in the first octets of b.
func Parse(b []byte) time.Time {
	n := int64(binary.BigEndian.Uint64(b))
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
