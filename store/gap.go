package store

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Gap is a time of which records may be missing. Both ends belong to it.
type Gap struct {
	From  time.Time `json:"from,omitzero"` // the zero time: there may be none from before Until
	Until time.Time `json:"until"`
}

// Covers says whether all of o is in g.
func (g Gap) Covers(o Gap) bool { return !o.From.Before(g.From) && !o.Until.After(g.Until) }

// Overlaps says whether some of the time between from and until, both included, is in g.
func (g Gap) Overlaps(from, until time.Time) bool {
	return !g.From.After(until) && !g.Until.Before(from)
}

// String returns the gap as "until T", or as "T to T".
func (g Gap) String() string {
	until := g.Until.UTC().Format(time.RFC3339)
	if g.From.IsZero() {
		return "until " + until
	}
	return g.From.UTC().Format(time.RFC3339) + " to " + until
}

// MaxGaps is how many gaps a store keeps. Beyond that the first two become one, with the time between them.
const MaxGaps = 32

// AddGap returns gaps, which another AddGap has returned, with g: in the order of time, without overlaps, at the most MaxGaps. It does
// not change gaps.
func AddGap(gaps []Gap, g Gap) []Gap {
	if g.Until.Before(g.From) {
		g.From = g.Until
	}
	merged := make([]Gap, 0, len(gaps)+1)
	for _, o := range gaps {
		if g.Overlaps(o.From, o.Until) {
			g = g.with(o)
		} else {
			merged = append(merged, o)
		}
	}
	at, _ := slices.BinarySearchFunc(merged, g, func(a, b Gap) int { return a.From.Compare(b.From) })
	merged = slices.Insert(merged, at, g)
	if len(merged) > MaxGaps {
		merged = slices.Insert(merged[2:], 0, merged[0].with(merged[1]))
	}
	return merged
}

// with returns the gap from the beginning of the first of the two to the end of the last.
func (g Gap) with(o Gap) Gap {
	return Gap{
		slices.MinFunc([]time.Time{g.From, o.From}, time.Time.Compare),
		slices.MaxFunc([]time.Time{g.Until, o.Until}, time.Time.Compare),
	}
}

// Completed returns the completeness of a record whose first was made at start, the zero time if there is none, with these gaps.
func Completed(start time.Time, gaps []Gap) Completeness {
	c := Completeness{Since: start, Gaps: gaps}
	if len(gaps) > 0 && gaps[0].From.IsZero() && gaps[0].Until.After(start) {
		c.Since = gaps[0].Until
	}
	return c
}

// LastGapEnd returns the end of the last gap; the zero time if there is none.
func (c Completeness) LastGapEnd() time.Time {
	if len(c.Gaps) == 0 {
		return time.Time{}
	}
	return c.Gaps[len(c.Gaps)-1].Until
}

// GapsText returns the gaps for people: "until T, T to T".
func (c Completeness) GapsText() string {
	texts := make([]string, len(c.Gaps))
	for i, g := range c.Gaps {
		texts[i] = g.String()
	}
	return strings.Join(texts, ", ")
}

// Equal says whether c and o say the same.
func (c Completeness) Equal(o Completeness) bool {
	return c.Since.Equal(o.Since) && c.Reason == o.Reason && c.Remedy == o.Remedy &&
		slices.CompareFunc(c.Gaps, o.Gaps, func(a, b Gap) int {
			return cmp.Or(a.From.Compare(b.From), a.Until.Compare(b.Until))
		}) == 0
}

// Lacks returns what is missing in c of which another completeness of the same record, seen before, says that it may be lost. A record that
// has begun anew since lacks nothing.
func (c Completeness) Lacks(before Completeness) []Gap {
	if c.Since.IsZero() {
		return nil
	}
	var lacks []Gap
	if before.Since.After(c.Since) {
		lacks = AddGap(lacks, Gap{Until: before.Since})
	}
	for _, g := range before.Gaps {
		if g.Until.After(c.Since) && !slices.ContainsFunc(c.Gaps, func(o Gap) bool { return o.Covers(g) }) {
			lacks = AddGap(lacks, g)
		}
	}
	return lacks
}

// With returns c with what it lacks of before.
func (c Completeness) With(before Completeness) Completeness {
	lacks := c.Lacks(before)
	if len(lacks) == 0 {
		return c
	}
	gaps := c.Gaps
	for _, g := range lacks {
		gaps = AddGap(gaps, g)
	}
	next := Completed(c.Since, gaps)
	next.Reason, next.Remedy = c.Reason, c.Remedy
	return next
}
