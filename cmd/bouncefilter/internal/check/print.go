package check

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/live"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// Print prints problems, or what is in effect, and findings, for people.
func (r *Report) Print(out io.Writer) error {
	for _, p := range r.problems {
		fmt.Fprintln(out, p)
	}
	if len(r.problems) == 0 {
		if err := r.printEffect(out); err != nil {
			return err
		}
	}
	mta.Print(out, r.Findings)
	live.Print(out, r.Live)
	if mta.Errors(r.ofMTA) {
		fmt.Fprintf(out, "\n\"bouncefilter setup %s\" shows a change that puts right what a program can.\n", r.server.Name)
	}
	return nil
}

// printEffect prints what is in effect.
func (r *Report) printEffect(out io.Writer) error {
	c := r.site.Config
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(what, value string) { fmt.Fprintf(w, "%s\t%s\n", what, value) }
	row("configuration", cmp.Or(c.Path, "(none)"))
	for _, line := range domainLines(r.Status.Domains) {
		row("domain", line)
	}
	for _, k := range r.site.Keys.Keys {
		row("key", keyLine(k))
	}
	if c.Settings.DoNotTag.Known {
		row("not signed", "mail to "+knownNames()+" (do_not_tag.known)")
	}
	for _, l := range c.Listeners {
		row("listen", listenerLine(l))
	}
	if !c.Socketmap.IsZero() {
		row("socketmap", c.Socketmap.String())
	}
	row("http", httpLine(c))
	row("store", r.storeLine())
	for _, p := range c.Events.Places() {
		row("events", p.Sink+": "+p.Where)
	}
	if n := r.Status.Revocations; n > 0 {
		row("revocations", fmt.Sprintf("%d in effect, see bouncefilter revoke list", n))
	}
	if r.server != nil {
		row(r.server.Name, r.server.Configuration+": "+mta.Count(r.ofMTA))
	}
	return w.Flush()
}

// maxDomainLines is up to how many domains each has a line.
const maxDomainLines = 50

// domainLines returns a line for each domain. Of very many, those that are in the same state share one.
func domainLines(domains []status.Domain) []string {
	var lines []string
	if len(domains) <= maxDomainLines {
		for _, d := range domains {
			lines = append(lines, d.Name+": "+d.String())
		}
		return lines
	}
	alike := map[string][]string{}
	var states []string
	for _, d := range domains {
		s := d.String()
		if alike[s] == nil {
			states = append(states, s)
		}
		alike[s] = append(alike[s], d.Name)
	}
	slices.SortFunc(states, func(a, b string) int { return cmp.Or(len(alike[b])-len(alike[a]), strings.Compare(a, b)) })
	for i, s := range states {
		if i == maxDomainLines {
			return append(lines, fmt.Sprintf("%d other states; check --json lists all domains", len(states)-i))
		}
		lines = append(lines, mta.Names(alike[s])+": "+s)
	}
	return lines
}

// knownNames returns the known destinations.
func knownNames() string {
	var names []string
	for _, d := range policy.KnownDestinations() {
		names = append(names, d.Recipients)
	}
	return strings.Join(names, ", ")
}

func keyLine(k keyring.Key) string {
	if k.File == "" {
		return "none yet; serve makes one"
	}
	next, created, fingerprint := "", "(unknown)", "-"
	if k.Next {
		next = ", signs as soon as every node has it"
	}
	if !k.Created.IsZero() {
		created = k.Created.UTC().Format(time.RFC3339)
	}
	if len(k.Secret) > 0 {
		fingerprint = keyring.Fingerprint(k.Secret)
	}
	return fmt.Sprintf("%v%s, created %s, fingerprint %s", k.Key, next, created, fingerprint)
}

func listenerLine(l config.Listener) string {
	line := l.Address.String()
	if l.Role != policy.RoleBoth {
		line += ", only to " + l.Role.String()
	}
	if !l.Address.Loopback() {
		line += " (not loopback: every client that can connect can have any address signed)"
	}
	return line
}

func (r *Report) storeLine() string {
	line := open.Redacted(r.site.Config.Store)
	if r.note != "" {
		line += ": " + r.note
	}
	if !r.Status.Since.IsZero() {
		line += ": complete since " + r.Status.Since.UTC().Format(time.RFC3339)
		if n := len(r.Status.Gaps); n > 0 {
			line += fmt.Sprintf(", with %d gap(s)", n)
		}
	} else if r.note == "" {
		line += ": nothing recorded yet, or it cannot vouch for its record"
	}
	return line
}

// httpLine says where page, metrics and health are served, and who may use them.
func httpLine(c *config.Config) string {
	switch {
	case c.HTTP.IsZero():
		return "off"
	case c.WebConfig == "":
		return config.HTTPAddress(c.HTTP)
	}
	return config.HTTPAddress(c.HTTP) + ", access by " + c.WebConfig
}
