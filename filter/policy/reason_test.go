package policy

import (
	"strings"
	"testing"
)

// A reply that defers says so once, whatever the reason leads to by default; one that refuses for good does not.
func TestRepliesThatDeferSayTryAgain(t *testing.T) {
	for _, r := range Reasons() {
		if !r.HasReply() {
			continue
		}
		if text := r.Reply(Defer).String(); !strings.HasPrefix(text, "450 4.7.1 ") || !strings.HasSuffix(text, tryAgain) || strings.Count(text, tryAgain) != 1 {
			t.Errorf("%s: deferred with %q", r, text)
		}
		if text := r.Reply(Refuse).String(); r.Outcome() != Defer && strings.Contains(text, "try again") {
			t.Errorf("%s: refused with %q", r, text)
		}
	}
}
