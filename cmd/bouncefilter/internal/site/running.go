package site

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Running is the site in effect of a daemon. It is replaced as a whole or not at all. Its methods may be called from many goroutines.
type Running struct {
	now   func() time.Time
	apply func(*Site)

	current   atomic.Pointer[Site]
	replacing sync.Mutex // held while current is replaced
	former    []former   // sites that were in effect before, while their tags are valid
}

// NewRunning returns a Running with its first site, which is in effect already. apply is called with each later one when it takes
// effect, one at a time.
func NewRunning(first *Site, now func() time.Time, apply func(*Site)) *Running {
	r := &Running{now: now, apply: apply}
	r.current.Store(first)
	return r
}

// Current returns the site in effect.
func (r *Running) Current() *Site { return r.current.Load() }

// Reload replaces the site by the configuration that load returns, and the keys as they are now. With problems the former site stays
// in effect.
func (r *Running) Reload(load func() (*config.Config, tomlfile.Problems)) (*Site, tomlfile.Problems) {
	r.replacing.Lock()
	defer r.replacing.Unlock()
	c, problems := load()
	if c.Unread() {
		return nil, problems
	}
	current := r.Current()
	predecessor := *current
	predecessor.partial = false // an operator who reloads says that all keys are back that were lost with the index
	next, problems := loadNext(c, problems, &predecessor)
	if len(problems) > 0 {
		return nil, problems
	}
	if fixed := config.Fixed(current.Config, c); len(fixed) > 0 {
		return nil, tomlfile.Problems{{File: c.Path, Key: strings.Join(fixed, ", "), What: "cannot change while the daemon runs",
			Remedy: "restart it, or take the change back and reload again"}}
	}
	if problems := r.discontinued(next); len(problems) > 0 {
		return nil, problems
	}
	r.replace(next)
	return next, nil
}

// ReloadKeys replaces the site if the index of keys has changed, or if secrets could not be read before and now can. The configuration
// stays as it is. It returns nil if nothing has changed. Unlike [Running.Reload] it takes no key out of effect that the index does not
// call retired: an operator who copies keys may not have written all of the index yet.
func (r *Running) ReloadKeys() (*Site, tomlfile.Problems) {
	if s := r.Current(); s.index.same(versionOf(s.Config.Keys)) && len(s.Keys.Unreadable) == 0 {
		return nil, nil
	}
	r.replacing.Lock()
	defer r.replacing.Unlock()
	current := r.Current()
	next, problems := loadNext(current.Config, nil, current)
	if len(problems) == 0 {
		problems = append(r.discontinued(next), current.dropped(next.Keys)...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if next.index.same(current.index) && len(next.Keys.Unreadable) == len(current.Keys.Unreadable) {
		return nil, nil
	}
	r.replace(next)
	return next, nil
}

// AllowFor replaces the site by one whose policy refuses no bounces to tags of foreign keys, which are absent: find returns them for
// the site in effect. It changes nothing if the policy allows for these keys already.
func (r *Running) AllowFor(find func(*Site) []prvs.Key) error {
	r.replacing.Lock()
	defer r.replacing.Unlock()
	current := r.Current()
	foreign := find(current)
	slices.SortFunc(foreign, func(a, b prvs.Key) int { return strings.Compare(a.String(), b.String()) })
	if slices.EqualFunc(foreign, current.foreign, func(a, b prvs.Key) bool { return sameSlot(a)(b) }) {
		return nil
	}
	next := *current
	next.foreign = foreign
	if err := next.makePolicy(); err != nil {
		return err
	}
	r.current.Store(&next) // which makes and knows the same tags as the former one
	r.apply(&next)
	return nil
}

// replace puts a site into effect that knows the tags of the former ones.
func (r *Running) replace(next *Site) {
	today := prvs.DayOf(r.now())
	r.former = slices.DeleteFunc(r.former, func(f former) bool { return !f.alive(today) })
	if current := r.Current(); !current.makesTagsOf(next) {
		r.former = append(r.former, former{current, today})
	}
	r.current.Store(next)
	r.apply(next)
}

// discontinued reports tags of the site in effect, or of former ones, that next would refuse although they are valid.
func (r *Running) discontinued(next *Site) tomlfile.Problems {
	today := prvs.DayOf(r.now())
	if problems := r.Current().broken(next, today, today); len(problems) > 0 {
		return problems
	}
	for _, f := range r.former {
		if problems := f.site.broken(next, f.last, today); f.alive(today) && len(problems) > 0 {
			return problems
		}
	}
	return nil
}
