// Package status says what a store knows about the domains of a site: since when they sign, whether bounces to them are refused, and
// how far back the record is complete. A daemon answers with a [Status] on its control socket, check prints one.
package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/routes"
	"github.com/bouncefilter/bouncefilter/filter/sources"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// Status is what is known about a site's domains.
type Status struct {
	Domains []Domain `json:"domains"`
	// Since is the time since which the store's record is complete; the zero time if it is not.
	Since time.Time `json:"since"`
	// Gaps are the times of which records may be missing.
	Gaps []store.Gap `json:"gaps,omitempty"`
	// SinceReason says why Since is the zero time although there are records, and SinceRemedy what to do about it.
	SinceReason string `json:"since_reason,omitempty"`
	SinceRemedy string `json:"since_remedy,omitempty"`
	// Nodes are the daemons that use the store, or have used it lately.
	Nodes []store.Node `json:"nodes"`
	// Doubts is what was read of the store and not believed.
	Doubts store.Doubts `json:"doubts,omitzero"`
	// Revocations is how many tags, senders and keys are revoked.
	Revocations int `json:"revocations"`
	// Store is the URL of the daemon's store, without a password; "" if no daemon was asked.
	Store string `json:"store,omitempty"`
	// Connections is how many connections of MTAs the daemon has served; 0 if no daemon was asked.
	Connections uint64 `json:"connections"`
	// OtherRoutes are the ways, other than through bouncefilter, on which mail seems to leave whose bounces this host's daemon refuses
	// or would refuse; empty if no daemon was asked.
	OtherRoutes []routes.Route `json:"other_routes"`
	// Sources are who sends mail with the null sender that is no bounce, or that nothing proves; empty if no daemon was asked.
	Sources []sources.Source `json:"null_sender_sources"`
}

// Domain says whether bounces to a domain are refused, and if not yet, from when on.
type Domain struct {
	Name         string `json:"name"`
	Mode         string `json:"mode"`
	SigningSince string `json:"signing_since"` // YYYY-MM-DD, or "" if nothing was signed yet
	EnforcedFrom string `json:"enforced_from"` // YYYY-MM-DD, or "" unless the mode is auto and something was signed
	Enforced     bool   `json:"enforced"`
	// Incomplete says that mail of the domain may be missing on the record, so that bounces of such mail are accepted which it might have
	// proven, and bounces that name a message and do not tell when it was sent; IncompleteUntil is the last day of that, YYYY-MM-DD, or "" if that is not known.
	Incomplete      bool   `json:"incomplete"`
	IncompleteUntil string `json:"incomplete_until"`
}

// New asks the store. Without a store, nil, it returns what the configuration alone says. The history has what the store may have lost.
func New(ctx context.Context, p *policy.Policy, st view.Source, history view.History, now time.Time) (*Status, error) {
	s := &Status{Nodes: []store.Node{}, OtherRoutes: []routes.Route{}, Sources: []sources.Source{}}
	today := store.DayOf(now)
	if st != nil {
		days, err := st.FirstSigned(ctx)
		if err != nil {
			return nil, err
		}
		history = history.With(days)
		if err := s.ask(ctx, st, today); err != nil {
			return nil, err
		}
	}
	gaps := evidence.Gaps(store.Completeness{Gaps: s.Gaps})
	for name, d := range p.Domains() {
		since, signs := history.FirstSigned[name]
		ds := Domain{Name: name, Mode: d.Mode.String(), Enforced: p.Enforces(d, prvs.Day(since), signs, prvs.Day(today))}
		if signs {
			ds.SigningSince = since.String()
			if until, incomplete := p.IncompleteUntil(policy.RecordFacts{
				CompleteSince: s.Since, Gaps: gaps, Began: history.RecordBegan, SigningSince: prvs.Day(since), Signing: true,
			}, prvs.Day(today)); incomplete {
				ds.Incomplete = true
				if until != 0 {
					ds.IncompleteUntil = until.String()
				}
			}
			if d.Mode == policy.ModeAuto {
				ds.EnforcedFrom = p.EnforcesFrom(prvs.Day(since)).String()
			}
		}
		s.Domains = append(s.Domains, ds)
	}
	return s, nil
}

func (s *Status) ask(ctx context.Context, st view.Source, today store.Day) error {
	answer, err := st.Lookup(ctx, today, nil)
	if err != nil {
		return err
	}
	s.Since, s.Gaps, s.SinceReason, s.SinceRemedy = answer.Complete.Since, answer.Complete.Gaps, answer.Complete.Reason, answer.Complete.Remedy
	if s.Nodes, err = st.Nodes(ctx); err != nil {
		return err
	}
	slices.SortFunc(s.Nodes, func(a, b store.Node) int { return strings.Compare(a.Name, b.Name) })
	revoked, err := st.Broadcasts(ctx, view.RevocationTopic, today)
	s.Revocations = len(revoked)
	if d, ok := st.(store.Doubter); ok {
		s.Doubts = d.Doubts()
	}
	return err
}

// String returns one line for people, without the name.
func (d Domain) String() string {
	switch {
	case d.Mode != policy.ModeAuto.String():
		return d.Mode
	case d.SigningSince == "":
		return "auto, monitored; enforced one lifetime after its first signed message"
	case d.Enforced:
		return fmt.Sprintf("auto, enforced since %s (signing since %s)", d.EnforcedFrom, d.SigningSince)
	}
	return fmt.Sprintf("auto, monitored; enforced from %s (signing since %s)", d.EnforcedFrom, d.SigningSince)
}
