package policy

import (
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Span is a time with its beginning and its end. The zero Span is a time that is not known.
type Span struct {
	From  time.Time // the zero time: no beginning is known
	Until time.Time
}

// Known says whether it is not the zero Span.
func (s Span) Known() bool { return !s.Until.IsZero() }

// With returns the span from the beginning of the first of the two to the end of the last. What is not known adds nothing.
func (s Span) With(o Span) Span {
	if !s.Known() {
		return o
	}
	if !o.Known() {
		return s
	}
	if o.From.Before(s.From) {
		s.From = o.From
	}
	if o.Until.After(s.Until) {
		s.Until = o.Until
	}
	return s
}

// overlaps says whether some of o is in s.
func (s Span) overlaps(o Span) bool { return !s.From.After(o.Until) && !s.Until.Before(o.From) }

// wider returns the span with a time added to both ends.
func (s Span) wider(by time.Duration) Span { return Span{s.From.Add(-by), s.Until.Add(by)} }

// wholeDays returns the span from the begin of its first day to the end of its last.
func (s Span) wholeDays() Span {
	return days(prvs.DayOf(s.From), prvs.DayOf(s.Until))
}

// days returns the span of the days from one to another, both included.
func days(from, until prvs.Day) Span {
	return Span{from.Time(), (until + 1).Time().Add(-time.Nanosecond)}
}
