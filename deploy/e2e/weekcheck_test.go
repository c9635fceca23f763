package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// weekCounts are numbers of messages by what became of them, as in the JSON form of a report.
type weekCounts struct {
	Signed   int `json:"signed"`
	Accepted int `json:"accepted"`
	WouldBe  int `json:"would_refuse"`
	Refused  int `json:"refused"`
}

// weekReport is what is held of a report.
type weekReport struct {
	Totals struct {
		weekCounts
		AcceptedBy []weekCount `json:"accepted_by"`
		RefusedBy  []weekCount `json:"refused_by"`
		WouldBeBy  []weekCount `json:"would_be_by"`
		SparedBy   []weekCount `json:"spared_by"`
		Would      weekGroups  `json:"would_groups"`
		Turned     weekGroups  `json:"refused_groups"`
	} `json:"totals"`
	Days []struct {
		Begin time.Time `json:"begin"`
		weekCounts
		MayBeGenuine int  `json:"may_be_genuine"`
		Outlier      bool `json:"outlier"`
	} `json:"days"`
	Domains []struct {
		Name string `json:"name"`
		weekCounts
	} `json:"domains"`
	Routes []struct {
		Domain, Name string
		Count        int
	} `json:"routes"`
	Failures struct {
		Count    int `json:"count"`
		Statuses []struct {
			Status string
			Count  int
		} `json:"statuses"`
		Destinations []struct {
			Name   string
			Sent   int
			Failed int
		} `json:"destinations"`
		Movers       []struct{ Name string } `json:"movers"`
		BecauseOfTag []struct {
			Destination, Domain, Evidence string
			Count                         int
		} `json:"because_of_tag"`
	} `json:"failures"`
}

type weekCount struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

type weekGroups struct {
	MayBeGenuine int `json:"may_be_genuine"`
	OwnHost      int `json:"own_host"`
	Repeats      int `json:"repeats"`
	NeverSends   int `json:"never_sends"`
	NoBounce     int `json:"no_bounce"`
	NoSign       int `json:"no_sign"`
}

// span are the flags that have a report be about the week.
func (w *week) span() []string {
	return []string{"--since", w.first.Format(time.DateOnly), "--until", w.end.Format(time.DateOnly)}
}

func (w *week) report(t *testing.T, flags ...string) (text string) {
	t.Helper()
	text, status := w.run(t, slices.Concat([]string{"report", "--config", w.daemon.config, "--json"}, w.span(), flags)...)
	if status != 0 {
		t.Fatalf("exit status %d: %s", status, text)
	}
	return text
}

// outcome is what became of a message.
func (w *weekMail) outcome(c *weekCounts) *int {
	switch {
	case w.action == "sign":
		return &c.Signed
	case w.action == "reject":
		return &c.Refused
	case w.action == "monitor", w.would != "":
		return &c.WouldBe
	}
	return &c.Accepted
}

// count adds one to the number of a name.
func count(list *[]weekCount, name string) {
	for i := range *list {
		if (*list)[i].Name == name {
			(*list)[i].Count++
			return
		}
	}
	*list = append(*list, weekCount{name, 1})
}

