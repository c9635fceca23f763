package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/routes"
	"github.com/bouncefilter/bouncefilter/store"
)

// judgement judges whether it is safe to refuse the bounces of each domain. It takes a single message for evidence: a genuine bounce that
// is refused is lost, and one that is accepted costs little.
type judgement struct {
	in       *Input
	evidence map[string][]*figures.Figure // of the last [EvidenceDays], by domain
	ways     map[string][]*way            // see [waysOf]
	known    time.Time                    // the time of the first figure there is of any domain
	nodes    map[string][]Concern         // see [Input.ofNodes]
	signs    bool                         // the evidence has signed mail of any domain
}

// domains returns the domains with what was counted in the time of the report.
func (j *judgement) domains(now []figures.Figure) []Domain {
	byName := map[string]*Domain{}
	of := func(name string) *Domain {
		if byName[name] == nil {
			byName[name] = &Domain{Name: name}
		}
		return byName[name]
	}
	known := map[string]*status.Domain{}
	if s := j.in.Status; s != nil {
		for i := range s.Domains {
			if d := &s.Domains[i]; j.in.Domain == "" || d.Name == j.in.Domain {
				known[d.Name] = d
				r := of(d.Name)
				r.Mode, r.SigningSince, r.EnforcedFrom = d.Mode, d.SigningSince, d.EnforcedFrom
			}
		}
	}
	for i := range now {
		k, n := &now[i].Key, now[i].Count
		switch {
		case k.Domain == "":
		case k.Topic == figures.Verdicts:
			of(k.Domain).add(k.VerdictOutcome(), n)
		case k.Topic == figures.Signs && k.Outcome == figures.WouldBe:
			of(k.Domain).Would.add(k.Sign, n)
		case k.Topic == figures.Signs:
			of(k.Domain).Turned.add(k.Sign, n)
		}
	}
	domains := make([]Domain, 0, len(byName))
	for name, d := range byName {
		d.Verdict = j.domain(name, known[name])
		domains = append(domains, *d)
	}
	slices.SortFunc(domains, func(a, b Domain) int { return cmp.Compare(a.Name, b.Name) })
	return domains
}

// gone returns the day on which what was seen last on a day is no evidence any more.
func (j *judgement) gone(last time.Time) string {
	return store.DayOf(last).Time().AddDate(0, 0, EvidenceDays(j.in.Lifetime)).Format(time.DateOnly)
}

// domain judges a domain, of which status may know nothing.
func (j *judgement) domain(name string, d *status.Domain) Verdict {
	s := j.seenOf(name)
	v := Verdict{Concerns: []Concern{}}
	enforced, signs := !s.lastRefused.IsZero() && !s.lastRefused.Before(s.lastSpared), s.signed > 0
	if d != nil {
		enforced, signs = d.Enforced, d.SigningSince != ""
	}
	if d != nil && d.Mode == policy.ModeMonitor.String() {
		enforced = false
	}
	if !signs && !enforced {
		v.State, v.Level = Nothing, Amber
		v.Sentence = "No mail of " + name + " was signed yet."
		v.Concerns = append(v.Concerns, shared("unsigned-domain", func(domains string) string { return "No mail of " + domains + " was signed yet." }, "Send a message from it, and see why it is not signed:", name).
			command("bouncefilter check --live"+j.in.conf()))
		return v
	}
	v.Concerns = append(v.Concerns, j.ofRecord(name, d, enforced)...)
	v.Concerns = append(append(v.Concerns, j.nodes[""]...), j.nodes[name]...)
	v.Concerns = append(v.Concerns, j.ofMail(name, s, enforced)...)
	v.judge(enforced, d, s, name)
	return v
}

