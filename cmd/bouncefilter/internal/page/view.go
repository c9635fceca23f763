package page

import (
	"cmp"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/report"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
)

const (
	// maxDomains is how many domains are shown: those with the most traffic.
	maxDomains = 50
	// maxNamed is how many sources, reporters and routes are shown.
	maxNamed = 10
	// maxNodes is how many nodes are shown, and maxNodeKeys how many keys of each.
	maxNodes    = 50
	maxNodeKeys = 20
	// maxConcerns is how many concerns and steps are shown.
	maxConcerns = 10
)

// view is what the template is made of.
type view struct {
	Local
	Now      time.Time
	Headline alert
	Alerts   []alert // what else needs attention, the worst first
	Steps    []report.Step

	Judgement *judgement

	ReadAt time.Time // when the figures were read; the zero time if there are none
	Stale  bool      // the last read failed
	Report *report.Report
	Status *status.Status
	Days   int // that could be read, if not all

	Hourly, Daily    chart
	Domains          []report.Domain
	MoreDomains      int
	MoreNeedLook     int // of MoreDomains, those that are not green
	Sources          []report.Named
	Reporters        []report.Named
	Routes           []report.Route
	Nodes            []node
	MoreNodes        int
	SourcesElsewhere int // sources and reporters that are not shown
}

// alert is something that an operator is told.
type alert struct {
	Level    report.Level
	What     string
	Since    string
	Until    string
	Remedy   string
	Commands []string
	Config   []string
}

// newView puts together what the daemon knows and what was read.
func newView(l Local, s snapshot, now time.Time) *view {
	v := &view{Local: l, Now: now.UTC(), ReadAt: s.at, Stale: s.failed != nil, Report: s.report, Status: s.status}
	v.Alerts = localAlerts(l, s)
	if s.report != nil {
		v.fill(s)
		var ofReport []alert
		ofReport, v.Steps = reportAlerts(s.report)
		v.Alerts = append(v.Alerts, ofReport...)
	}
	slices.SortStableFunc(v.Alerts, func(a, b alert) int { return rank(b.Level) - rank(a.Level) })
	if len(v.Alerts) > maxConcerns {
		v.Alerts = v.Alerts[:maxConcerns]
	}
	if len(v.Alerts) > 0 {
		v.Headline, v.Alerts = v.Alerts[0], v.Alerts[1:]
	}
	return v
}

// Conf returns the flag that names the configuration to commands.
func (l Local) Conf() string { return report.ConfigFlag(l.Config) }

// rank orders levels, the worst last.
func rank(l report.Level) int {
	return slices.Index([]report.Level{report.Green, report.Amber, report.Red}, l)
}

// localAlerts are about what the daemon knows without its store.
func localAlerts(l Local, s snapshot) []alert {
	var as []alert
	add := func(level report.Level, what, remedy string, commands ...string) {
		for i, c := range commands {
			if strings.HasPrefix(c, "bouncefilter ") {
				commands[i] += l.Conf()
			}
		}
		as = append(as, alert{Level: level, What: what, Remedy: remedy, Commands: commands})
	}
	if l.Unhealthy != "" {
		add(report.Red, "Mail does not pass: "+l.Unhealthy+".", "Look into the log; if it says nothing, restart the daemon.",
			"journalctl -u bouncefilter -n 50", "systemctl restart bouncefilter")
	}
	if l.Unreadable > 0 {
		add(report.Red, screen.Count(l.Unreadable, "key")+" in use cannot be read: the mail that "+thatOrThey(l.Unreadable)+" would sign waits.",
			"Restore the secret from a copy, or let the user of the daemon read it.", "bouncefilter check")
	}
	if s.failed != nil || !l.Circuit {
		a := alert{Level: report.Amber, What: "The store does not answer. Mail is signed and delivered; no bounce is refused for want of a record.",
			Remedy: "Start the store, or see why it does not answer: " + l.Store + ".", Commands: []string{"bouncefilter check" + l.Conf()}}
		if s.failed != nil {
			a.Since = s.since.UTC().Format("2006-01-02 15:04") + " at least"
		}
		as = append(as, a)
	}
	if l.Lost > 0 {
		add(report.Amber, screen.Count(l.Lost, "record")+" of signed mail could be kept neither in the store nor in the journal: bounces of that time are accepted without a record.",
			"Make room for the journal, or repair the disk.", "bouncefilter check")
	}
	if l.ReloadFailed {
		add(report.Amber, "The configuration could not be loaded at the last reload: the one before is in effect.", "Correct what check names, and reload.",
			"bouncefilter check", "systemctl reload bouncefilter")
	}
	return as
}

func thatOrThey(n int) string {
	if n == 1 {
		return "it"
	}
	return "they"
}

