package main

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/report"
)

// report says what a running daemon did: by its store, also once it has stopped, and by its log.
func TestReportOfADaemon(t *testing.T) {
	w := newWorld(t)
	d := w.started("mode = \"monitor\"\n")
	outside := func(to, text string) {
		t.Helper()
		if o := hand(t, d, probe.Client{Name: "mx", Address: netip.MustParseAddr("203.0.113.5")}, "", to, text); o.Refused {
			t.Fatalf("%+v", o)
		}
	}
	tagged := d.sign("user@example.com")
	outside(tagged, bounceOf(1, w.clock()))
	for i := range 3 {
		outside("user@example.com", bounceOf(2+i, w.clock()))
	}
	outside("user@example.com", order)

	build := func(args ...string) *report.Report {
		t.Helper()
		if slices.Contains(args, "--log") { // whose times are not those of the clock of the test
			behind := int(time.Since(w.clock())/(24*time.Hour)) + 1
			w.pass(behind)
			defer w.pass(-behind)
		}
		r := w.run(append([]string{"report", "--json", "--samples", "10", "-c", w.path("bouncefilter.toml")}, args...)...)
		if r.status != 0 {
			t.Fatalf("%+v", r)
		}
		var got report.Report
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
			t.Fatal(err)
		}
		return &got
	}
	ofDaemon := build()
	if x := ofDaemon.Totals; x.Signed != 2 || x.WouldBe != 3 || !slices.Contains(x.AcceptedBy, report.Count{Name: "valid", Count: 1}) || !slices.Contains(x.AcceptedBy, report.Count{Name: "no-bounce", Count: 1}) ||
		len(ofDaemon.Samples) != 3 || len(ofDaemon.Sources) != 1 || ofDaemon.Sources[0].Name != "203.0.113.0/24" {
		t.Errorf("got %+v, samples %+v", x, ofDaemon.Samples)
	}
	if ofDaemon.Verdict.State != report.NotReady || ofDaemon.Domains[0].Mode != "monitor" || ofDaemon.Failures.Count == 0 {
		t.Errorf("got %+v, failures %+v", ofDaemon.Verdict, ofDaemon.Failures)
	}
	contains(t, "the screen", w.run("report", "-c", w.path("bouncefilter.toml")).stdout, "NOT READY TO ENFORCE", "Would refuse                3  monitor-mode 3\n")

	ofDaemon.Totals.Signed-- // an earlier daemon has another log
	ofLog := build("--log", w.file("daemon.log", d.stderr.String(), 0o600))
	same := func(a, b any) bool {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return string(x) == string(y)
	}
	if !same(ofLog.Totals, ofDaemon.Totals) || !same(ofLog.Failures, ofDaemon.Failures) || !same(ofLog.Sources, ofDaemon.Sources) || !same(ofLog.Reporters, ofDaemon.Reporters) || ofLog.Origin != "log" {
		t.Errorf("the log has %+v\n%+v", ofLog.Totals, ofLog.Failures)
	}
	w.stdin = strings.NewReader(d.stderr.String())
	if r := build("--log", "-"); !same(r.Totals, ofLog.Totals) {
		t.Errorf("the standard input has %+v", r.Totals)
	}

	d.stop()
	if stopped := build(); stopped.Totals.Signed != 2 || stopped.Totals.WouldBe != 3 || !same(stopped.Hours, ofDaemon.Hours) {
		t.Errorf("the store has %+v", stopped.Totals)
	}
}

func TestReportOfTheFuture(t *testing.T) {
	w := newWorld(t)
	w.file("bouncefilter.toml", "domains = [\"example.com\"]\nstate_dir = \""+w.dir+"\"\nlisten = [\"unix:"+w.path("s")+"\"]\n", 0o600)
	r := w.run("report", "-c", w.path("bouncefilter.toml"), "--until", w.clock().AddDate(0, 0, 1).Format("2006-01-02"))
	contains(t, "the error", r.stderr, "is in the future; use "+w.clock().Format("2006-01-02"))
	if r.status != 2 {
		t.Errorf("%+v", r)
	}
}
