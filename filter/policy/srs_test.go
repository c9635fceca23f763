package policy

import (
	"testing"

	"github.com/bouncefilter/bouncefilter/prvs"
)

func TestIsSRS(t *testing.T) {
	for local, want := range map[string]bool{
		"SRS0=vGc4=TT=remote.example=alice":                      true,
		"srs0=vgc4=tt=remote.example=alice":                      true,
		"SRS0+vGc4=TT=remote.example=alice":                      true,
		"SRS0-vGc4=TT=remote.example=alice":                      true,
		`"SRS0=vGc4=TT=remote.example=first last"`:               true,
		"SRS0=vGc4=TT=virt.example=prvs=0787788259=user":         true,
		"SRS0=vGc4=TT=virt.example=user+prvs=0787788259":         true,
		"SRS1=aBcD=forwarder.example==vGc4=TT=remote.example=al": true,
		"SRS1+aBcD=forwarder.example=+vGc4=TT=remote.example=al": true,
		"SRS1=aBcD=forwarder.example=-vGc4=TT=remote.example=al": true,
		"SRS1=aBcD=forwarder.example=vGc4=TT=remote.example=al":  false, // nothing of the first forwarder
		"SRS1=aBcD=forwarder.example=":                           false,
		"SRS0=vGc4=TT=remote.example=":                           false,
		"SRS0=vGc4=TT=remote.example":                            false,
		"SRS0=vGc4==remote.example=alice":                        false,
		"SRS0":                                                   false,
		"SRS0=":                                                  false,
		"srs0-team":                                              false, // a user
		"srs1+list":                                              false,
		"SRS2=vGc4=TT=remote.example=alice":                      false,
		"xSRS0=vGc4=TT=remote.example=alice":                     false,
		"prvs=0787788259=SRS0=vGc4=TT=remote.example=alice":      false, // signed by a site that does not know SRS
		"":  false,
		`"`: false,
	} {
		if isSRS(local) != want {
			t.Errorf("%q: %v, want %v", local, !want, want)
		}
	}
}

// A server that forwards mail sends it under an address of its own that is not signed, and whose bounces are for it to check.
func TestForwardedMailIsLeftToSRS(t *testing.T) {
	p := testPolicy(t, func(s *Settings) { s.Domains[0].Mode = ModeEnforce })
	for _, local := range []string{
		"SRS0=vGc4=TT=example.net=alice",
		"srs0=vgc4=tt=example.net=alice",
		"SRS1=aBcD=example.org==vGc4=TT=example.net=alice",
		"SRS0=vGc4=TT=example.com=prvs=178773a1ad=user",
		"SRS0=vGc4=TT=example.com=user+prvs=178773a1ad",
	} {
		a := prvs.Address{Local: local, Domain: "example.com"}
		for _, proof := range []Proof{ProofNone, ProofAbsent, ProofSpent, ProofUnknown} {
			for _, issued := range []Issued{IssuedUnknown, IssuedYes, IssuedNo} {
				v := p.Recipient(RecipientFacts{Address: a, Proof: proof, Issued: issued}, testDay)
				if v.Reason != Exempt || v.Action != ActionAccept || v.Tag.Original != a {
					t.Errorf("bounce to %s: %v %v, delivered to %s", a, v.Reason, v.Action, v.Tag.Original)
				}
			}
		}
		if v := p.Ordinary(RecipientFacts{Address: a}, testDay); v.Reason != NoReason || v.Action != ActionNone {
			t.Errorf("ordinary mail to %s: %v %v", a, v.Reason, v.Action)
		}
		if v := p.Sender(SenderFacts{Sender: a}); v.Reason != AlreadyTagged || v.Action != ActionNone {
			t.Errorf("mail of %s: %v %v", a, v.Reason, v.Action)
		}
	}
	// One that was signed nevertheless comes back with its tag.
	srs := prvs.Address{Local: "SRS0=vGc4=TT=example.net=alice", Domain: "example.com"}
	for _, form := range []prvs.Form{prvs.Standard, prvs.SubAddress} {
		tagged, err := p.set.Keys.Sign(srs, form, prvs.DayOf(testDay))
		if err != nil {
			t.Fatal(err)
		}
		a, err := prvs.ParseAddress(tagged.Address)
		if err != nil {
			t.Fatal(err)
		}
		if v := p.Recipient(RecipientFacts{Address: a}, testDay); v.Reason != Valid || v.Tag.Original != srs {
			t.Errorf("bounce to %s: %v, delivered to %s", a, v.Reason, v.Tag.Original)
		}
	}
	// What is in another domain is none of our business.
	if v := p.Recipient(RecipientFacts{Address: prvs.Address{Local: "SRS0=vGc4=TT=example.net=alice", Domain: "example.org"}}, testDay); v.Reason != NotProtected {
		t.Errorf("bounce to the SRS address of another domain: %v", v.Reason)
	}
}
