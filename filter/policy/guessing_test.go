package policy

import (
	"testing"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// However many wrong tags came, nothing changes but the answer to a wrong tag, and to a right one that was not issued or has expired: none
// of these is accepted otherwise. So no history of guesses locks a genuine bounce out. Only a bounce with the null sender is dropped, and only
// one that nothing proves.
func TestGuessesChangeNoOtherVerdict(t *testing.T) {
	var addresses []prvs.Address
	for _, to := range []string{"user@example.com", "prvs=178773a1ad=user@example.com", "prvs=1787000000=user@example.com", "prvs=578773a1ad=user@example.com",
		"prvs=878773a1ad=user@example.com", "prvs=1787000000=postmaster@example.com"} {
		addresses = append(addresses, address(t, to))
	}
	changed := map[Reason]int{}
	for _, mode := range []Mode{ModeEnforce, ModeAuto} {
		for _, action := range []Action{ActionDefault, ActionDefer, ActionTag} {
			p := testPolicy(t, func(s *Settings) {
				s.Domains[0].Mode, s.Keys = mode, withAbsentKeys(t, false)
				s.MailerDaemons.Refuse = true
				if action != ActionDefault {
					s.Actions = map[Reason]Action{BadSignature: action, NotIssued: action}
				}
			})
			for facts := range recipientFacts(addresses) {
				for _, later := range []int{0, 8} {
					now := testDay.AddDate(0, 0, later)
					before := [...]Verdict{p.Recipient(facts, now), p.Ordinary(facts, now)}
					facts.WrongTags = 1e6
					for facts.Cover = CoverNone; facts.Cover <= CoverIssued; facts.Cover++ {
						for i, v := range [...]Verdict{p.Recipient(facts, now), p.Ordinary(facts, now)} {
							unissued := before[i].Reason == NotIssued || before[i].Reason == Expired
							wrong := before[i].Tag.Status == prvs.BadSignature || unissued
							switch {
							case v == before[i]:
							case !before[i].Refuses() || !wrong || v.Cause != Guessing:
								t.Fatalf("%+v\nwithout guesses %+v\nwith           %+v", facts, before[i], v)
							case v.Action == ActionDiscard && (i == 1 || facts.Daemon || unissued || facts.Cover != CoverIssued || before[i].Reason == OverBudget):
								t.Fatalf("%+v is dropped", facts)
							case v.Action == ActionAccept && (i == 0 || facts.Cover == CoverNone):
								t.Fatalf("%+v is accepted", facts)
							default:
								changed[v.Reason]++
							}
						}
					}
					facts.WrongTags, facts.Cover = 0, CoverNone
				}
			}
		}
	}
	for _, r := range []Reason{BadSignature, NotIssued, Expired, InvalidTag} {
		if changed[r] == 0 {
			t.Errorf("no verdict %v has changed", r)
		}
	}
	if changed[OverBudget] > 0 {
		t.Errorf("%d bounces are judged otherwise whose proof is used up", changed[OverBudget])
	}
}

// recipientFacts yields facts of all sorts about each of the addresses.
func recipientFacts(addresses []prvs.Address) func(yield func(RecipientFacts) bool) {
	return func(yield func(RecipientFacts) bool) {
		for _, a := range addresses {
			for issued := IssuedUnknown; issued <= IssuedNo; issued++ {
				for proof := ProofNone; proof <= ProofSpent; proof++ {
					for content := ContentUnknown; content <= ContentOther; content++ {
						for bits := range 1 << 4 {
							f := RecipientFacts{Address: a, Issued: issued, Proof: proof, Content: content, Own: bits&1 != 0, Daemon: bits&2 != 0}
							f.Record.NodeSilent = bits&4 != 0
							if bits&8 != 0 {
								f.Record.CompleteSince = testDay.AddDate(0, 0, -90)
							}
							if !yield(f) {
								return
							}
						}
					}
				}
			}
		}
	}
}

// Of several recipients the one with a right tag gets its bounce, however many wrong ones are deferred beside it.
func TestGuessesBesideARightTag(t *testing.T) {
	p := testPolicy(t, nil)
	valid := Verdict{Reason: Valid, Action: ActionAccept, Tag: prvs.Result{Status: prvs.Valid}}
	wrong := Verdict{Reason: BadSignature, Cause: Guessing, Action: ActionDefer, Tag: prvs.Result{Status: prvs.BadSignature}}
	p.SeveralRecipients([]*Verdict{&valid, &wrong})
	if valid.Action != ActionAccept || wrong.Reason != SeveralRecipients || wrong.Action != ActionDiscard {
		t.Errorf("%v %v, %v %v", valid.Reason, valid.Action, wrong.Reason, wrong.Action)
	}
}
