package store

import "context"

// Counters counts decisions by day, for reports and statistics. It is not for the mail path.
type Counters interface {
	// Count adds cs to the counters. A call that returns an error may have counted some of them, and its repetition counts them twice.
	Count(ctx context.Context, cs []Counter) error

	// Counters returns the counters of the days from to to, both included, in no order.
	Counters(ctx context.Context, from, to Day) ([]Counter, error)
}

// Counter is one count of one day.
type Counter struct {
	Day    Day
	Node   string // name of the daemon that counted
	Domain string // a domain of the site; "" where no domain applies
	Reason string // a reason's log word
	Count  int64
}

// CounterRetention is for how many days a store keeps counters. It keeps the first-signed day of a domain for as many days after
// the domain's last record.
const CounterRetention = 400
