package filter

import (
	"container/list"
	"fmt"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// maxRoutes is how many routes are remembered; the one that was not seen for longest goes first. Most are forgeries that are
	// seen once. Somebody who makes up more pushes out what was counted, which comes again, and costs a few megabytes.
	maxRoutes = 2048
	// maxRoutesTold is how many are told of, the latest ones: more say nothing new.
	maxRoutesTold = 100
	// routeMemory is how long a route is remembered after it was seen last: monthly newsletters count.
	routeMemory = 40 * 24 * time.Hour
)

// OtherRoute is a way, other than through this filter, on which mail of a sender seems to leave.
type OtherRoute struct {
	Sender  string    `json:"sender"`  // the address that bounces of such mail come to
	Source  string    `json:"source"`  // the network or host that sends it
	Bounces uint64    `json:"bounces"` // that were or would be refused
	Since   time.Time `json:"since"`   // when the first of what they return was sent
	Last    time.Time `json:"last"`    // and the last
	// Original is the Message-ID of one of them.
	Original string `json:"original"`
}

// routes remembers on which ways mail seems to leave, in memory.
type routes struct {
	mu    sync.Mutex
	known map[route]*list.Element
	order *list.List // of *seenRoute, the one that was seen last in front
}

// seenRoute is a route with what was seen of it.
type seenRoute struct {
	route    route
	tally    tally
	original string
	seen     time.Time // when the last bounce came
	told     store.Day // when the log told of it
}

func newRoutes() *routes { return &routes{known: map[route]*list.Element{}, order: list.New()} }

// add counts a sighting. reached says that the route is worth telling of, tell that the log has not told of it today.
func (t *routes) add(s sighting, now time.Time) (r OtherRoute, reached, tell bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.known[s.route]
	if e == nil {
		if t.order.Len() >= maxRoutes {
			oldest := t.order.Back()
			delete(t.known, oldest.Value.(*seenRoute).route)
			t.order.Remove(oldest)
		}
		e = t.order.PushFront(&seenRoute{route: s.route, told: -1})
		t.known[s.route] = e
	}
	t.order.MoveToFront(e)
	k := e.Value.(*seenRoute)
	if k.forgotten(now) {
		k.tally = tally{}
	}
	k.tally, k.original, k.seen = k.tally.with(s), s.original, now
	reached = k.tally.reached()
	if today := store.DayOf(now); reached && k.told != today {
		k.told, tell = today, true
	}
	return k.other(), reached, tell
}

func (k *seenRoute) forgotten(now time.Time) bool { return now.Sub(k.seen) > routeMemory }

func (k *seenRoute) other() OtherRoute {
	return OtherRoute{k.route.sender, k.route.source, k.tally.count, k.tally.first, k.tally.last, k.original}
}

// list returns the routes that are worth telling of, the latest first.
func (t *routes) list(now time.Time) []OtherRoute {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []OtherRoute
	for e := t.order.Front(); e != nil; e = e.Next() {
		if k := e.Value.(*seenRoute); k.tally.reached() && !k.forgotten(now) {
			all = append(all, k.other())
		}
	}
	return all
}

// OtherRoutes returns the ways, other than through this filter, on which mail seems to leave whose bounces are refused, or
// would be: the latest first. Those of senders that have been exempted since are left out.
func (s *Server) OtherRoutes() []OtherRoute {
	p := s.state.Load().policy
	found := []OtherRoute{}
	for _, r := range s.routes.list(s.now()) {
		a, err := prvs.ParseAddress(r.Sender)
		if err == nil && p.signs(a) && !p.exempt.recipients.has(a, p.ours(a)) && len(found) < maxRoutesTold {
			found = append(found, r)
		}
	}
	return found
}

// noteRoute counts a bounce that was judged by its content and the record, if it looks like one of mail that left another way.
// A genuine bounce has one recipient (RFC 5321 section 4.5.5).
func (s *session) noteRoute() {
	msg := &s.msg
	if msg.report == nil || len(msg.recipients) != 1 {
		return
	}
	rcpt := &msg.recipients[0]
	v := &rcpt.verdict
	if v.Reason != Untagged && v.Would != Untagged {
		return // nearly all bounces, which must not pay for this
	}
	facts := s.facts(rcpt.address, rcpt.finding, msg.memory)
	seen, ok := msg.state.policy.sighting(v, facts, msg.report, msg.now)
	if !ok {
		return
	}
	r, reached, tell := s.server.routes.add(seen, msg.now)
	if reached {
		s.server.stats.otherRoute.Add(1)
	}
	if tell {
		s.server.log.Warn("this sender seems to send through another route",
			"sender", "<"+cut(r.Sender)+">", "source", r.Source, "count", r.Bounces, "since", r.Since.UTC().Format(time.RFC3339),
			"original", "<"+r.Original+">", "remedy", remedyFor(r.Sender))
	}
}

// remedyFor says what can be done for a sender whose mail leaves another way.
func remedyFor(sender string) string {
	return fmt.Sprintf("list %q in exempt.recipients to suspend enforcement for that sender, "+
		"or send its mail through bouncefilter", sender)
}