// judge sets the state that follows from the concerns.
func (v *Verdict) judge(enforced bool, d *status.Domain, s *seen, name string) {
	mostUrgentFirst(v.Concerns)
	if d != nil {
		v.Since = d.SigningSince
	}
	for i := range v.Concerns {
		v.Until = max(v.Until, v.Concerns[i].Until)
	}
	switch {
	case enforced:
		v.State, v.Level = Enforcing, Green
		if d != nil {
			v.Since = d.EnforcedFrom
		}
		v.Until = ""
		v.Sentence = "Bounces to " + name + " that answer no mail of yours are refused."
		for i := range v.Concerns {
			c := &v.Concerns[i]
			c.Level = c.urgency
			v.Level = worse(v.Level, c.Level)
		}
		if v.Level == Red {
			v.Sentence = "Bounces to " + name + " are refused, and some of them may be genuine."
		}
	case len(v.Concerns) > 0:
		v.State, v.Level = NotReady, Amber
		v.Sentence = v.Concerns[0].What
	default:
		v.State, v.Level = Ready, Green
		v.Sentence = fmt.Sprintf("Nothing says that any of the %s that would be refused for %s is genuine", screen.Count(s.turned, "message"), name) + exceptNoBounces(s.signs.NoBounce)
	}
}

// exceptNoBounces ends a sentence about what would be refused: of mail that is no bounce, the record cannot tell whether it is genuine.
func exceptNoBounces(n int64) string {
	if n == 0 {
		return "."
	}
	return fmt.Sprintf(", but for %s that %s no bounce: programs send orders and codes like that.", screen.Number(n), are(int(n)))
}

// ofRecord returns what speaks against refusing by what the store says about a domain.
func (j *judgement) ofRecord(name string, d *status.Domain, enforced bool) (cs []Concern) {
	if d == nil {
		if !enforced {
			cs = append(cs, concern("log-only", "A log does not say whether the record of sent mail is complete.",
				"Ask the store:", "").command("bouncefilter report"+j.in.conf()))
		}
		return cs
	}
	s := j.in.Status
	if from := j.enforceable(d); from.After(j.in.Now) {
		day := from.Format(time.DateOnly)
		remedy := fmt.Sprintf("Wait: mode = \"auto\" begins to enforce %s on %s.", name, day)
		if enforced {
			remedy = "Set mode = \"auto\", which begins to enforce then, and reload:"
		}
		since := d.SigningSince
		c := shared("new", func(domains string) string {
			return fmt.Sprintf("%s %s only since %s: until %s bounces of mail come that was sent before.", domains, signWord(domains), since, day)
		}, remedy, name).of(since).until(day)
		if enforced {
			c = c.command("systemctl reload bouncefilter").alarms()
		}
		cs = append(cs, c)
	}
	if begins := j.in.evidenceBegins(); !enforced && j.known.After(begins) {
		cs = append(cs, concern("few-figures", fmt.Sprintf("What was counted is known only since %s, which is too short to judge by.", j.known.Format(time.DateOnly)),
			"Look again later; report reads all that the store has:", "").until(j.gone(j.known.AddDate(0, 0, -1))).command("bouncefilter report"+j.in.conf()))
	}
	if s.SinceReason != "" {
		cs = append(cs, concern("record-unreliable", "The store cannot vouch for its record: "+s.SinceReason+".", s.SinceRemedy, "").
			command("bouncefilter check"+j.in.conf()).warns())
	} else if d.Incomplete {
		cs = append(cs, shared("record-incomplete", func(domains string) string { return "Mail of " + domains + " may be missing on the record." },
			"Nothing need be done, it ends by itself; check says how it came about:", name).of(d.IncompleteUntil).until(d.IncompleteUntil).command("bouncefilter check"+j.in.conf()))
	}
	if n := s.Doubts.Unbelieved(); n > 0 {
		cs = append(cs, concern("store-unbelieved", fmt.Sprintf("The store holds %s that this host does not believe: the figures may lack what other nodes counted.", screen.Count(n, "value")),
			"Give all hosts the same hash secret; check says what it is:", "").command("bouncefilter check"+j.in.conf()).warns())
	}
	for _, n := range s.Nodes {
		if n.Silent(j.in.Now) {
			cs = append(cs, concern("silent-node", fmt.Sprintf("The node %s is silent since %s.", n.Name, n.Seen.UTC().Format("2006-01-02 15:04")),
				"Start it or, if it is gone for good, remove it:", "").command("bouncefilter node remove "+shellWord(n.Name)+j.in.conf()).warns())
		}
	}
	for _, r := range j.statusRoutes(name) {
		c := concern("other-route", fmt.Sprintf("%s seems to send unsigned mail through %s.", r.Sender, r.Source),
			"Send the mail of "+r.Sender+" through bouncefilter, or exempt it:", name)
		c.Count = int64(r.Bounces)
		c.Config = []string{"[exempt]", fmt.Sprintf("recipients = [\"postmaster\", \"abuse\", %s]", mta.Quoted(r.Sender))}
		cs = append(cs, c.alarms())
	}
	return cs
}

