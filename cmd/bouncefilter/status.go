package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/store"
)

// status is what a store says about the domains. A daemon serves it on /status, because nobody else can open an embedded
// store while it runs; check prints it.
type status struct {
	Domains []domainStatus `json:"domains"`
	// Since is when the store's record began; the zero time if it has none.
	Since time.Time `json:"since"`
	// SinceReason says why Since is the zero time although there are records.
	SinceReason string `json:"since_reason,omitempty"`
	// Nodes are the daemons that use the store, or have used it lately.
	Nodes []store.Node `json:"nodes"`
	// Revocations is how many tags, senders and keys are revoked.
	Revocations int `json:"revocations"`
	// Connections is how many connections of MTAs the daemon has served; 0 if it was not asked.
	Connections uint64 `json:"connections"`
	// OtherRoutes are the ways, other than through bouncefilter, on which mail seems to leave whose bounces this host's daemon
	// refuses or would refuse; empty if it was not asked.
	OtherRoutes []filter.OtherRoute `json:"other_routes"`
}

// domainStatus says whether bounces to a domain are refused, and if not yet, from when on.
type domainStatus struct {
	Name         string `json:"name"`
	Mode         string `json:"mode"`
	SigningSince string `json:"signing_since"` // YYYY-MM-DD, or "" if nothing was signed yet
	EnforcedFrom string `json:"enforced_from"` // YYYY-MM-DD, or "" unless the mode is auto and something was signed
	Enforced     bool   `json:"enforced"`
	// Incomplete says that mail of the domain may be missing on the record, so that bounces are accepted which it might have proven;
	// IncompleteUntil is the last day of that, YYYY-MM-DD, or "" if nobody can tell.
	Incomplete      bool   `json:"incomplete"`
	IncompleteUntil string `json:"incomplete_until"`
}

// newStatus asks the store. Without a store, nil, it says what the configuration alone says. past is what it may have
// forgotten.
func newStatus(ctx context.Context, p *filter.Policy, st store.Store, past filter.Past, now time.Time) (*status, error) {
	s := &status{Nodes: []store.Node{}, OtherRoutes: []filter.OtherRoute{}}
	var signing map[string]store.Day
	today := store.DayOf(now)
	if st != nil {
		var err error
		if signing, err = st.FirstSigned(ctx); err != nil {
			return nil, err
		}
		answer, err := st.Lookup(ctx, today, nil)
		if err != nil {
			return nil, err
		}
		s.Since, s.SinceReason = answer.Complete.Since, answer.Complete.Reason
		if s.Nodes, err = st.Nodes(ctx); err != nil {
			return nil, err
		}
		revoked, err := st.Broadcasts(ctx, filter.RevocationTopic, today)
		if err != nil {
			return nil, err
		}
		s.Revocations = len(revoked)
		slices.SortFunc(s.Nodes, func(a, b store.Node) int { return strings.Compare(a.Name, b.Name) })
	}
	for _, d := range p.Settings().Domains {
		since, signs := signing[strings.ToLower(d.Name)]
		if day, ok := past.FirstSigned[strings.ToLower(d.Name)]; ok && (!signs || day < since) {
			since, signs = day, true
		}
		ds := domainStatus{Name: d.Name, Mode: d.Mode.String(), Enforced: p.Enforces(&d, since, signs, today)}
		if signs {
			ds.SigningSince = since.String()
			if until, incomplete := p.IncompleteUntil(store.Completeness{Since: s.Since}, past.RecordBegan, since, today); incomplete {
				ds.Incomplete = true
				if until != 0 {
					ds.IncompleteUntil = until.String()
				}
			}
			if d.Mode == filter.ModeAuto {
				ds.EnforcedFrom = p.EnforcesFrom(since).String()
			}
		}
		s.Domains = append(s.Domains, ds)
	}
	return s, nil
}

// String returns one line for people, without the name.
func (d domainStatus) String() string {
	switch {
	case d.Mode != filter.ModeAuto.String():
		return d.Mode
	case d.SigningSince == "":
		return "auto, monitored; enforced one lifetime after its first signed message"
	case d.Enforced:
		return fmt.Sprintf("auto, enforced since %s (signing since %s)", d.EnforcedFrom, d.SigningSince)
	}
	return fmt.Sprintf("auto, monitored; enforced from %s (signing since %s)", d.EnforcedFrom, d.SigningSince)
}

// statusTimeout bounds what status waits for.
const statusTimeout = 2 * time.Second

// maxStatus bounds what is read of an answer, in octets: ten thousand domains.
const maxStatus = 1 << 20

// serveStatus serves /status.
func (d *milterDaemon) serveStatus(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
	defer cancel()
	s, err := newStatus(ctx, d.current.Load().policy, d.guard.Store(), d.server.Past(), d.app.now())
	if err != nil {
		say(w, http.StatusServiceUnavailable, "the store does not answer: "+err.Error())
		return
	}
	s.Connections = d.server.Connections()
	s.OtherRoutes = d.server.OtherRoutes()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s) // who asked may be gone
}

// askStatus asks the daemon that serves metrics and health on address.
func askStatus(ctx context.Context, address string) (*status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or of no use
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("http://%s/status: %s", address, resp.Status)
	}
	s := &status{}
	return s, json.NewDecoder(io.LimitReader(resp.Body, maxStatus)).Decode(s)
}
