package e2e

import (
	"strconv"
	"syscall"
	"testing"
)

// testSummary ends the daemon and compares its last log line with the metrics before.
func (s *site) testSummary(t *testing.T) {
	sum := func(labels ...string) int { return int(s.daemon.metric(t, "bouncefilter_messages_total", labels...)) }
	count := func(labels ...string) string { return strconv.Itoa(sum(labels...)) }
	exempt := 0.0 // refused in no mode
	for _, cause := range []string{"own-mail", "listed", "left-unsigned", "never-signed"} {
		exempt += s.daemon.metric(t, "bouncefilter_would_refuse_total", label("cause", cause))
	}
	want := record{
		"msg":                   "summary",
		"signed":                count(label("action", "sign")),
		"refused":               count(label("action", "reject")),
		"refused_untagged":      count(label("action", "reject"), label("reason", "untagged")),
		"refused_expired":       count(label("action", "reject"), label("reason", "expired")),
		"refused_bad_signature": count(label("action", "reject"), label("reason", "bad-signature")),
		"discarded":             count(label("action", "discard")),
		"would_refuse":          strconv.Itoa(int(s.daemon.metric(t, "bouncefilter_would_refuse_total") - exempt)),
	}
	for key, value := range want {
		if value == "0" {
			t.Errorf("%s is 0 after all scenarios", key)
		}
	}
	if status := s.daemon.process.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("exit status after SIGTERM is %d", status)
	}
	records := s.daemon.records(0)
	if last := records[len(records)-1]; !last.has(want) || last["interval"] == "" {
		t.Errorf("the last log line is %v, expected %v", last, want)
	}
	t.Logf("%v", records[len(records)-1])
}
