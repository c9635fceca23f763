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

// pflogsumm cuts the log of Postfix: of a message refused at its end it shows 61 octets from the name of the client on, of a refusal at
// RCPT or DATA what is between the colon and the next comma. Both must tell reasons apart, but for those that an outsider must not.
func TestRepliesSurviveTheCutOfLogSummaries(t *testing.T) {
	const room = 61 - len("from unknown[255.255.255.255]: 5.7.1 ")
	texts := map[string]string{guessingReply.Text: "guessing"}
	for _, r := range Reasons() {
		if !r.HasReply() {
			continue
		}
		if r == UnknownKey {
			if text := r.Reply(Refuse).Text; text != BadSignature.Reply(Refuse).Text {
				t.Errorf("%s is told from %s by its reply %q", r, BadSignature, text)
			}
			continue
		}
		texts[r.Reply(r.Outcome()).Text] = r.String()
	}
	if len(texts) < 14 {
		t.Fatalf("only %d replies: two are the same", len(texts))
	}
	heads, rests := map[string]string{}, map[string]string{}
	for text, of := range texts {
		head, rest, found := strings.Cut(text, ": ")
		rest, _, _ = strings.Cut(rest, ",")
		if !found || strings.ContainsAny(text, ";<>") || strings.Count(text, ": ") != 1 {
			t.Errorf("%s: %q is not in two parts", of, text)
		}
		if len(head) > room {
			t.Errorf("%s: the first words %q have more than %d octets", of, head, room)
		}
		for where, part := range map[*map[string]string]string{&heads: head, &rests: rest} {
			if other := (*where)[part]; other != "" {
				t.Errorf("%s and %s share %q", of, other, part)
			}
			(*where)[part] = of
		}
	}
}
