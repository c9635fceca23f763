package filter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/wire"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// gather returns the metrics of the server.
func (f *fixture) gather() []*dto.MetricFamily {
	f.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(f.server.Collector())
	families, err := registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	return families
}

// series returns the values of a metric by its labels, written as in "example.com untagged reject"; of a histogram, how often it was
// observed.
func (f *fixture) series(name string) map[string]float64 {
	f.t.Helper()
	values := map[string]float64{}
	for _, family := range f.gather() {
		if family.GetName() != "bouncefilter_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := make([]string, 0, len(m.GetLabel()))
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			values[strings.Join(labels, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

func TestMetricsFollowTheConventions(t *testing.T) {
	f := start(t, nil)
	problems, err := promlint.NewWithMetricFamilies(f.gather()).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// modes has one domain of each mode.
func modes(s *policy.Settings) {
	s.Domains = []policy.Domain{{Name: "auto.example", Mode: policy.ModeAuto}, {Name: "monitor.example", Mode: policy.ModeMonitor}, {Name: "enforce.example", Mode: policy.ModeEnforce}}
}

// A query of an increase does not see a counter that begins with 1.
func TestCountersAreThereFromTheStart(t *testing.T) {
	f := start(t, modes)
	// Labels are in the order of their names: action, domain, reason.
	verdicts := f.series("messages_total")
	for _, want := range []string{
		"reject enforce.example untagged", "defer enforce.example not-issued", "monitor monitor.example untagged",
		"monitor auto.example untagged", "reject auto.example untagged", "sign auto.example signed", "accept enforce.example valid",
		"accept monitor.example valid-message", "monitor auto.example grace", "tag enforce.example grace", "reject enforce.example invalid-tag",
		"discard enforce.example several-recipients", "none auto.example do-not-tag", "defer auto.example cannot-sign",
		"none  null-sender", "none  foreign-domain", "defer  failure", "defer  busy",
	} {
		if n, there := verdicts[want]; !there || n != 0 {
			t.Errorf("%s: %v, %v", want, n, there)
		}
	}
	for _, never := range []string{"reject monitor.example untagged", "monitor enforce.example untagged", "none  signed"} {
		if _, there := verdicts[never]; there {
			t.Errorf("%s is there", never)
		}
	}
	would := slices.Sorted(maps.Keys(f.series("would_refuse_total"))) // cause, domain, reason
	if !slices.Contains(would, "new-domain auto.example untagged") || !slices.Contains(would, "monitor-mode monitor.example expired") || strings.Contains(fmt.Sprint(would), "enforce.example") {
		t.Errorf("would refuse: %q", would)
	}
	for name, want := range map[string]int{
		"reported_recipients_total": 3 * len(reportActions) * len(statusClasses), "frame_faults_total": len(wire.Faults()),
		"decision_duration_seconds": 3, "bounce_reading_duration_seconds": 1, "domain_enforced": 3, "domain_enforced_from_timestamp_seconds": 3, "domains": 6,
	} {
		if got := f.series(name); len(got) != want {
			t.Errorf("%s has %d series, want %d: %v", name, len(got), want, got)
		}
	}
}

// What mail of the usual sorts counts was there before.
func TestMailMakesNoNewSeries(t *testing.T) {
	f := start(t, modes)
	before := f.series("messages_total")
	for _, domain := range []string{"auto.example", "monitor.example", "enforce.example"} {
		f.sendMail("<user@"+domain+">", "<friend@example.org>", sentText)
		f.outsideMTA().message("<>", "<user@"+domain+">")
		f.outsideMTA().message("<>", "<prvs=1787000000=user@"+domain+">")
		f.outsideMTA().message("<friend@example.org>", "<prvs=1787000000=user@"+domain+">")
	}
	f.sendMail("<user@foreign.example>", "<friend@example.org>", sentText)
	counted := 0.0
	for labels, n := range f.series("messages_total") {
		if _, there := before[labels]; !there {
			t.Errorf("%s is new", labels)
		}
		counted += n
	}
	if counted != 13 {
		t.Errorf("%v verdicts counted, want 13", counted)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	for _, tt := range []struct {
		domains, least, most int // series in all
	}{
		{1, 100, 150}, {maxZeroDomains, 3000, 4500}, {maxZeroDomains + 1, 100, 200}, {maxDomainLabels, 2000, 2200}, {maxDomainLabels + 1, 0, 100},
	} {
		f := start(t, func(s *policy.Settings) {
			s.Domains = nil
			for i := range tt.domains {
				s.Domains = append(s.Domains, policy.Domain{Name: fmt.Sprintf("d%d.example", i), Mode: policy.ModeAuto})
			}
		})
		n := 0
		for _, family := range f.gather() {
			n += len(family.GetMetric())
		}
		if n < tt.least || n > tt.most {
			t.Errorf("%d domains: %d series, want %d to %d", tt.domains, n, tt.least, tt.most)
		}
	}
}

func TestDomainsSayFromWhenTheyAreEnforced(t *testing.T) {
	f := start(t, modes)
	enforced := func(want string) {
		t.Helper()
		if got := fmt.Sprint(f.series("domain_enforced"), f.series("domains")["true auto"]); got != want {
			t.Errorf("%s: %s, want %s", f.now().Format(time.DateOnly), got, want)
		}
	}
	from := func() float64 { return f.series("domain_enforced_from_timestamp_seconds")["auto.example"] }
	if enforced("map[auto.example auto:0 enforce.example enforce:1 monitor.example monitor:0] 0"); from() != 0 {
		t.Errorf("nothing was signed yet, and it is enforced from %v", from())
	}
	if err := f.store.Record(t.Context(), store.DayOf(testDay), "auto.example", store.Record{Key: store.Key{1}, Expires: store.DayOf(testDay) + 7}); err != nil {
		t.Fatal(err)
	}
	f.server.Prepare(t.Context())
	day := testDay.AddDate(0, 0, 8).Truncate(24 * time.Hour)
	if enforced("map[auto.example auto:0 enforce.example enforce:1 monitor.example monitor:0] 0"); from() != float64(day.Unix()) {
		t.Errorf("enforced from %v, want %v", from(), day)
	}
	f.setClock(day)
	enforced("map[auto.example auto:1 enforce.example enforce:1 monitor.example monitor:0] 1")
}

// Each message has one decision time, at whatever stage it ends, and each bounce that was read a reading time.
func TestEachMessageHasOneDecisionTime(t *testing.T) {
	st := &slowStore{Store: memory.NewWithClock(func() time.Time { return testDay })}
	f := startWith(t, st, nil, nil)
	st.f = f
	want := map[string]float64{"bounce": 0, "inbound": 0, "outbound": 0}
	reading := 0.0
	check := func(what, word string, messages, read float64) {
		t.Helper()
		want[word] += messages
		reading += read
		wait(t, what+": wrong decision times", func() bool { return maps.Equal(f.series("decision_duration_seconds"), want) })
		if got := f.series("bounce_reading_duration_seconds")[""]; got != reading {
			t.Errorf("%s: %v bounces read, want %v", what, got, reading)
		}
	}
	check("nothing came", "bounce", 0, 0)
	m := f.outsideMTA()
	m.message("<friend@example.org>", "<user@example.com>")
	check("mail that needs no decision", "inbound", 1, 0)
	m.abort()
	m.deliver("<>", "<user@example.com>", dsnText("other@example.com"))
	m.abort()
	check("a bounce", "bounce", 1, 1)
	m.message("<friend@example.org>", forged)
	check("refused at DATA", "inbound", 1, 0)
	m.data()
	check("DATA is repeated", "inbound", 0, 0)
	m.mail("<>")
	m.rcpt("<user@example.com>")
	m.abort()
	check("given up by the client", "bounce", 1, 0)
	m.mail("<>")
	m.rcpt("<user@example.com>")
	m.c.Close()
	check("connection lost", "bounce", 1, 0)
	f.sendMailNow("<user@example.com>", "<friend@example.org>", sentText)
	check("outbound", "outbound", 1, 0)
	for _, family := range f.gather() {
		if family.GetName() != "bouncefilter_decision_duration_seconds" {
			continue
		}
		sum := 0.0
		for _, m := range family.GetMetric() {
			sum += m.GetHistogram().GetSampleSum()
		}
		if st.asked == 0 || sum != st.asked.Seconds() {
			t.Errorf("%v s in all, while the store took %v", sum, st.asked)
		}
	}
}

// The mail path pays some ten nanoseconds for its histograms, and allocates nothing.
func TestDecisionTimeAllocatesNothing(t *testing.T) {
	f := start(t, nil)
	s := &session{server: f.server, msg: &message{state: f.server.state.Load(), spent: time.Millisecond}}
	if n := testing.AllocsPerRun(100, func() {
		s.msg.timed = false
		s.decisionMade()
		s.readingDone(testDay)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecisionTime(b *testing.B) {
	f := start(b, nil)
	s := &session{server: f.server, msg: &message{state: f.server.state.Load(), spent: time.Millisecond}}
	for b.Loop() {
		s.msg.timed = false
		s.decisionMade()
	}
}
