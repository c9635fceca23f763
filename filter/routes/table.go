// Package routes finds mail of ours that leaves through another route than this filter: a newsletter service, a web application with a
// server of its own. Its genuine bounces come untagged and cannot be proven. [Table.Observe] counts untagged bounces that look like that;
// [Table.List] names the routes that enough of them point to. It refuses and accepts nothing.
package routes

import (
	"fmt"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/internal/bounded"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

const (
	// maxRoutes is how many routes are held, which cost a few megabytes. Most are forgeries that are seen once.
	maxRoutes = 2048
	// maxReported is how many are reported, the latest ones: more say nothing new.
	maxReported = 100
	// routeRetention is how long a route is held after it was seen last: monthly newsletters count.
	routeRetention = 40 * 24 * time.Hour
)

// Route is a way, other than through this filter, on which mail of a sender seems to leave.
type Route struct {
	Sender  string    `json:"sender"`  // the address that bounces of such mail come to
	Source  string    `json:"source"`  // the network or host that sends it
	Bounces uint64    `json:"bounces"` // that were or would be refused
	Since   time.Time `json:"since"`   // when the first of what they return was sent
	Last    time.Time `json:"last"`    // and the last
	// Original is the Message-ID of one of them.
	Original string `json:"original"`
}

// Table holds the routes through which mail seems to leave, in memory. It is safe for use by many goroutines.
type Table struct {
	mu    sync.Mutex
	known *bounded.Table[route, seenRoute]
}

// seenRoute is what was seen of a route.
type seenRoute struct {
	tally    tally
	original string
	reported prvs.Day // when it was reported last; 0 for never
}

// New makes an empty table.
func New() *Table { return &Table{known: bounded.New[route, seenRoute](maxRoutes, routeRetention)} }

// add counts a sighting. reached says that there is enough to report the route, report that it was not reported today.
func (t *Table) add(s sighting, now time.Time) (r Route, reached, report bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.known.See(s.route, now)
	k := &e.Value
	k.tally, k.original = k.tally.with(s), s.original
	reached = k.tally.reached()
	if today := prvs.DayOf(now); reached && k.reported != today {
		k.reported, report = today, true
	}
	return other(e), reached, report
}

func other(e *bounded.Entry[route, seenRoute]) Route {
	k := &e.Value
	return Route{e.Key.sender, e.Key.source, k.tally.count, k.tally.first, k.tally.last, k.original}
}

// List returns the routes of which there is enough to report, the latest first, without those of senders that have been exempted since
// or are not signed any more.
func (t *Table) List(p *policy.Policy, now time.Time) []Route {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := []Route{}
	for e := range t.known.Latest(now) {
		if !e.Value.tally.reached() {
			continue
		}
		if a, err := prvs.ParseAddress(e.Key.sender); err == nil && p.Signs(a) && !p.ExemptRecipient(a) {
			all = append(all, other(e))
		}
		if len(all) == maxReported {
			break
		}
	}
	return all
}

// Len returns how many routes are in the table, reported or not.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known.Len()
}

// Sighting is a bounce that looks like one of mail that left through another route, and what is known of that route with it.
type Sighting struct {
	Route
	Sent    time.Time // when the mail was, as far as the bounce says
	Reached bool      // there is enough to report the route
	Report  bool      // and it was not reported today
}

// Observe counts a bounce that was judged by its content and the record. ok says whether it looks like one of mail that left through another
// route. A genuine bounce has one recipient (RFC 5321 section 4.5.5).
func (t *Table) Observe(c *judge.Case) (seen Sighting, ok bool) {
	if c.Report == nil || len(c.Recipients) != 1 {
		return Sighting{}, false
	}
	rcpt := &c.Recipients[0]
	if !missed(&rcpt.Verdict) {
		return Sighting{}, false // nearly all bounces, which must not pay for this
	}
	s, ok := see(c.Policy, &rcpt.Verdict, c.Facts(rcpt), c.Report, c.Now)
	if !ok {
		return Sighting{}, false
	}
	seen.Sent = s.sent
	seen.Route, seen.Reached, seen.Report = t.add(s, c.Now)
	return seen, true
}

// Remedy says what can be done for a sender whose mail leaves through another route.
func Remedy(sender string) string {
	return fmt.Sprintf("list %q in exempt.recipients to suspend enforcement for that sender, "+
		"or send its mail through bouncefilter", sender)
}