// reportAlerts are the verdict of the report with what to do about it, and its concerns. rest are the steps that are in none of them.
func reportAlerts(r *report.Report) (as []alert, rest []report.Step) {
	v := r.Verdict
	verdict := alert{Level: v.Level, What: v.Sentence, Since: v.Since, Until: v.Until}
	steps := map[string]bool{}
	about := slices.IndexFunc(v.Concerns, func(c report.Concern) bool { return strings.HasSuffix(v.Sentence, c.What) })
	if about < 0 && len(v.Concerns) > 0 && v.Level != report.Green { // what to do belongs to the first line
		about = 0
		verdict.What += " " + v.Concerns[0].What
	}
	for i, c := range v.Concerns {
		a := alert{Level: c.Level, What: c.What, Until: c.Until, Remedy: c.Remedy, Commands: c.Commands, Config: c.Config}
		if step := stepKey(c.Remedy, c.Commands, c.Config); steps[step] {
			a.Remedy, a.Commands, a.Config = "", nil, nil // it is there already, for another domain
		} else {
			steps[step] = true
		}
		if i == about {
			verdict.Remedy, verdict.Commands, verdict.Config = a.Remedy, a.Commands, a.Config
			continue
		}
		as = append(as, a)
	}
	for _, s := range r.Next {
		switch {
		case steps[stepKey(s.What, s.Commands, s.Config)]:
		case verdict.Remedy == "" && len(v.Concerns) == 0:
			verdict.Remedy, verdict.Commands, verdict.Config = s.What, s.Commands, s.Config
		default:
			rest = append(rest, s)
		}
	}
	return append([]alert{verdict}, as...), first(rest, maxConcerns)
}

// stepKey tells steps apart.
func stepKey(what string, commands, config []string) string {
	return fmt.Sprint(what, commands, config)
}

// fill fills in what comes from the report.
func (v *view) fill(s snapshot) {
	r := s.report
	if s.days < shownDays {
		v.Days = s.days
	}
	v.Hourly = newChart("hours", "By hour, the last 48 hours", "hour", "Mon 2 Jan 15:04", "Mon 15:04", r.Hours, 12)
	v.Daily = newChart("days", fmt.Sprintf("By day, the last %d days", shownDays), "day", "Mon 2 Jan 2006", "2 Jan", r.Days, 7)
	v.Domains = slices.Clone(r.Domains)
	slices.SortStableFunc(v.Domains, func(a, b report.Domain) int { return cmp.Compare(traffic(b.Counts), traffic(a.Counts)) })
	if len(v.Domains) > maxDomains {
		for _, d := range v.Domains[maxDomains:] {
			if d.Verdict.Level != report.Green && d.Verdict.State != report.Nothing {
				v.MoreNeedLook++
			}
		}
		v.MoreDomains, v.Domains = len(v.Domains)-maxDomains, v.Domains[:maxDomains]
	}
	v.Sources, v.Reporters, v.Routes = first(r.Sources, maxNamed), first(r.Reporters, maxNamed), first(r.Routes, maxNamed)
	v.SourcesElsewhere = len(r.Sources) - len(v.Sources) + len(r.Reporters) - len(v.Reporters)
	if s.status != nil {
		v.Nodes, v.MoreNodes = nodes(s.status.Nodes, v.Node, s.at)
	}
}

func traffic(c report.Counts) int64 { return c.Signed + c.Accepted + c.Turned() }

// first returns the first n of a list.
func first[T any](list []T, n int) []T { return list[:min(n, len(list))] }

// functions are those of the template.
var functions = template.FuncMap{
	"n":       screen.Number[int64],
	"refused": refused,
	"css":     func() template.CSS { return template.CSS(css) }, // ours
	"icon":    icon,
	"symbol":  symbol,
	"level":   levelWord,
	"state":   stateWords,
	"sign":    signWords,
	"outcome": outcomeWords,
	"minute":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
	"second":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"ago":     since,
	"or":      cmp.Or[string],
	"plural":  screen.Count[int],
	"octets":  octets,
	"join":    join,
}

// symbol says a level without a colour.
func symbol(l report.Level) string {
	switch l {
	case report.Green:
		return "✓"
	case report.Red:
		return "✕"
	}
	return "!"
}

// levelWord says a level in a word.
func levelWord(l report.Level) string {
	switch l {
	case report.Green:
		return "Good"
	case report.Red:
		return "Act now"
	}
	return "Attention"
}

// icon is the icon of the tab: the level.
func icon(l report.Level) template.URL {
	colour := map[report.Level]string{report.Green: "#1f7a43", report.Red: "#b3261e"}[l]
	svg := `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="` + cmp.Or(colour, "#b26a00") + `"/></svg>`
	return template.URL("data:image/svg+xml," + url.PathEscape(svg)) // ours
}

// stateWords says a state in words.
func stateWords(s report.State) string {
	switch s {
	case report.NotReady:
		return "not ready to enforce"
	case report.Ready:
		return "ready to enforce"
	case report.Enforcing:
		return "enforcing"
	}
	return "nothing to judge by yet"
}

// signWords says what speaks for a bounce.
func signWords(s figures.Sign) string {
	switch s {
	case figures.OwnHost:
		return "came from a host of yours"
	case figures.Repeats:
		return "its source comes again and again"
	case figures.NeverSends:
		return "its recipient sends nothing through bouncefilter"
	case figures.NoBounce:
		return "it is no bounce"
	}
	return ""
}

// outcomeWords says what became of a message that was or would be refused.
func outcomeWords(o figures.Outcome) string {
	if o == figures.WouldBe {
		return "delivered"
	}
	return string(o)
}

// octets writes a size.
func octets(n int64) string {
	switch {
	case n >= 1<<20:
		return screen.Number(n>>20) + " MiB"
	case n >= 1<<10:
		return screen.Number(n>>10) + " KiB"
	}
	return screen.Count(n, "octet")
}

// since says how long ago a time was.
func since(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return screen.Count(d/time.Second, "second") + " ago"
	case d < 2*time.Hour:
		return screen.Count(d/time.Minute, "minute") + " ago"
	case d < 48*time.Hour:
		return screen.Count(d/time.Hour, "hour") + " ago"
	}
	return screen.Count(d/(24*time.Hour), "day") + " ago"
}

// join joins lines.
func join(lines []string) string { return strings.Join(lines, "\n") }
