package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// The decision table: what is known about a recipient of a message with the null sender, and what follows.
func TestRecipient(t *testing.T) {
	const (
		valid  = "prvs=178773a1ad=user@example.com" // expires on 2026-11-30
		plain  = "user@example.com"
		badSig = "prvs=1787000000=user@example.com"
		noKey  = "prvs=578773a1ad=user@example.com"
		absent = "prvs=878773a1ad=user@example.com"
		// The key is listed for another domain.
		absentFor = "prvs=978773a1ad=user@example.com"
		mangled   = "prvs=367a5aa7f=user@example.com"
		notOurs   = "prvs=178773a1ad=user@example.org"
		tooLong   = "a-local-part-that-leaves-no-room-for-the-16-octets-tag@example.com"
		newsSend  = "news@example.com"
	)
	today := prvs.DayOf(testDay)
	complete := testDay.AddDate(0, 0, -60)
	short := testDay.AddDate(0, 0, -10)
	day := testDay.AddDate(0, 0, -1)
	within := TagUse{Recipients: 3, Bounces: 69, Failed: 45, NewFailed: 1}
	spent := TagUse{Recipients: 3, Bounces: 70}
	namesMany := TagUse{Recipients: 3, Bounces: 1, Failed: 45, NewFailed: 2}
	tagRevoked := &Revocation{Kind: RevokedTag, Sender: plain, Number: 1, Until: prvs.DayOf(testDay) + 7}
	senderRevoked := &Revocation{Kind: RevokedSender, Sender: plain, Until: prvs.DayOf(testDay) + 7}
	keyRevoked := &Revocation{Kind: RevokedKey, Number: 1}
	for _, tt := range []struct {
		name     string
		mode     Mode
		to       string
		later    int // days after the test day
		issued   Issued
		proof    Proof
		complete time.Time
		signing  int // days since the domain's first signature; 0: none
		own      bool
		daemon   bool // did not come with the null sender
		refuse   bool // and may be refused nevertheless
		lists    bool // with a do-not-tag list
		silent   bool // a node is
		use      TagUse
		revoked  *Revocation
		twice    bool // another key with the number 1 is missing

		reason Reason
		would  Reason
		cause  Cause
		action Action
	}{
		// Whose mail it is.
		{name: "domain of another site", mode: ModeEnforce, to: notOurs, reason: NotProtected, action: ActionNone},

		// What the tag proves.
		{name: "valid and recorded", mode: ModeEnforce, to: valid, issued: IssuedYes, complete: complete, reason: Valid, action: ActionAccept},
		{name: "valid, store silent: the signature decides", mode: ModeEnforce, to: valid, reason: Valid, action: ActionAccept},
		{name: "valid on its last day", mode: ModeEnforce, to: valid, later: 7, reason: Valid, action: ActionAccept},
		{name: "expired the day after", mode: ModeEnforce, to: valid, later: 8, reason: Expired, action: ActionReject},
		{name: "valid, never recorded", mode: ModeEnforce, to: valid, issued: IssuedNo, complete: complete, reason: NotIssued, action: ActionDefer},
		{name: "valid, record too short to tell", mode: ModeEnforce, to: valid, issued: IssuedNo, complete: short, reason: Grace, would: NotIssued, cause: IncompleteRecord, action: ActionAccept},
		{name: "valid, store wiped", mode: ModeEnforce, to: valid, issued: IssuedNo, reason: Grace, would: NotIssued, cause: IncompleteRecord, action: ActionAccept},
		{name: "wrong signature", mode: ModeEnforce, to: badSig, reason: BadSignature, action: ActionReject},
		{name: "unknown key", mode: ModeEnforce, to: noKey, reason: UnknownKey, action: ActionReject},
		{name: "key that is missing here", mode: ModeEnforce, to: absent, reason: Grace, would: UnknownKey, cause: MissingKey, action: ActionAccept},
		{name: "key that is missing here, from mailer-daemon", mode: ModeEnforce, to: absent, daemon: true, refuse: true, reason: Grace, would: UnknownKey, cause: MissingKey, action: ActionAccept},
		{name: "key that is missing here, monitored", mode: ModeMonitor, to: absent, reason: Grace, would: UnknownKey, cause: MissingKey, action: ActionAccept},
		{name: "key of another domain that is missing here", mode: ModeEnforce, to: absentFor, reason: UnknownKey, action: ActionReject},
		{name: "wrong signature, or that of a key that is missing here", mode: ModeEnforce, to: badSig, twice: true, reason: Grace, would: UnknownKey, cause: MissingKey, action: ActionAccept},
		{name: "valid, and another key with its number is missing here", mode: ModeEnforce, to: valid, twice: true, issued: IssuedYes, complete: complete, reason: Valid, action: ActionAccept},
		{name: "malformed", mode: ModeEnforce, to: mangled, reason: Malformed, action: ActionReject},
		{name: "missing", mode: ModeEnforce, to: plain, reason: Untagged, action: ActionReject},

		// What the content proves where the tag does not.
		{name: "missing, answers a message sent by the recipient", mode: ModeEnforce, to: plain, proof: ProofMessage, complete: complete, reason: ValidMessage, action: ActionAccept},
		{name: "missing, automatic reply from a correspondent", mode: ModeEnforce, to: plain, proof: ProofCorrespondent, complete: complete, reason: ValidCorrespondent, action: ActionAccept},
		{name: "missing, answers a message that is not on record", mode: ModeEnforce, to: plain, proof: ProofAbsent, complete: complete, reason: Untagged, action: ActionReject},
		{name: "missing, proof used up", mode: ModeEnforce, to: plain, proof: ProofSpent, complete: complete, reason: OverBudget, action: ActionDefer},
		{name: "missing, store silent", mode: ModeEnforce, to: plain, proof: ProofUnknown, reason: Grace, would: Untagged, cause: StoreUnavailable, action: ActionAccept},
		{name: "missing, names nothing, store silent", mode: ModeEnforce, to: plain, reason: Untagged, action: ActionReject},
		{name: "missing, store vouches for nothing", mode: ModeEnforce, to: plain, proof: ProofAbsent, reason: Grace, would: Untagged, cause: IncompleteRecord, action: ActionAccept},
		{name: "missing, gap in the record", mode: ModeEnforce, to: plain, proof: ProofAbsent, complete: short, signing: 60, reason: Grace, would: Untagged, cause: IncompleteRecord, action: ActionAccept},
		{name: "missing, record as old as the first signature", mode: ModeEnforce, to: plain, proof: ProofAbsent, complete: short, signing: 10, reason: Untagged, action: ActionReject},
		{name: "expired, answers a message sent by the recipient", mode: ModeEnforce, to: valid, later: 20, proof: ProofMessage, complete: complete, reason: ValidMessage, action: ActionAccept},
		{name: "expired, answers a message that is not on record", mode: ModeEnforce, to: valid, later: 20, proof: ProofAbsent, complete: complete, reason: Expired, action: ActionReject},
		{name: "expired, store silent", mode: ModeEnforce, to: valid, later: 20, proof: ProofUnknown, reason: Grace, would: Expired, cause: StoreUnavailable, action: ActionAccept},
		{name: "malformed, answers a message sent by the recipient", mode: ModeEnforce, to: mangled, proof: ProofMessage, complete: complete, reason: ValidMessage, action: ActionAccept},
		{name: "never recorded, answers a message sent by the recipient", mode: ModeEnforce, to: valid, issued: IssuedNo, proof: ProofMessage, complete: complete, reason: ValidMessage, action: ActionAccept},
		{name: "wrong signature stays wrong", mode: ModeEnforce, to: badSig, proof: ProofMessage, complete: complete, reason: BadSignature, action: ActionReject},
		{name: "valid needs no proof", mode: ModeEnforce, to: valid, issued: IssuedYes, proof: ProofSpent, complete: complete, reason: Valid, action: ActionAccept},

		// How often the tag may be answered.
		{name: "valid, within its budget", mode: ModeEnforce, to: valid, issued: IssuedYes, use: within, complete: complete, reason: Valid, action: ActionAccept},
		{name: "valid, answered too often", mode: ModeEnforce, to: valid, issued: IssuedYes, use: spent, complete: complete, reason: OverBudget, action: ActionDefer},
		{name: "valid, answered about too many recipients", mode: ModeEnforce, to: valid, issued: IssuedYes, use: namesMany, complete: complete, reason: OverBudget, action: ActionDefer},
		{name: "valid, too many recipients named, none of them for the first time", mode: ModeEnforce, to: valid, issued: IssuedYes, use: TagUse{Recipients: 3, Bounces: 60, Failed: 99}, complete: complete, reason: Valid, action: ActionAccept},
		{name: "answered too often, record too short to tell", mode: ModeEnforce, to: valid, issued: IssuedYes, use: spent, complete: day, reason: Grace, would: OverBudget, cause: IncompleteRecord, action: ActionAccept},
		{name: "answered too often, record longer than the tag", mode: ModeEnforce, to: valid, issued: IssuedYes, use: spent, complete: short, reason: OverBudget, action: ActionDefer},
		{name: "answered too often, store wiped", mode: ModeEnforce, to: valid, issued: IssuedYes, use: spent, reason: Grace, would: OverBudget, cause: IncompleteRecord, action: ActionAccept},
		{name: "answered too often, but the message proves it", mode: ModeEnforce, to: valid, issued: IssuedYes, use: spent, proof: ProofMessage, complete: complete, reason: ValidMessage, action: ActionAccept},
		{name: "answered too often, and so is the message", mode: ModeEnforce, to: valid, issued: IssuedYes, use: spent, proof: ProofSpent, complete: complete, reason: OverBudget, action: ActionDefer},
		{name: "answered too often, message not on record", mode: ModeEnforce, to: valid, issued: IssuedYes, use: spent, proof: ProofAbsent, complete: complete, reason: OverBudget, action: ActionDefer},
		{name: "answered too often, monitored", mode: ModeMonitor, to: valid, issued: IssuedYes, use: spent, complete: complete, reason: OverBudget, would: OverBudget, cause: MonitorMode, action: ActionMonitor},
		{name: "answered too often, own mail", mode: ModeEnforce, to: valid, own: true, issued: IssuedYes, use: spent, complete: complete, reason: Exempt, would: OverBudget, cause: OwnMail, action: ActionAccept},

		// What is revoked.
		{name: "tag revoked", mode: ModeEnforce, to: valid, issued: IssuedYes, complete: complete, revoked: tagRevoked, reason: Revoked, action: ActionReject},
		{name: "sender revoked", mode: ModeEnforce, to: valid, issued: IssuedYes, complete: complete, revoked: senderRevoked, reason: Revoked, action: ActionReject},
		{name: "key revoked", mode: ModeEnforce, to: valid, issued: IssuedYes, complete: complete, revoked: keyRevoked, reason: Revoked, action: ActionReject},
		{name: "revoked, store silent", mode: ModeEnforce, to: valid, revoked: senderRevoked, reason: Revoked, action: ActionReject},
		{name: "revoked, never recorded, store wiped", mode: ModeEnforce, to: valid, issued: IssuedNo, revoked: senderRevoked, reason: Revoked, action: ActionReject},
		{name: "revoked, but the message proves it", mode: ModeEnforce, to: valid, issued: IssuedYes, complete: complete, revoked: tagRevoked, proof: ProofMessage, reason: ValidMessage, action: ActionAccept},
		{name: "revoked, message not on record", mode: ModeEnforce, to: valid, issued: IssuedYes, complete: complete, revoked: tagRevoked, proof: ProofAbsent, reason: Revoked, action: ActionReject},
		{name: "revoked, message used up", mode: ModeEnforce, to: valid, issued: IssuedYes, complete: complete, revoked: tagRevoked, proof: ProofSpent, reason: Revoked, action: ActionReject},
		{name: "revoked, message used up, store wiped", mode: ModeEnforce, to: valid, issued: IssuedYes, revoked: tagRevoked, proof: ProofSpent, reason: Revoked, action: ActionReject},
		{name: "revoked, names a message, store silent", mode: ModeEnforce, to: valid, revoked: tagRevoked, proof: ProofUnknown, reason: Grace, would: Revoked, cause: StoreUnavailable, action: ActionAccept},
		{name: "revoked and expired", mode: ModeEnforce, to: valid, later: 8, complete: complete, revoked: keyRevoked, reason: Expired, action: ActionReject},
		{name: "revoked, forged", mode: ModeEnforce, to: badSig, complete: complete, revoked: keyRevoked, reason: BadSignature, action: ActionReject},
		{name: "revoked, monitored", mode: ModeMonitor, to: valid, issued: IssuedYes, complete: complete, revoked: tagRevoked, reason: Revoked, would: Revoked, cause: MonitorMode, action: ActionMonitor},
		{name: "revoked, domain not signing for long enough", mode: ModeAuto, to: valid, signing: 3, issued: IssuedYes, complete: complete, revoked: tagRevoked, reason: Grace, would: Revoked, cause: NewDomain, action: ActionMonitor},
		{name: "revoked, own mail", mode: ModeEnforce, to: valid, own: true, issued: IssuedYes, complete: complete, revoked: tagRevoked, reason: Exempt, would: Revoked, cause: OwnMail, action: ActionAccept},
		{name: "another sender revoked", mode: ModeEnforce, to: valid, issued: IssuedYes, complete: complete, revoked: &Revocation{Kind: RevokedSender, Sender: "other@example.com", Until: senderRevoked.Until}, reason: Valid, action: ActionAccept},
		{name: "monitor, proven", mode: ModeMonitor, to: plain, proof: ProofMessage, complete: complete, reason: ValidMessage, action: ActionAccept},

		// Bounces that do not come with the null sender.
		{name: "from mailer-daemon, missing", mode: ModeEnforce, to: plain, daemon: true, complete: complete, reason: Untagged, would: Untagged, cause: MailerDaemon, action: ActionTag},
		{name: "from mailer-daemon, missing, to be refused", mode: ModeEnforce, to: plain, daemon: true, refuse: true, complete: complete, reason: Untagged, action: ActionReject},
		{name: "from mailer-daemon, wrong signature", mode: ModeEnforce, to: badSig, daemon: true, complete: complete, reason: BadSignature, would: BadSignature, cause: MailerDaemon, action: ActionTag},
		{name: "from mailer-daemon, valid", mode: ModeEnforce, to: valid, daemon: true, issued: IssuedYes, complete: complete, reason: Valid, action: ActionAccept},
		{name: "from mailer-daemon, monitored", mode: ModeMonitor, to: plain, daemon: true, complete: complete, reason: Untagged, would: Untagged, cause: MonitorMode, action: ActionMonitor},

		// Mail that is not signed is answered without a tag.
		{name: "address too long to be signed", mode: ModeEnforce, to: tooLong, reason: Exempt, cause: NeverSigned, action: ActionAccept},
		{name: "excluded sender", mode: ModeEnforce, to: newsSend, lists: true, reason: Exempt, cause: NeverSigned, action: ActionAccept},
		{name: "left unsigned on purpose", mode: ModeEnforce, to: plain, lists: true, issued: IssuedYes, complete: complete, reason: Exempt, cause: LeftUnsigned, action: ActionAccept},
		{name: "not left unsigned", mode: ModeEnforce, to: plain, lists: true, issued: IssuedNo, complete: complete, signing: 60, reason: Untagged, action: ActionReject},
		{name: "perhaps left unsigned: store silent", mode: ModeEnforce, to: plain, lists: true, reason: Grace, would: Untagged, cause: StoreUnavailable, action: ActionAccept},
		{name: "perhaps left unsigned: store wiped", mode: ModeEnforce, to: plain, lists: true, issued: IssuedNo, reason: Grace, would: Untagged, cause: IncompleteRecord, action: ActionAccept},
		{name: "perhaps left unsigned: gap in the record", mode: ModeEnforce, to: plain, lists: true, issued: IssuedNo, complete: short, signing: 60, reason: Grace, would: Untagged, cause: IncompleteRecord, action: ActionAccept},

		// A node is silent, and mail that it signed may be on no record yet.
		{name: "silent node: missing, answers a message that is not on record", mode: ModeEnforce, to: plain, proof: ProofAbsent, complete: complete, silent: true, reason: Untagged, cause: SilentNode, action: ActionDefer},
		{name: "silent node: expired, answers a message that is not on record", mode: ModeEnforce, to: valid, later: 20, proof: ProofAbsent, complete: complete, silent: true, reason: Expired, cause: SilentNode, action: ActionDefer},
		{name: "silent node: valid, never recorded", mode: ModeEnforce, to: valid, issued: IssuedNo, complete: complete, silent: true, reason: NotIssued, action: ActionDefer},
		{name: "silent node: perhaps left unsigned", mode: ModeEnforce, to: plain, lists: true, issued: IssuedNo, complete: complete, signing: 60, silent: true, reason: Untagged, cause: SilentNode, action: ActionDefer},
		{name: "silent node: missing, names nothing", mode: ModeEnforce, to: plain, complete: complete, silent: true, reason: Untagged, action: ActionReject},
		{name: "silent node: wrong signature", mode: ModeEnforce, to: badSig, complete: complete, silent: true, reason: BadSignature, action: ActionReject},
		{name: "silent node: valid and recorded", mode: ModeEnforce, to: valid, issued: IssuedYes, complete: complete, silent: true, reason: Valid, action: ActionAccept},
		{name: "silent node: monitor", mode: ModeMonitor, to: plain, proof: ProofAbsent, complete: complete, silent: true, reason: Untagged, would: Untagged, cause: MonitorMode, action: ActionMonitor},

		// Own mail.
		{name: "own MTA, missing tag", mode: ModeEnforce, to: plain, own: true, reason: Exempt, would: Untagged, cause: OwnMail, action: ActionAccept},
		{name: "own MTA, valid tag", mode: ModeEnforce, to: valid, own: true, issued: IssuedYes, reason: Valid, action: ActionAccept},

		// Exemptions.
		{name: "postmaster", mode: ModeEnforce, to: "Postmaster@Example.com", reason: Exempt, would: Untagged, cause: Listed, action: ActionAccept},
		{name: "postmaster with a bad tag", mode: ModeEnforce, to: "prvs=1787000000=postmaster@example.com", reason: Exempt, would: BadSignature, cause: Listed, action: ActionAccept},

		// Modes.
		{name: "monitor", mode: ModeMonitor, to: badSig, reason: BadSignature, would: BadSignature, cause: MonitorMode, action: ActionMonitor},
		{name: "monitor, valid", mode: ModeMonitor, to: valid, reason: Valid, action: ActionAccept},
		{name: "auto, never signed", mode: ModeAuto, to: plain, reason: Grace, would: Untagged, cause: NewDomain, action: ActionMonitor},
		{name: "auto, signing for a week", mode: ModeAuto, to: plain, signing: 7, reason: Grace, would: Untagged, cause: NewDomain, action: ActionMonitor},
		{name: "auto, signing for more than a lifetime", mode: ModeAuto, to: plain, signing: 8, reason: Untagged, action: ActionReject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := testPolicy(t, func(s *Settings) {
				s.Domains[0].Mode = tt.mode
				s.MailerDaemons.Refuse = tt.refuse
				s.Keys = withAbsentKeys(t, tt.twice)
				if tt.lists {
					s.DoNotTag = DoNotTagLists{Recipients: []string{"@lists.example.org"}, Senders: []string{newsSend}}
				}
			})
			a, err := prvs.ParseAddress(tt.to)
			if err != nil {
				t.Fatal(err)
			}
			var revoked *Revocations
			if tt.revoked != nil {
				revoked = NewRevocations([]*Revocation{tt.revoked})
			}
			v := p.Recipient(RecipientFacts{
				Address: a, Own: tt.own, Daemon: tt.daemon, Issued: tt.issued, Proof: tt.proof, Use: tt.use,
				Record: RecordFacts{
					CompleteSince: tt.complete, NodeSilent: tt.silent, Revoked: revoked,
					Signing: tt.signing > 0, SigningSince: today - prvs.Day(tt.signing),
				},
			}, testDay.AddDate(0, 0, tt.later))
			if v.Reason != tt.reason || v.Would != tt.would || v.Cause != tt.cause || v.Action != tt.action {
				t.Errorf("%v (would be %v, cause %q) %v, want %v (%v, %q) %v", v.Reason, v.Would, v.Cause, v.Action, tt.reason, tt.would, tt.cause, tt.action)
			}
		})
	}
}

