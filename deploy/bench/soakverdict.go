package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// A fate is what became of one try.
type fate int

const (
	fateAccepted   fate = iota
	fateDeferred        // the milter asks to come again
	fateRefused         // for good
	fateUnanswered      // no connection, no answer in time, or one that is no answer
	fateReset           // the soak itself has reset the connection
	fates
)

func (f fate) String() string {
	return [...]string{"accepted", "deferred", "refused", "unanswered", "reset"}[f]
}

// settles says whether a letter of the kind is done after such a try. Who forges bounces does not try again.
func (f fate) settles(k mailKind) bool {
	return f == fateAccepted || f == fateRefused || f == fateDeferred && k == kindForged
}

// judgement is what an answer of the milter comes to.
type judgement struct {
	fate fate
	word string // why: of an accepted bounce or receipt its cause, or else its reason; of a deferral the reply
	err  error  // the verdict is wrong
}

// judgeAnswer compares the answer with what must become of a message of the kind.
func judgeAnswer(k mailKind, m *message, o *outcome) judgement {
	j := judgement{fate: fateRefused}
	switch {
	case o.accepted():
		j.fate, j.word = fateAccepted, verdictWord(o)
		j.err = acceptable(k, m, o, j.word)
	case o.reply == replyTempfail, o.reply == replyCode && o.text[0] == '4':
		j.fate, j.word = fateDeferred, o.text
	case !o.refused(): // discarded, or the milter shuts down
		j.err = errors.New("the message is gone without a word to its client")
	case k != kindForged:
		j.err = fmt.Errorf("%v message was refused", k)
	}
	if j.err != nil {
		j.err = fmt.Errorf("%w: <%s> to <%s>: %v", j.err, m.sender, m.recipient, o)
	}
	return j
}

// acceptable says what is wrong with a message that was accepted, if anything is.
func acceptable(k mailKind, m *message, o *outcome, word string) error {
	switch k {
	case kindOutbound:
		return checkSigned(m, o)
	case kindTagged, kindBounce:
		return checkUntagged(m, o)
	case kindInbound, kindReceipt:
		return checkPlain(m, o)
	}
	if !slices.Contains(excuses(), word) {
		return fmt.Errorf("a forged bounce was accepted without a cause (%q)", word)
	}
	return nil
}

// excuses are the causes for which a forged bounce may be delivered while faults last.
func excuses() []string {
	return []string{"cause=incomplete-record", "cause=store-unavailable", "cause=missing-key"}
}

var (
	causeInHeader  = regexp.MustCompile(` (cause=[a-z-]+)`)
	reasonInHeader = regexp.MustCompile(` (reason=[a-z-]+)`)
)

// verdictWord returns what the header with the verdict says about an accepted bounce: its cause, or else its reason, or "" if
// there is no such header.
func verdictWord(o *outcome) string {
	for _, c := range o.changes {
		if c.what != changeInsHeader || c.value != "X-Bouncefilter" {
			continue
		}
		for _, form := range []*regexp.Regexp{causeInHeader, reasonInHeader} {
			if m := form.FindStringSubmatch(c.more); m != nil {
				return m[1]
			}
		}
	}
	return ""
}
