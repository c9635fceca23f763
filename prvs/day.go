package prvs

import "time"

// Day is a number of whole days since 1970-01-01, in UTC, the unit of expiry in a tag (draft section 4.1).
type Day int32

const (
	secondsPerDay = 24 * 60 * 60

	// cycle is the number of days after which the three digits of a tag's day repeat.
	cycle = 1000
)

// DayOf returns the day of t, in UTC.
func DayOf(t time.Time) Day {
	seconds := t.Unix()
	day := seconds / secondsPerDay
	if seconds%secondsPerDay < 0 {
		day-- // Division truncates towards zero; days before 1970 must round down like all others.
	}
	return Day(day)
}

// Time returns the first instant of the day, in UTC.
func (d Day) Time() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

// String returns the day as YYYY-MM-DD.
func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// ddd returns the day modulo 1000, as in a tag.
func (d Day) ddd() int { return mod(int64(d), cycle) }

// until returns the day on which a tag with the digits ddd expires, as seen on day d. The digits name one day in every
// 1000: the next one if it is at most window days away, or else the last one in the past. This is the unsigned subtraction
// modulo 1000 of the draft's section 4.2.2.
func (d Day) until(ddd, window int) (expiry Day, expired bool) {
	remaining := mod(int64(ddd)-int64(d), cycle)
	if remaining > window {
		return d + Day(remaining-cycle), true
	}
	return d + Day(remaining), false
}

// roundUp returns the first day, not before d, whose number is a multiple of n.
func (d Day) roundUp(n int) Day {
	return d + Day(mod(-int64(d), n))
}

// mod returns a modulo n in the range 0 to n-1, for negative a too.
func mod(a int64, n int) int {
	return int((a%int64(n) + int64(n)) % int64(n))
}