// No mode, list, completeness or store answer makes a bounce with a valid tag that was issued, or may have been, a refused one.
func TestGenuineBounceIsNeverRefused(t *testing.T) {
	a, _ := prvs.ParseAddress("prvs=178773a1ad=user@example.com")
	n := 0
	for _, mode := range []Mode{ModeAuto, ModeMonitor, ModeEnforce} {
		p := testPolicy(t, func(s *Settings) { s.Domains[0].Mode = mode })
		for day := range 8 { // until the day of expiry
			for _, issued := range []Issued{IssuedUnknown, IssuedYes} {
				for _, since := range []time.Time{{}, testDay, testDay.AddDate(0, 0, -60)} {
					for _, own := range []bool{false, true} {
						v := p.Recipient(RecipientFacts{Address: a, Own: own, Issued: issued, Record: RecordFacts{CompleteSince: since}}, testDay.AddDate(0, 0, day))
						n++
						if v.Refuses() || v.Action != ActionAccept {
							t.Errorf("mode %v day %d issued %v complete since %v own %v: %v %v", mode, day, issued, since, own, v.Reason, v.Action)
						}
					}
				}
			}
		}
	}
	if n != 3*8*2*3*2 {
		t.Errorf("%d cases", n)
	}
}

// Every cause appears in the table above or, where the content cannot be read, in TestUnreadContent.
func TestCausesAreComplete(t *testing.T) {
	words := map[string]Cause{}
	for _, c := range Causes() {
		if c.String() == "" || c.Sentence() == "" {
			t.Errorf("cause %d has no word or sentence", c)
		}
		if other, twice := words[c.String()]; twice {
			t.Errorf("%q means %d and %d", c, c, other)
		}
		words[c.String()] = c
		if strings.ToLower(c.String()) != c.String() || strings.ContainsAny(c.String(), " _\"") {
			t.Errorf("%q is no word for logs and metrics", c)
		}
	}
	if len(words) != 12 {
		t.Errorf("%d causes", len(words))
	}
}

