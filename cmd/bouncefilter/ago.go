package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ago is a time on the command line: RFC 3339, a day (UTC), or a number of hours, days or weeks before now. The zero ago is none.
type ago struct {
	time  time.Time // the zero time if a number was given
	hours int       // before now
	fine  bool      // the number was one of hours
}

// UnmarshalText lets kong read it.
func (g *ago) UnmarshalText(text []byte) error {
	s := string(text)
	for _, layout := range [...]string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			*g = ago{time: t}
			return nil
		}
	}
	const most = 36500 * 24 // hours
	number := strings.TrimRight(s, "hdw")
	unit := map[string]int{"h": 1, "d": 24, "w": 7 * 24}[s[len(number):]]
	n, err := strconv.Atoi(number)
	if err != nil || unit == 0 || n < 1 || n > most/unit {
		return fmt.Errorf("%q is not a time; use 12h, 7d, 8w, 2026-11-01 or 2026-11-01T12:00:00Z", cut(s))
	}
	*g = ago{hours: n * unit, fine: unit == 1}
	return nil
}

// days returns the number as one of days, rounded up.
func (g ago) days() int { return (g.hours + 23) / 24 }

// before returns the time, now being given.
func (g ago) before(now time.Time) time.Time {
	switch {
	case !g.time.IsZero():
		return g.time
	case g.fine:
		return now.Add(-time.Duration(g.hours) * time.Hour)
	}
	return now.AddDate(0, 0, -g.days())
}
