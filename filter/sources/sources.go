// Package sources names who sends mail that has the null sender and is delivered although nothing proves it: mail that is no bounce, and
// automatic replies that name no message. [Table.Observe] counts it, [Table.List] names its sources. It refuses and accepts nothing.
package sources

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/internal/bounded"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

const (
	// maxSources is how many sources are held, which cost less than a megabyte.
	maxSources = 1024
	// maxListed is how many are listed, those with the most mail: more say nothing new.
	maxListed = 100
	// retention is how long a source is held after it was seen last: monthly reports count.
	retention = 40 * 24 * time.Hour
	// maxReports is how many sources are reported in a day, each of them once: an attacker who makes up domains must not fill the log.
	maxReports = 20
)

// Source is who sends such mail, and how much of it came.
type Source struct {
	// Sort is what the mail is: "no-bounce", the reason, or "allowance", the cause for which it is delivered.
	Sort string `json:"sort"`
	// Domain is the registrable domain of the address in From, which a sender can make up; "" if there is none.
	Domain string `json:"domain"`
	// Client is the network of the client that handed the mail over; "" if it has no address.
	Client  string    `json:"client"`
	Count   uint64    `json:"count"`   // messages
	Refused uint64    `json:"refused"` // of them that were not delivered
	Since   time.Time `json:"since"`   // when the first came
	Last    time.Time `json:"last"`    // and the last
}

// Name is how people are told of the source.
func (s *Source) Name() string { return cmp.Or(s.Domain, s.Client, "unknown") }

// What says what the source does, as a sentence without its stop.
func (s *Source) What() string {
	if s.Sort == policy.Allowance.String() {
		return "this source sends what may be automatic replies or bounces, and nothing proves them"
	}
	return "this source sends mail with the null sender that is no bounce"
}

// Remedy says what an operator can do, who need not.
func (s *Source) Remedy() string {
	const exempt = "nothing needs to be done; to have all its mail delivered, list the client in exempt.networks; "
	if s.Sort == policy.Allowance.String() {
		return exempt + "proof.unproven_per_day, unproven_bounces_per_day and unclear_per_day say how much of it a recipient gets in a day"
	}
	return exempt + "to have such mail refused, set actions.no-bounce"
}

// key is a source in the table.
type key struct {
	sort   string
	domain string
	client netip.Prefix
}

// use is what else is known of a source.
type use struct {
	refused  uint64
	reported prvs.Day // when it was reported last; 0 for never
}

// Table holds sources, in memory. It is safe for use by many goroutines.
type Table struct {
	mu      sync.Mutex
	known   *bounded.Table[key, use]
	day     prvs.Day // of reports
	reports int      // on that day
}

// New makes an empty table.
func New() *Table { return &Table{known: bounded.New[key, use](maxSources, retention)} }

// Observe counts a message that was judged, if it is of these sorts and comes from outside. report says that its source is to be
// reported.
func (t *Table) Observe(c *judge.Case) (s Source, report bool) {
	if c.Report == nil || c.Own {
		return Source{}, false
	}
	sort, refused := sortOf(c)
	if sort == "" {
		return Source{}, false
	}
	k := key{sort, domainOf(c.Report.From), bounded.Network(c.Client)}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.known.See(k, c.Now)
	if refused {
		e.Value.refused++
	}
	if today := prvs.DayOf(c.Now); today != t.day {
		t.day, t.reports = today, 0
	}
	if e.Value.reported != t.day && t.reports < maxReports {
		e.Value.reported, report = t.day, true
		t.reports++
	}
	return source(e), report
}

// sortOf returns the sort of a message, or "" if it is none of ours. refused says that no recipient of it gets it.
func sortOf(c *judge.Case) (sort string, refused bool) {
	refused = true
	for i := range c.Recipients {
		v := &c.Recipients[i].Verdict
		switch {
		case v.Reason == policy.NoBounce || v.Would == policy.NoBounce:
			sort = policy.NoBounce.String()
		case (v.Cause == policy.Allowance || v.Spent) && sort == "":
			sort = policy.Allowance.String()
		}
		refused = refused && !v.Delivers()
	}
	return sort, refused
}

// domainOf returns the registrable domain of an address, or "" if that is no name of a host.
func domainOf(address string) string {
	domain := evidence.CorrespondentOf(address)
	const maxName = 253 // octets (RFC 1035 section 2.3.4)
	if len(domain) > maxName || strings.Trim(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return ""
	}
	return strings.Clone(domain) // what is cut out of the report would hold all of it in memory
}

func source(e *bounded.Entry[key, use]) Source {
	client := ""
	if e.Key.client.IsValid() {
		client = e.Key.client.String()
	}
	return Source{e.Key.sort, e.Key.domain, client, e.Count, e.Value.refused, e.Since, e.Seen}
}

// List returns the sources with the most mail, the largest first.
func (t *Table) List(now time.Time) []Source {
	all := []Source{}
	t.mu.Lock()
	for e := range t.known.Latest(now) {
		all = append(all, source(e))
	}
	t.mu.Unlock()
	slices.SortStableFunc(all, func(a, b Source) int { return cmp.Compare(b.Count, a.Count) })
	return all[:min(len(all), maxListed)]
}
