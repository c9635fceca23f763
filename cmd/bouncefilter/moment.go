package main

import (
	"fmt"
	"time"
)

// moment is a time on the command line, in the form of RFC 3339. The zero moment is none.
type moment struct{ time.Time }

// UnmarshalText lets kong read a moment.
func (m *moment) UnmarshalText(text []byte) (err error) {
	if m.Time, err = time.Parse(time.RFC3339, string(text)); err != nil {
		return fmt.Errorf("%q is not a time; use 2026-11-23T12:00:00Z", cut(string(text)))
	}
	return nil
}
