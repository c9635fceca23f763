package main

import (
	"strings"
	"testing"
)

const (
	plainAddress  = "joe@example.org"
	taggedAddress = "prvs=0787788259=joe@example.org"
)

func TestCheckersTellRightFromWrong(t *testing.T) {
	var (
		sign   = change{what: changeSender, value: "<" + taggedAddress + ">"}
		remove = change{what: changeDelRcpt, value: "<" + taggedAddress + ">"}
		add    = change{what: changeAddRcptPar, value: "<" + plainAddress + ">"}
		header = change{what: changeInsHeader, value: "Name", more: "value"}
	)
	outbound := newMail(plainAddress, outsider, "joe")
	bounce := newBounce(taggedAddress, plainAddress)
	inbound := newMail(outsider, plainAddress, "")
	tests := []struct {
		name    string
		check   checker
		message message
		outcome outcome
		wrong   string // part of the error; empty if the outcome is right
	}{
		{"signed", checkSigned, outbound, outcome{reply: replyAccept, changes: []change{sign}}, ""},
		{"signed in the sub-address form", checkSigned, outbound, outcome{reply: replyContinue,
			changes: []change{{what: changeSender, value: "joe+prvs=0787788259@example.org"}, header}}, ""},
		{"not signed", checkSigned, outbound, outcome{reply: replyAccept}, "one new envelope sender"},
		{"signed twice", checkSigned, outbound, outcome{reply: replyAccept, changes: []change{sign, sign}}, "one new envelope sender"},
		{"signed for another user", checkSigned, outbound, outcome{reply: replyAccept,
			changes: []change{{what: changeSender, value: "<prvs=0787788259=jim@example.org>"}}}, "not a tagged form"},
		{"signed with nine digits", checkSigned, outbound, outcome{reply: replyAccept,
			changes: []change{{what: changeSender, value: "<prvs=078778825=joe@example.org>"}}}, "not a tagged form"},
		{"signed and refused", checkSigned, outbound, outcome{reply: replyTempfail, changes: []change{sign}}, "not accepted"},
		{"signed, recipient dropped", checkSigned, outbound, outcome{reply: replyAccept, changes: []change{sign, remove}}, "no other change"},

		{"untagged", checkUntagged, bounce, outcome{reply: replyAccept, changes: []change{remove, add, header}}, ""},
		{"added before deleted", checkUntagged, bounce, outcome{reply: replyAccept, changes: []change{add, remove}}, "one recipient deleted, then one added"},
		{"sender changed where the recipient should go", checkUntagged, bounce, outcome{reply: replyAccept,
			changes: []change{{what: changeSender, value: "<" + taggedAddress + ">"}, add}}, "one recipient deleted"},
		{"not untagged", checkUntagged, bounce, outcome{reply: replyAccept}, "one recipient deleted"},
		{"bounce discarded", checkUntagged, bounce, outcome{reply: replyDiscard}, "not accepted"},
		{"another recipient deleted", checkUntagged, bounce, outcome{reply: replyAccept,
			changes: []change{{what: changeDelRcpt, value: "<jim@example.org>"}, add}}, "deleted recipient"},
		{"another recipient added", checkUntagged, bounce, outcome{reply: replyAccept,
			changes: []change{remove, {what: changeAddRcpt, value: "<jim@example.org>"}}}, "added recipient"},

		{"refused with a text", checkRefused, bounce, outcome{reply: replyCode, text: "550 5.7.1 no"}, ""},
		{"refused without", checkRefused, bounce, outcome{reply: replyReject}, ""},
		{"deferred with a text", checkRefused, bounce, outcome{reply: replyCode, text: "451 4.7.1 later"}, "not refused"},
		{"deferred without", checkRefused, bounce, outcome{reply: replyTempfail}, "not refused"},
		{"forged bounce accepted", checkRefused, bounce, outcome{reply: replyAccept}, "not refused"},

		{"plain mail let through", checkPlain, inbound, outcome{reply: replyAccept, changes: []change{header}}, ""},
		{"plain mail redirected", checkPlain, inbound, outcome{reply: replyAccept, changes: []change{add}}, "unchanged"},
		{"plain mail quarantined", checkPlain, inbound, outcome{reply: replyAccept, changes: []change{{what: changeQuarantine, value: "x"}}}, "unchanged"},
		{"plain mail refused", checkPlain, inbound, outcome{reply: replyReject}, "not accepted"},

		{"nothing done", checkUntouched, inbound, outcome{reply: replyAccept}, ""},
		{"header added by the null milter", checkUntouched, inbound, outcome{reply: replyAccept, changes: []change{header}}, "did something"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.check(&tt.message, &tt.outcome)
			switch {
			case tt.wrong == "" && err != nil:
				t.Errorf("right outcome rejected: %v", err)
			case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
				t.Errorf("error %v, want one with %q", err, tt.wrong)
			}
		})
	}
}

func TestForgeChangesOneDigitOfTheSignature(t *testing.T) {
	for in, want := range map[string]string{
		"prvs=0787788259=joe@example.org": "prvs=0787788250=joe@example.org",
		"prvs=0787788250=joe@example.org": "prvs=0787788251=joe@example.org",
		"joe+prvs=078778825a@example.org": "joe+prvs=0787788250@example.org",
		signer{address: "j@o"}.invented(): "prvs=0123456780=j@o",
	} {
		if got := forge(in); got != want {
			t.Errorf("forge(%q) = %q, want %q", in, got, want)
		}
	}
}