func TestUnreadContent(t *testing.T) {
	complete := RecordFacts{CompleteSince: testDay.AddDate(0, 0, -60)}
	v := testPolicy(t, nil).Recipient(RecipientFacts{Address: address(t, "user@example.com"), Proof: ProofUnread, Record: complete}, testDay)
	if v.Reason != Grace || v.Would != Untagged || v.Cause != UnreadContent || v.Action != ActionAccept {
		t.Errorf("%v (would be %v, cause %q) %v", v.Reason, v.Would, v.Cause, v.Action)
	}
}

func TestReasonsAreComplete(t *testing.T) {
	words := map[string]Reason{}
	for _, r := range Reasons() {
		row := reasons[r]
		if row.word == "" || row.sentence == "" {
			t.Errorf("reason %d has no word or sentence", r)
		}
		if other, twice := words[row.word]; twice {
			t.Errorf("%q means %d and %d", row.word, r, other)
		}
		words[row.word] = r
		if strings.ToLower(row.word) != row.word || strings.ContainsAny(row.word, " _\"") {
			t.Errorf("%q is no word for logs and metrics", row.word)
		}
		if got, err := ParseReason(row.word); got != r || err != nil {
			t.Errorf("ParseReason(%q): %v %v", row.word, got, err)
		}
		refuses := row.outcome == Refuse || row.outcome == Defer
		if refuses != (row.reply != "") {
			t.Errorf("%v: outcome %v and reply %q do not fit", r, row.outcome, row.reply)
		}
		if r <= SeveralRecipients && row.header == "" {
			t.Errorf("%v has no header value", r)
		}
	}
}

func TestSettingsTellEverythingThatIsWrong(t *testing.T) {
	_, err := New(Settings{
		Domains: []Domain{{Name: "example.com"}, {Name: "EXAMPLE.com"}, {Name: "a@b"}},
		Actions: map[Reason]Action{Valid: ActionReject, Untagged: ActionMonitor},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"no keys", `"EXAMPLE.com" is named twice`, `"a@b" is not a domain name`, `action for "valid"`, `"monitor" cannot be configured`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}
