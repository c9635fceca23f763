package e2e

import (
	"strconv"
	"strings"
	"testing"
)

// checkRecordIsEmpty holds that receiving mail writes nothing: an outsider must not be able to fill the store.
func (s *site) checkRecordIsEmpty(t *testing.T) {
	before := strings.Join(s.redis.keys(t), " ")
	m := newMessage("friend@remote.example", "user@virt.example")
	c := s.outside(t)
	c.send("friend@remote.example", []string{"user@virt.example"}, m.text)
	c.attempt("", []string{"user@virt.example"}, newBounce("user@virt.example", "").text)
	c.quit()
	s.mailbox("user@virt.example").await(t, m.mark)
	if after := strings.Join(s.redis.keys(t), " "); after != before {
		t.Errorf("incoming mail changed the keys in Redis from %q to %q", before, after)
	}
}

// checkRecord looks at what Redis holds after mail was signed: tags and messages, for a limited time, and no address or Message-ID
// that an attacker who can read Redis could use.
func (s *site) checkRecord(t *testing.T) {
	tags, messages := 0, 0
	for _, key := range s.redis.keys(t) {
		if !strings.HasPrefix(key, "bouncefilter:") {
			t.Errorf("key %q has another prefix", key)
		}
		if strings.HasPrefix(key, "bouncefilter:records:") {
			ttl, err := strconv.Atoi(strings.TrimSpace(s.redis.cli(t, "ttl", key)))
			switch days := ttl / 86400; {
			case err != nil || days < 0 || days > 100:
				t.Errorf("%s expires in %d days, expected 100 at most", key, days)
			case days >= 7 && days < 20: // shorter ones count what was believed today
				tags++
			case days >= 30 && days < 41:
				messages++ // with longer ones the daemon knows its own records
			}
		}
		text := key
		switch kind := strings.TrimSpace(s.redis.cli(t, "type", key)); kind {
		case "hash":
			text += s.redis.cli(t, "--no-raw", "hgetall", key)
		case "string":
			text += s.redis.cli(t, "--no-raw", "get", key)
		case "set":
			text += s.redis.cli(t, "--no-raw", "smembers", key)
		default:
			t.Errorf("%s is a %s, which this test cannot read", key, kind)
		}
		for _, secret := range []string{"user", "games", "office", "friend", "remote.example", "prvs", "e2e.", "client.example"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q: %s", key, secret, text)
			}
		}
	}
	if tags == 0 || messages == 0 {
		t.Errorf("no tag or no message was recorded; keys are %q", s.redis.keys(t))
	}
}