func sorted(list []weekCount) []weekCount {
	slices.SortFunc(list, func(a, b weekCount) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// weekTruth is what a report must say of the mail.
type weekTruth struct {
	totals                                                                          weekCounts
	days, domains                                                                   map[string]*weekCounts
	acceptedBy, refusedBy, wouldBeBy, sparedBy, statuses, routes, sent, failed, tag []weekCount
	would, turned                                                                   weekGroups
	mayBeGenuine                                                                    map[string]int // by day
}

func (w *week) truth() *weekTruth {
	k := &weekTruth{days: map[string]*weekCounts{}, domains: map[string]*weekCounts{}, mayBeGenuine: map[string]int{}}
	for at := w.first; at.Before(w.end); at = at.AddDate(0, 0, 1) {
		k.days[at.Format(time.DateOnly)] = &weekCounts{}
	}
	for _, m := range w.mail {
		k.add(m)
	}
	// Of destinations without failures a report has no row.
	k.sent = slices.DeleteFunc(k.sent, func(c weekCount) bool {
		return !slices.ContainsFunc(k.failed, func(f weekCount) bool { return f.Name == c.Name })
	})
	return k
}

// add adds a message.
func (k *weekTruth) add(m *weekMail) {
	day := m.at.Format(time.DateOnly)
	if k.domains[m.domain] == nil {
		k.domains[m.domain] = &weekCounts{}
	}
	for _, c := range []*weekCounts{&k.totals, k.days[day], k.domains[m.domain]} {
		*m.outcome(c)++
	}
	if m.route != "" {
		count(&k.routes, m.domain+" "+m.route)
	}
	if d, status, because := m.failures(); d != "" {
		count(&k.statuses, status)
		count(&k.failed, d)
		if because {
			count(&k.tag, d+" "+m.domain)
		}
	}
	groups := &k.would
	switch {
	case m.outbound:
		for _, d := range m.destinations() {
			count(&k.sent, d)
		}
		return
	case m.action == "reject":
		count(&k.refusedBy, m.reason)
		groups = &k.turned
	case m.action == "monitor":
		count(&k.wouldBeBy, m.reason)
		count(&k.sparedBy, m.cause)
	case m.would != "":
		count(&k.wouldBeBy, m.would)
		count(&k.sparedBy, m.cause)
	default:
		count(&k.acceptedBy, m.reason)
		return
	}
	if groups.add(m.speaks) {
		k.mayBeGenuine[day]++
	}
}

// add counts a message by what speaks for it.
func (g *weekGroups) add(speaks string) (mayBeGenuine bool) {
	switch speaks {
	case "own-host":
		g.OwnHost++
	case "repeats":
		g.Repeats++
	case "never-sends":
		g.NeverSends++
	default:
		g.NoSign++
		return false
	}
	g.MayBeGenuine++
	return true
}

// testReport holds the figures of the store to what is known of the mail.
func (w *week) testReport(t *testing.T) {
	var got weekReport
	if err := json.Unmarshal([]byte(w.report(t)), &got); err != nil {
		t.Fatal(err)
	}
	k := w.truth()
	hold := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the report has %+v, the mail has %+v", what, got, want)
		}
	}
	hold("totals", got.Totals.weekCounts, k.totals)
	hold("accepted by", sorted(got.Totals.AcceptedBy), sorted(k.acceptedBy))
	hold("refused by", sorted(got.Totals.RefusedBy), sorted(k.refusedBy))
	hold("would be refused by", sorted(got.Totals.WouldBeBy), sorted(k.wouldBeBy))
	hold("spared by", sorted(got.Totals.SparedBy), sorted(k.sparedBy))
	hold("would-be refusals", got.Totals.Would, k.would)
	hold("refusals", got.Totals.Turned, k.turned)
	hold("days", len(got.Days), len(k.days))
	for _, d := range got.Days {
		day := d.Begin.Format(time.DateOnly)
		hold(day, d.weekCounts, *k.days[day])
		hold(day+", may be genuine", d.MayBeGenuine, k.mayBeGenuine[day])
		hold(day+", outlier", d.Outlier, fmt.Sprint(int(d.Begin.Sub(w.first)/(24*time.Hour))+1) == stormDay)
	}
	hold("domains", len(got.Domains), len(k.domains))
	for _, d := range got.Domains {
		hold(d.Name, d.weekCounts, *k.domains[d.Name])
	}
	var routes, statuses, failed, sent, tag []weekCount
	for _, x := range got.Routes {
		routes = append(routes, weekCount{x.Domain + " " + x.Name, x.Count})
	}
	for _, x := range got.Failures.Statuses {
		statuses = append(statuses, weekCount{x.Status, x.Count})
	}
	for _, x := range got.Failures.Destinations {
		failed, sent = append(failed, weekCount{x.Name, x.Failed}), append(sent, weekCount{x.Name, x.Sent})
	}
	for _, x := range got.Failures.BecauseOfTag {
		if x.Evidence == "text" {
			tag = append(tag, weekCount{x.Destination + " " + x.Domain, x.Count})
		}
	}
	hold("other routes", sorted(routes), sorted(k.routes))
	hold("statuses", sorted(statuses), sorted(k.statuses))
	hold("failures", sorted(failed), sorted(k.failed))
	hold("because of the tag", sorted(tag), sorted(k.tag))
	hold("sent", sorted(sent), sorted(k.sent))
}

