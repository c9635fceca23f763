package control

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// Record is the record of sent mail of a site with all that is known of it, so that commands judge bounces as the daemon does: by what
// the daemon knows or, if no daemon runs on this host, by what the store says.
type Record struct {
	store  Store
	hasher *store.Hasher
	site   *site.Site
	now    func() time.Time
}

// OpenRecord opens the record of a site: an empty one if no daemon has made the store yet, or if it was in the memory of a daemon that
// does not run. It makes neither store nor secret. The caller closes it.
func OpenRecord(ctx context.Context, s *site.Site, openStore Opener, now func() time.Time) (*Record, error) {
	hasher, problems := site.Hasher(s.Config)
	if len(problems) > 0 {
		return nil, problems
	}
	st, err := Open(ctx, s.Config, openStore, now)
	if errors.Is(err, ErrNothingRecorded) || err != nil && s.Config.InMemory() && !errors.Is(err, fs.ErrPermission) {
		st, err = memory.New(), nil
	}
	if err != nil {
		return nil, err
	}
	return &Record{st, hasher, s, now}, nil
}

// Close closes the record.
func (r *Record) Close() error { return r.store.Close() }

// Explain returns the verdict that the daemon would reach about a message that comes at a time, and how. It changes nothing. The error
// says that the daemon, or the store, does not answer; the verdict is then that of a daemon whose store does not answer.
func (r *Record) Explain(ctx context.Context, d judge.Delivery, at time.Time) (*judge.Explanation, error) {
	known, err := r.known(ctx)
	p := r.site.Policy
	if err == nil && len(known.Foreign) > 0 {
		var s *site.Site
		if s, err = r.site.WithForeign(known.keys()); err == nil {
			p = s.Policy
		}
	}
	return judge.Explain(judge.Message{Policy: p, Hasher: r.hasher, Record: &judged{ctx, r, &known.View, known.View.Revocations(r.hasher), err}, Now: at}, d), err
}

// CoversTags says whether the daemon, where many wrong tags came, answers the wrong tag of a recipient like a right one.
func (r *Record) CoversTags(recipient string, at time.Time) bool {
	return judge.Covers(&judge.Message{Policy: r.site.Policy, Hasher: r.hasher, Now: at}, recipient)
}

// Role returns the role of the listener to which mail from outside comes: one that verifies, if there is one.
func (r *Record) Role() policy.Role {
	for _, l := range r.site.Config.Listeners {
		if l.Role.Verifies() {
			return l.Role
		}
	}
	return policy.RoleSign
}

// HasSigned says whether a message of a domain, given in lower case, was ever signed.
func (r *Record) HasSigned(ctx context.Context, domain string) (bool, error) {
	known, err := r.known(ctx)
	_, signed := known.View.History.FirstSigned[domain]
	return signed, err
}

// known asks the daemon or, if no daemon runs, the store.
func (r *Record) known(ctx context.Context) (Known, error) {
	if daemon, ok := r.store.(*Client); ok {
		return daemon.Known(ctx)
	}
	history, err := view.LoadHistory(r.site.Config.HistoryFile())
	if err != nil {
		history = view.History{} // as for a daemon that starts
	}
	v, err := view.Look(ctx, r.store, r.hasher, r.site.Config.Node, history, r.now())
	return Known{View: v}, err
}

// judged is the record as it is known for one message: a [judge.Record].
type judged struct {
	ctx     context.Context // of the command
	record  *Record
	view    *view.Snapshot
	revoked *policy.Revocations
	err     error // why the view is not known
}

// Lookup implements [judge.Record].
func (j *judged) Lookup(_ context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if j.err != nil {
		return store.Answer{}, j.err
	}
	a, err := j.record.store.Lookup(j.ctx, today, qs)
	return j.view.Relied(a), err
}

// Facts implements [judge.Record].
func (j *judged) Facts(domain string) policy.RecordFacts { return j.view.Facts(domain, j.revoked) }

// Barrier implements [judge.Record]. Without a daemon no node is waited for.
func (j *judged) Barrier() (passed, waited bool) {
	daemon, ok := j.record.store.(*Client)
	if !ok {
		return true, false
	}
	passed, waited, err := daemon.Barrier(j.ctx)
	if err != nil {
		return false, true
	}
	return passed, waited
}
