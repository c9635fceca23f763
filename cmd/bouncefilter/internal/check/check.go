// Package check finds what is wrong with configuration, keys, store and nodes of a site and with its mail server, and says what is in
// effect. [Run] checks everything and changes nothing.
package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/live"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mailserver"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// storeTimeout bounds what is waited for the store.
const storeTimeout = 2 * time.Second

// Options is what a check needs.
type Options struct {
	Now       func() time.Time
	OpenStore control.Opener

	Server *mailserver.Server // nil for none
	// Live asks the running servers. It is nil unless that is wanted.
	Live func(context.Context, *site.Site) ([]live.Step, error)
}

// Report is what a check has found, and is encoded as JSON.
type Report struct {
	Configuration string         `json:"configuration"` // path; "" if there is none
	Problems      []Problem      `json:"problems"`
	Status        *status.Status `json:"status"` // null if there are problems
	MTA           *MTA           `json:"mta"`    // null if there is none
	Findings      []mta.Finding  `json:"findings"`
	Live          []live.Step    `json:"live"` // null unless asked for

	problems tomlfile.Problems
	site     *site.Site
	note     string // about the store
	server   *mailserver.Server
	ofMTA    []mta.Finding // of the findings, those about the mail server
}

// Problem is a problem of the configuration, of keys or of the store.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"` // 0 if it has no place in the file
	Key    string `json:"key"`
	Value  string `json:"value"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// MTA says whose configuration the findings are about.
type MTA struct {
	Name          string `json:"name"`
	Configuration string `json:"configuration"`
}

// OK says whether there are no problems and no errors.
func (r *Report) OK() bool {
	return len(r.problems) == 0 && !mta.Errors(r.Findings) && !live.Failed(r.Live)
}

// Run checks a configuration that was loaded with problems. It compares the mail server only with a configuration that has none.
func Run(ctx context.Context, c *config.Config, problems tomlfile.Problems, o Options) (*Report, error) {
	r := &Report{Configuration: c.Path, Problems: []Problem{}, Findings: []mta.Finding{}, server: o.Server}
	if c.Unread() {
		r.add(problems)
		return r, nil
	}
	problems = append(problems, c.NeedDomain()...)
	usable := len(problems) == 0
	r.site, problems = site.Preview(c, problems)
	k := &checker{o, r.site}
	var found tomlfile.Problems
	r.Status, r.note, found = k.store(ctx)
	r.add(append(problems, found...))
	var err error
	if r.Status != nil {
		if o.Live != nil {
			if r.Live, err = o.Live(ctx, r.site); err != nil {
				return nil, err
			}
		}
		r.Findings = append(r.Findings, accessFindings(c, o.Now())...)
		r.Findings = append(r.Findings, recordFindings(r.Status, r.site.Config.Embedded())...)
		r.Findings = append(r.Findings, doubtFindings(r.Status.Doubts)...)
		r.Findings = append(r.Findings, compareNodes(r.site, r.Status.Nodes, o.Now())...)
		r.Findings = append(r.Findings, routeFindings(r.Status.OtherRoutes, c.Settings.Exempt.Recipients)...)
		r.Findings = append(r.Findings, sourceFindings(r.Status.Sources)...)
	}
	if o.Server == nil {
		return r, nil
	}
	r.MTA = &MTA{o.Server.Name, o.Server.Configuration}
	if usable {
		if r.ofMTA, err = o.Server.Find(ctx, mailserver.SiteOf(c)); err != nil {
			return nil, fmt.Errorf("read the configuration of %s: %w", o.Server.Title, err)
		}
		r.Findings = append(r.Findings, r.ofMTA...)
	}
	return r, nil
}

// Problems returns the problems of a configuration that was loaded with problems, and all others that would keep a daemon from starting.
func Problems(ctx context.Context, c *config.Config, problems tomlfile.Problems, o Options) tomlfile.Problems {
	if c.Unread() {
		return problems
	}
	s, problems := site.Preview(c, problems)
	k := &checker{o, s}
	_, _, found := k.store(ctx)
	return append(problems, found...)
}

func (r *Report) add(problems tomlfile.Problems) {
	r.problems = problems.Sorted()
	for _, p := range r.problems {
		r.Problems = append(r.Problems, Problem(p))
	}
	if len(problems) > 0 {
		r.Status = nil
	}
}

// checker asks the store about a site.
type checker struct {
	o    Options
	site *site.Site
}

// inUse is the note about an embedded store that a daemon has open.
const inUse = "in use by a running daemon"

// store asks the store, or the daemon that has it open. The status is nil if there is no policy, or a problem. The note says what an
// operator should know about a store that could not be asked.
func (k *checker) store(ctx context.Context) (st *status.Status, note string, problems tomlfile.Problems) {
	c := k.site.Config
	if path, isFile := strings.CutPrefix(c.Store, "bolt:"); isFile && path != "" && !site.Exists(path) {
		return k.status(ctx, nil, "not there yet; serve makes it") // opening it would make it, perhaps for the wrong user
	}
	daemon := control.NewClient(c.ControlSocket())
	if c.Embedded() { // which takes a second to find out by opening a file
		if st, err := daemon.Status(ctx); err == nil && st.Store == open.Redacted(c.Store) && k.site.Policy != nil {
			return st, inUse, nil
		}
	}
	hasher, unreadable := site.Hasher(c)
	blind := len(unreadable) > 0 && !c.Embedded()
	if blind {
		hasher = store.NewHasher(nil)
	}
	opened, err := k.o.OpenStore(ctx, c.Store, open.LeaveDamaged(), open.Clock(k.o.Now), open.Hasher(hasher))
	switch {
	case errors.Is(err, bolt.ErrInUse):
		_, err := daemon.Status(ctx)
		if err == nil {
			err = errors.New("the daemon of this state_dir has another store")
		}
		return k.status(ctx, nil, fmt.Sprintf("%s, but %v", inUse, err))
	case err != nil:
		return nil, "", c.StoreProblem(err)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := opened.Ping(ctx); err != nil {
		problems = c.StoreProblem(err)
	} else if blind {
		st, note, problems = k.status(ctx, nil, "it answers, and nothing else is known, because the hash secret cannot be read")
	} else if st, note, problems = k.status(ctx, opened, ""); st != nil {
		if of, err := daemon.Status(ctx); err == nil { // the daemon alone has seen the mail that shows other routes and sources
			st.OtherRoutes, st.Sources = of.OtherRoutes, of.Sources
		}
	}
	if err := opened.Close(); err != nil {
		problems = append(problems, c.StoreProblem(err)...)
	}
	return st, note, problems
}

// status asks a store, nil for none.
func (k *checker) status(ctx context.Context, st view.Source, note string) (*status.Status, string, tomlfile.Problems) {
	if k.site.Policy == nil {
		return nil, note, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	history, err := view.LoadHistory(k.site.Config.HistoryFile())
	if err != nil {
		history = view.History{} // the user who checks may not be allowed to read it
	}
	answer, err := status.New(ctx, k.site.Policy, st, history, k.o.Now())
	if err != nil {
		return nil, note, k.site.Config.StoreProblem(err)
	}
	return answer, note, nil
}
