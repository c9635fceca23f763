package policy_test

import (
	"fmt"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// The same forged bounce is refused while the record of sent mail is complete, and accepted when the message that it names may
// be missing from the record.
func Example() {
	keys, err := prvs.NewRing([]prvs.Key{{Number: 1, State: prvs.StateSign, Secret: []byte("secret")}}, prvs.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := policy.New(policy.Settings{
		Domains: []policy.Domain{{Name: "example.com", Mode: policy.ModeEnforce}},
		Keys:    keys,
		Proofs:  policy.DefaultProofs(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	facts := policy.RecipientFacts{
		Address: prvs.Address{Local: "user", Domain: "example.com"}, // no tag
		Proof:   policy.ProofAbsent,                                 // the message that the bounce names is not on record
		Record: policy.RecordFacts{
			Signing: true, SigningSince: prvs.DayOf(now) - 100, // the domain's first signature
			CompleteSince: now.AddDate(0, 0, -100),
		},
	}
	v := p.Recipient(facts, now)
	fmt.Println(v.Action, "for", v.Reason)

	facts.Record.CompleteSince = now.AddDate(0, 0, -2) // records were lost two days ago
	v = p.Recipient(facts, now)
	fmt.Println(v.Action, "for", v.Reason, "because of", v.Cause)
	// Output:
	// reject for untagged
	// accept for grace because of incomplete-record
}
