package e2e

import (
	"regexp"
	"strings"
	"testing"
)

const (
	replySpent   = "450 4.7.1 Too many bounces: this address gets no further bounces for now, try again later"
	replyRevoked = "550 5.7.1 Revoked tag: this bounce to a revoked tag is not accepted"
)

// TestReplay sends bounces to a harvested tag: until it is used up, and after it was revoked. Genuine bounces of the same mail come
// in all the same.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name  string
		redis bool
	}{{"embedded store", false}, {"Redis", true}} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{redis: variant.redis, config: "\n[proof]\nbounces_at_least = 40\nbounces_per_recipient = 1\n"})
			t.Run("revoked", s.testRevoked)
			if variant.redis {
				t.Run("used up", s.testUsedUp)
			}
		})
	}
}

// harvested is a message whose tag a spammer has found.
type harvested struct {
	site   *site
	sender string
	sent   delivery
}

// harvest sends a message.
func (s *site) harvest(t *testing.T, sender string) *harvested {
	return &harvested{s, sender, s.send(t, sender, "friend@remote.example")}
}

// replay is a bounce that names no message, and the reply to it.
func (h *harvested) replay(t *testing.T) string {
	t.Helper()
	return h.site.attempt(t, "", h.sent.sender, newBounce(h.sent.sender, "Subject: the original\n"))
}

// genuine sends the bounce of the message, which must arrive.
func (h *harvested) genuine(t *testing.T) {
	t.Helper()
	(&scenario{
		to: []rcpt{{plain(h.sent.sender), ok}}, answer: postfixDSN, of: func(*testing.T, *site) string { return h.sent.text },
		mailboxes: []string{h.sender}, reason: "valid-message", action: "accept", header: "batv=pass reason=valid-message method=message-id",
	}).run(t, h.site)
}

func (s *site) testUsedUp(t *testing.T) {
	h := s.harvest(t, "user@virt.example")
	// The record must be complete since before the tag can have been issued.
	s.restart(t, s.age(t, "virt.example", 99))
	accepted := 0
	reply := ""
	for reply = h.replay(t); strings.HasPrefix(reply, ok) && accepted < 60; reply = h.replay(t) {
		accepted++
	}
	if reply != replySpent {
		t.Errorf("after %d bounces: %s", accepted, reply)
	}
	if accepted < 41 || accepted > 55 { // they are counted beside the mail path, in batches
		t.Errorf("%d bounces were accepted, expected 41", accepted)
	}
	h.genuine(t)
	if reply := h.replay(t); reply != replySpent {
		t.Errorf("after the genuine bounce: %s", reply)
	}
}

func (s *site) testRevoked(t *testing.T) {
	h := s.harvest(t, "other@virt.example")
	if reply := h.replay(t); !strings.HasPrefix(reply, ok) {
		t.Fatalf("before: %s", reply)
	}
	out, status := s.daemon.run(t, "revoke", "sender", "--config", s.daemon.config, "--note", "harvested", "other@virt.example")
	id := regexp.MustCompile("; ID ([0-9a-f]+), in effect until").FindStringSubmatch(out)
	if status != 0 || id == nil {
		t.Fatalf("exit status %d\n%s", status, out)
	}
	s.awaitRevocations(t, 1)
	if reply := h.replay(t); reply != replyRevoked {
		t.Errorf("revoked: %s", reply)
	}
	h.genuine(t)
	if out, status := s.daemon.run(t, "revoke", "list", "--config", s.daemon.config); status != 0 || !containsAll(out, []string{id[1], "all tags of <other@virt.example> that expire by", "harvested"}) {
		t.Errorf("exit status %d\n%s", status, out)
	}
	if out, status := s.daemon.run(t, "revoke", "remove", "--config", s.daemon.config, id[1]); status != 0 {
		t.Fatalf("exit status %d\n%s", status, out)
	}
	s.awaitRevocations(t, 0)
	if reply := h.replay(t); !strings.HasPrefix(reply, ok) {
		t.Errorf("not revoked any more: %s", reply)
	}
}

// awaitRevocations waits until the daemon knows so many. To ask with bounces would use up the tag.
func (s *site) awaitRevocations(t *testing.T, n float64) {
	t.Helper()
	eventually(t, "the daemon knows what is revoked", func() bool { return s.daemon.metric(t, "bouncefilter_revocations") == n })
}