// enforceable returns the first day on which mode auto would enforce.
func (j *judgement) enforceable(d *status.Domain) time.Time {
	if from, err := time.Parse(time.DateOnly, d.EnforcedFrom); err == nil {
		return from
	}
	since, err := time.Parse(time.DateOnly, d.SigningSince)
	if err != nil {
		return time.Time{}
	}
	return since.AddDate(0, 0, j.in.Lifetime+1)
}

// signRows say what the signs mean.
var signRows = [...]struct {
	sign         figures.Sign
	level        Level // of a domain that is enforced
	what, remedy string
}{
	{figures.OwnHost, Red, "bounces of mail that came from a host of yours, and left it another way",
		"See which of your hosts it is, and send its mail through bouncefilter:"},
	{figures.Repeats, Amber, "bounces of mail that came from one network again and again, in the name of one sender",
		"See whether the sender sends through that network; if so, send it through bouncefilter, or list the sender in [exempt] recipients:"},
	{figures.NeverSends, Amber, "bounces to users who sent nothing through bouncefilter of late",
		"Ask how these users send; if it is another way, list them in [exempt] recipients:"},
}

// ofMail returns what speaks against refusing by what came and went.
func (j *judgement) ofMail(name string, s *seen, enforced bool) (cs []Concern) {
	would := "would be"
	if enforced {
		would = "was or would be" // evidence is older than the enforcement, perhaps
	}
	for _, row := range signRows {
		n := *s.signs.count(row.sign)
		if n == 0 {
			continue
		}
		c := counted(string(row.sign), n, func(n int64, domains string) string {
			return fmt.Sprintf("%s of what %s refused for %s: %s.", screen.Short(n), would, domains, row.what)
		}, row.remedy, name).until(j.gone(s.last[row.sign])).samples(j.in)
		c.urgency = row.level
		cs = append(cs, c)
	}
	reported := j.statusRoutes(name) // of which the daemon names the sender, so that what was counted adds nothing
	if known := s.routes.sorted(); len(known) > 0 && len(reported) == 0 {
		cs = append(cs, concern("other-route", fmt.Sprintf("Mail of %s seems to leave through %s, where nothing is signed.", name, mta.Names(names(known))),
			"Send it through bouncefilter, or exempt its sender; check names it:", name).
			until(j.gone(s.lastRoute)).command("bouncefilter check"+j.in.conf()).alarms())
	}
	if c, ok := j.sighted(name, s, reported); ok {
		cs = append(cs, c)
	}
	if s.unsigned > 0 {
		cs = append(cs, counted("unsigned-mail", s.unsigned, func(n int64, domains string) string {
			return fmt.Sprintf("%s of %s left unsigned, through a listener that only verifies.", screen.Count(n, "message"), domains)
		}, "Let it go through a listener that signs; check finds the service:", name).until(j.gone(s.lastUnsigned)).command("bouncefilter check"+j.in.conf()).alarms())
	}
	if s.foreignTags > 0 {
		cs = append(cs, counted("not-issued", s.foreignTags, func(n int64, domains string) string {
			return fmt.Sprintf("%s to %s with a tag whose signature is right and that is not on record.", screen.Count(n, "message"), domains)
		}, "A node may not write its record, or another party has your key; check compares the nodes:", name).until(j.gone(s.lastTag)).command("bouncefilter check"+j.in.conf()).warns())
	}
	if s.missingKey > 0 {
		cs = append(cs, counted("missing-key", s.missingKey, func(n int64, domains string) string {
			return fmt.Sprintf("%s to %s with a tag of a key that is missing here.", screen.Count(n, "message"), domains)
		}, "Give every node the same keys; check names the one that lacks a key:", name).command("bouncefilter check"+j.in.conf()).warns())
	}
	if !enforced && 2*s.unjudged > s.turned {
		cs = append(cs, counted("unjudged", s.unjudged, func(n int64, domains string) string {
			return fmt.Sprintf("%s to %s came while the record was incomplete or the store did not answer, so that little is known of what would be refused.", screen.Count(n, "message"), domains)
		}, "Look again later; check says whether the record is complete now:", name).until(j.gone(s.lastUnjudged)).command("bouncefilter check"+j.in.conf()))
	}
	if c, ok := j.nothingSigned(name, s, enforced); ok {
		cs = append(cs, c)
	} else if s.valid == 0 && !enforced {
		cs = append(cs, shared("no-tag-came-back", func(domains string) string {
			return "No bounce with a valid tag has come to " + domains + " of late, so that nothing shows that tags come back."
		}, "Write from it to an address that does not exist, such as one at another site of yours, or test it here:", name).
			command("bouncefilter check --live"+j.in.conf()))
	}
	return cs
}

