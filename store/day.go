package store

import "time"

// Day is a day number: whole days since 1970-01-01 UTC.
type Day int32

// DayOf returns the day of t in UTC.
func DayOf(t time.Time) Day {
	sec := t.Unix()
	d := sec / 86400
	if sec%86400 < 0 {
		d--
	}
	return Day(d)
}

// Time returns the first instant of the day, in UTC.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String returns the day as YYYY-MM-DD.
func (d Day) String() string { return d.Time().Format(time.DateOnly) }
