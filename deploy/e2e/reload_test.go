package e2e

import (
	"strings"
	"syscall"
	"testing"
)

// TestReload changes the configuration and the keys of a running daemon, as systemctl reload does.
func TestReload(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	user := scenario{to: []rcpt{{plain("other@virt.example"), ok}}}
	refused, delivered := user, user
	refused.end, refused.reason, refused.action = replyNone, "untagged", "reject"
	delivered.mailboxes, delivered.header = []string{"other@virt.example"}, "batv=fail reason=untagged"
	delivered.reason, delivered.action, delivered.wouldRefuse = "untagged", "monitor", "untagged"

	original := s.daemon.read(t)
	t.Run("before", refused.test(s))

	t.Run("a good configuration takes effect", func(t *testing.T) {
		s.daemon.write(t, strings.Replace(original, `mode = "enforce"`, `mode = "monitor"`, 1))
		s.daemon.reload(t, record{"msg": "configuration loaded"}, 1)
		delivered.run(t, s)
	})
	for _, bad := range []struct{ name, change, problem string }{
		{"an unknown option", `modus = "enforce"`, "modus"},
		{"a wrong value", `mode = "enforced"`, "enforced"},
		{"an option that needs a restart", `mode = "enforce"` + "\n" + `node = "another"`, "node"},
		{"a file that is not TOML", `mode = `, "toml:"},
	} {
		t.Run(bad.name+" leaves the old configuration in effect", func(t *testing.T) {
			s.daemon.write(t, strings.Replace(original, `mode = "enforce"`, bad.change, 1))
			r := s.daemon.reload(t, record{"level": "ERROR"}, 0)
			if !strings.Contains(r["problem"], bad.problem) || !strings.Contains(r["problem"], "bouncefilter.toml") {
				t.Errorf("the log does not name file and problem: %v", r)
			}
			delivered.run(t, s)
		})
	}
	t.Run("back to the original", func(t *testing.T) {
		s.daemon.write(t, original)
		s.daemon.reload(t, record{"msg": "configuration loaded"}, 1)
		refused.run(t, s)
	})
	t.Run("a new key signs, tags of the old one stay valid", func(t *testing.T) {
		old := s.tag(t, "user@virt.example")
		for _, command := range [][]string{{"key", "add", "--config", s.daemon.config}, {"key", "activate", "1", "--config", s.daemon.config}} {
			if out, status := s.daemon.run(t, command...); status != 0 {
				t.Fatalf("%v: exit status %d\n%s", command, status, out)
			}
		}
		s.daemon.reload(t, record{"msg": "configuration loaded"}, 1)
		clear(s.tags)
		if tag := s.tag(t, "user@virt.example"); !strings.HasPrefix(tag, "prvs=1") {
			t.Errorf("signed with another key than 1: %s", tag)
		}
		(&scenario{
			to: []rcpt{{plain(old), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "reason=valid method=tag key=0",
		}).run(t, s)
	})
}

// reload sends SIGHUP, waits for the log line that says what came of it, and compares the metric that says the same.
func (d *daemon) reload(t *testing.T, want record, successful float64) record {
	t.Helper()
	logged := d.process.out.len()
	d.process.signal(syscall.SIGHUP)
	r := d.awaitRecord(t, logged, want)
	if got := d.metric(t, "bouncefilter_config_last_reload_successful"); got != successful {
		t.Errorf("bouncefilter_config_last_reload_successful is %v, expected %v", got, successful)
	}
	return r
}