// nothingSigned returns the concern that mail of a domain may leave unsigned, of which nothing but its absence is known.
func (j *judgement) nothingSigned(name string, s *seen, enforced bool) (c Concern, ok bool) {
	if s.signed > 0 || enforced && s.refused == 0 {
		return c, false
	}
	c = counted("nothing-signed", s.refused, func(n int64, domains string) string {
		text := fmt.Sprintf("No mail of %s was signed in the last %d days. If any was sent, it left unsigned", domains, EvidenceDays(j.in.Lifetime))
		if enforced {
			return text + fmt.Sprintf(", and its bounces are among the %s refused.", screen.Number(n))
		}
		return text + "."
	}, "Send a message from it, and see why it is not signed:", name).command("bouncefilter check --live" + j.in.conf())
	if j.signs {
		return c.warns(), true
	}
	return c.alarms(), true // not even mail of other domains
}

// sighted returns the concern that the figures of several days show a route of which no daemon has seen enough at once.
func (j *judgement) sighted(name string, s *seen, reported []routes.Route) (c Concern, ok bool) {
	var ways []string
	var count int64
	var last time.Time
	for _, w := range j.ways[name] {
		named := slices.ContainsFunc(reported, func(r routes.Route) bool { return r.Source == w.source })
		if s.routes[w.source] == 0 && !named {
			ways, count, last = append(ways, w.source), count+w.count, later(last, w.last)
		}
	}
	if len(ways) == 0 {
		return c, false
	}
	c = concern("other-route", fmt.Sprintf("%s returned mail of %s that seems to have left on several days through %s, where nothing is signed.", screen.Count(count, "bounce"), name, mta.Names(ways)),
		"See whose host it is (the log has left_through of each bounce); if it sends for you, send that mail through bouncefilter, or exempt its sender:", name).
		until(j.gone(last)).samples(j.in).warns()
	c.Count = count
	return c, true
}

// statusRoutes returns the other routes that the daemon names for senders in a domain.
func (j *judgement) statusRoutes(name string) (list []routes.Route) {
	if j.in.Status == nil {
		return nil
	}
	for _, r := range j.in.Status.OtherRoutes {
		if _, domain, _ := strings.Cut(r.Sender, "@"); domain == name {
			list = append(list, r)
		}
	}
	return list
}

func names(cs []Count) []string {
	list := make([]string, len(cs))
	for i, c := range cs {
		list[i] = c.Name
	}
	return list
}
