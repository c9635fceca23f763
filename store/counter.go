package store

import (
	"context"
	"time"
)

// Counters counts what happened, by hour and by day, for reports. It is not for the mail path.
type Counters interface {
	// Count adds each of cs to two counters: that of its hour, and that of the day of this hour. A call that returns an error may have
	// counted some of them, and its repetition counts them twice.
	Count(ctx context.Context, cs []Counter) error

	// Counters returns the counters of hours or of days, in no order: those that begin in the hours from to to, both included.
	Counters(ctx context.Context, by Resolution, from, to Hour) ([]Counter, error)
}

// Counter is one count of one hour, or of one day.
type Counter struct {
	Hour  Hour   // the hour, or the first one of the day
	Node  string // name of the daemon that counted
	Topic string // what sort of thing was counted, a word without "|"
	Name  string // what was counted; backends do not look into it
	Count int64
}

// Resolution is what the counters of a call are of.
type Resolution uint8

// The resolutions.
const (
	ByHour Resolution = iota
	ByDay
)

const (
	// CounterRetention is for how many days a store keeps the counters of days. It keeps the first-signed day of a domain for as many
	// days after the domain's last record.
	CounterRetention = 400
	// HourRetention is for how many hours a store keeps the counters of hours.
	HourRetention = 48
)

// Hour is an hour number: whole hours since 1970-01-01 UTC.
type Hour int32

// HourOf returns the hour of t.
func HourOf(t time.Time) Hour {
	sec := t.Unix()
	h := sec / 3600
	if sec%3600 < 0 {
		h--
	}
	return Hour(h)
}

// Day returns the day of the hour, in UTC.
func (h Hour) Day() Day { return DayOf(h.Time()) }

// Time returns the first instant of the hour, in UTC.
func (h Hour) Time() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// String returns the hour as YYYY-MM-DDTHH.
func (h Hour) String() string { return h.Time().Format("2006-01-02T15") }

// FirstHour returns the first hour of the day.
func (d Day) FirstHour() Hour { return Hour(int64(d) * 24) }
