package main

import (
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// reload puts a new configuration and new keys into effect as a whole, or keeps the old ones. Messages under way keep
// the policy they began with.
func (d *milterDaemon) reload() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	next, problems := d.loadNext()
	d.metrics.reloaded(len(problems) == 0, d.app.now())
	if len(problems) > 0 {
		for _, p := range problems {
			d.log.Error("configuration not loaded, the old one stays in effect", "problem", p.String())
		}
		return
	}
	d.replace(next)
	d.level.Set(next.config.LogLevel)
	d.log.Info("configuration loaded", "domains", len(next.config.Settings.Domains), "keys", len(next.keys.Keys))
}

// replace puts a site into effect that continues the former ones.
func (d *milterDaemon) replace(next *site) {
	today := prvs.DayOf(d.app.now())
	d.former = slices.DeleteFunc(append(d.former, formerSite{d.current.Load(), today}), func(f formerSite) bool { return !f.alive(today) })
	d.current.Store(next)
	d.metrics.keysUnreadable.Set(float64(len(next.keys.Unreadable)))
	d.server.Reload(next.policy)
}

func (d *milterDaemon) loadNext() (*site, tomlfile.Problems) {
	c, problems := d.load()
	if unread(c, problems) {
		return nil, problems
	}
	current := d.current.Load()
	former := *current
	former.partial = false // whoever reloads says that all keys are back that were lost with the index
	next, problems := loadUsableSite(c, problems, &former)
	if len(problems) > 0 {
		return nil, problems
	}
	if fixed := config.Fixed(current.config, c); len(fixed) > 0 {
		return nil, tomlfile.Problems{{File: c.Path, Key: strings.Join(fixed, ", "), What: "cannot change while the daemon runs",
			Remedy: "restart it, or take the change back and reload again"}}
	}
	if problems := d.discontinued(current, next); len(problems) > 0 {
		return nil, problems
	}
	return next, nil
}

// discontinued reports tags of current or of what was in effect before that next would refuse although they live.
func (d *milterDaemon) discontinued(current, next *site) tomlfile.Problems {
	today := prvs.DayOf(d.app.now())
	if problems := current.broken(next, today, today); len(problems) > 0 {
		return problems
	}
	for _, f := range d.former {
		if problems := f.site.broken(next, f.last, today); f.alive(today) && len(problems) > 0 {
			return problems
		}
	}
	return nil
}
