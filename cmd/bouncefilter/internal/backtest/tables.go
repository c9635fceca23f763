package backtest

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/evidence"
)

// maxNamed is how many of the largest are named.
const maxNamed = 20

// result adds up.
func (j *judging) result(interrupted bool) *Result {
	s := j.s
	r := &Result{
		Since: j.o.Since, Until: j.o.Now, Domains: j.domains, Proposed: j.proposed, Mailboxes: len(j.record.saved),
		Hosts: slices.Sorted(maps.Keys(j.sites)), Interrupted: interrupted, NotJudged: j.notJudged,
		Classes: map[Class]int{}, Sure: map[Class]int{}, Whys: map[Why]int{}, Messages: j.messages,
	}
	if !s.logSince.IsZero() {
		r.LogSince = &s.logSince
	}
	if r.Messages == nil {
		r.Messages = []Message{}
	}
	accepted, refused, targets, reporters, clients, to := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	days := map[string]map[Class]int{}
	for i := range r.Messages {
		m := &r.Messages[i]
		r.Classes[m.Class]++
		r.Whys[m.Why]++
		if m.Sure {
			r.Sure[m.Class]++
		}
		day := m.Time.UTC().Format(time.DateOnly)
		if days[day] == nil {
			days[day] = map[Class]int{}
		}
		days[day][m.Class]++
		if m.Client != "" {
			clients[m.Client]++
			to[m.Recipient]++
		}
		switch {
		case m.Why == WhyOwn:
			accepted[string(WhyOwn)]++
		case m.Class == Genuine || m.Class == Reply:
			accepted[m.Reason]++
		case m.Class == Backscatter:
			refused[m.Reason]++
			targets[m.Recipient]++
			reporters[m.site]++
		}
	}
	r.AcceptedBy, r.RefusedBy = largest(accepted, maxNamed), largest(refused, maxNamed)
	r.Targets, r.Reporters, r.Null = largest(targets, maxNamed), largest(reporters, maxNamed), largest(j.null, maxNamed)
	r.Clients, r.LogTo = largest(clients, maxNamed), largest(to, maxNamed)
	for _, day := range slices.Sorted(maps.Keys(days)) {
		r.Days = append(r.Days, Day{day, days[day]})
	}
	r.Read, r.Unread = s.counts, s.unread
	r.Read.Candidates = len(s.candidates)
	return r
}

// site returns the registrable domain of a host; "" if it has no name.
func site(host string) string {
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") {
		return ""
	}
	return evidence.Correspondent(host)
}

// largest returns the names with the largest counts.
func largest(counts map[string]int, most int) []Named {
	list := make([]Named, 0, len(counts))
	for name, n := range counts {
		list = append(list, Named{name, n})
	}
	slices.SortFunc(list, func(a, b Named) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name)) })
	return list[:min(len(list), most)]
}