// destinations are the domains of the recipients.
func (w *weekMail) destinations() (list []string) {
	for _, r := range w.rcpts {
		if _, d, _ := strings.Cut(r, "@"); !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}

// testLog reads the same week from the log.
func (w *week) testLog(t *testing.T) {
	file := filepath.Join(w.dir, "log")
	if err := os.WriteFile(file, []byte(w.daemon.process.out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var stored, logged map[string]any
	for text, r := range map[string]*map[string]any{w.report(t): &stored, w.report(t, "--log", file): &logged} {
		if err := json.Unmarshal([]byte(text), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{"totals", "days", "families", "routes", "failures"} {
		if !reflect.DeepEqual(stored[part], logged[part]) {
			t.Errorf("%s: the store has\n%v\nthe log has\n%v", part, stored[part], logged[part])
		}
	}
	// Sessions that end at the same time are counted in one order and logged in another, and of networks that were seen once the first ones
	// have their names, so that only those that come again have the same ones.
	for _, part := range []string{"sources", "reporters"} {
		if s, l := oftenNamed(t, stored[part]), oftenNamed(t, logged[part]); !reflect.DeepEqual(s, l) || len(s) < 2 {
			t.Errorf("%s: the store has\n%v\nthe log has\n%v", part, s, l)
		}
	}
}

// oftenNamed returns how much was and would be refused in all, and of each name that has more than a few of it.
func oftenNamed(t *testing.T, part any) map[string]float64 {
	t.Helper()
	const few = 4
	counts := map[string]float64{}
	rows, _ := part.([]any)
	for _, row := range rows {
		r, _ := row.(map[string]any)
		name, _ := r["name"].(string)
		refused, _ := r["refused"].(float64)
		would, _ := r["would_refuse"].(float64)
		if counts["all"] += refused + would; refused+would > few && name != "other" {
			counts[name] = refused + would
		}
	}
	return counts
}

// awaitDaily waits for the summaries of a day.
func (w *week) awaitDaily(t *testing.T, day time.Time) {
	t.Helper()
	eventually(t, "summaries of "+day.Format(time.DateOnly), func() bool { return len(w.daily(day)) >= 3 })
}

// daily are the lines of the log that sum up a day, by domain.
func (w *week) daily(day time.Time) map[string]record {
	found := map[string]record{}
	for _, r := range w.records() {
		if r["msg"] == "daily summary" && r["date"] == day.Format(time.DateOnly) {
			found[r["domain"]] = r
		}
	}
	return found
}

// records are the lines of the log, in either format.
func (w *week) records() []record {
	if w.log == "logfmt" {
		return w.daemon.records(0)
	}
	var rs []record
	for line := range strings.Lines(w.daemon.process.out.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) != nil {
			continue
		}
		r := record{}
		for k, v := range fields {
			r[k] = fmt.Sprint(v)
		}
		rs = append(rs, r)
	}
	return rs
}

// testDaily holds the summaries to what is known of the mail: one for each day and domain.
func (w *week) testDaily(t *testing.T) {
	w.clock.set(t, w.end.AddDate(0, 0, 1).Truncate(24*time.Hour).Add(time.Minute))
	w.awaitDaily(t, w.end)
	w.clock.set(t, w.end.Add(-half))
	lines := 0
	for _, r := range w.records() {
		if r["msg"] == "daily summary" && r["date"] >= w.first.Format(time.DateOnly) {
			lines++
		}
	}
	if lines != 3*7 {
		t.Errorf("%d summaries, want one for each of 3 domains and 7 days", lines)
	}
	for day := w.first; day.Before(w.end); day = day.AddDate(0, 0, 1) {
		got := w.daily(day)
		for _, domain := range []string{"example.com", "example.org", "example.net"} {
			var c weekCounts
			mayBeGenuine, noBounce := 0, 0
			for _, m := range w.mail {
				if m.domain != domain || !m.at.Truncate(24*time.Hour).Equal(day) {
					continue
				}
				*m.outcome(&c)++
				if m.speaks != "" && m.action != "reject" {
					mayBeGenuine++
				}
				if m.reason == "no-bounce" {
					noBounce++
				}
			}
			want := record{"signed": itoa(c.Signed), "accepted": itoa(c.Accepted), "refused": itoa(c.Refused), "would_refuse": itoa(c.WouldBe), "may_be_genuine": itoa(mayBeGenuine), "no_bounce": itoa(noBounce)}
			if r := got[domain]; !r.has(want) || r["mode"] == "" {
				t.Errorf("%s, %s: the log has %v, want %v", day.Format(time.DateOnly), domain, r, want)
			}
		}
	}
}

// testEvents holds the events to the genuine bounces, of which each reports one recipient.
func (w *week) testEvents(t *testing.T) {
	want := map[string]int{}
	for _, m := range w.mail {
		if m.reports {
			want[m.original.from+" "+m.original.rcpts[0]+" "+m.original.messageID()]++
		}
	}
	n := 0
	for _, count := range want {
		n += count
	}
	var got []bounceEvent
	eventually(t, "an event of each genuine bounce", func() bool {
		got = eventsIn(t, readFile(t, w.events))
		return len(got) >= n
	})
	for _, e := range got {
		want[e.Sender+" "+e.Recipient+" "+e.MessageID]--
	}
	for of, n := range want {
		if n != 0 {
			t.Errorf("%s: %d events too few", of, n)
		}
	}
}
