package policy

import (
	"net/netip"
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
		content  Content
		unclear  bool   // only weak signs say so
		names    bool   // it names a message that it answers
		unproven uint32 // messages within the allowance today
		refuseNB bool   // no-bounce is to be refused
		twice    bool   // another key with the number 1 is missing
		wrong    uint32 // wrong tags came today, where 100 are refused for what they are
		cover    Cover

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
		{name: "wrong signature, answers a message sent by the recipient", mode: ModeEnforce, to: badSig, proof: ProofMessage, complete: complete, reason: ValidMessage, action: ActionAccept},
		{name: "wrong signature, answers a message that is not on record", mode: ModeEnforce, to: badSig, proof: ProofAbsent, complete: complete, reason: BadSignature, action: ActionReject},
		{name: "wrong signature, gap in the record", mode: ModeEnforce, to: badSig, proof: ProofAbsent, complete: short, signing: 60, reason: Grace, would: BadSignature, cause: IncompleteRecord, action: ActionAccept},
		{name: "wrong signature, store silent", mode: ModeEnforce, to: badSig, proof: ProofUnknown, reason: Grace, would: BadSignature, cause: StoreUnavailable, action: ActionAccept},
		{name: "unknown key, automatic reply from a correspondent", mode: ModeEnforce, to: noKey, proof: ProofCorrespondent, complete: complete, reason: ValidCorrespondent, action: ActionAccept},
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

		// What is no bounce, whatever the tag.
		{name: "no bounce", mode: ModeEnforce, to: plain, content: ContentOther, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, monitored", mode: ModeMonitor, to: plain, content: ContentOther, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, domain not signing for long enough", mode: ModeAuto, to: plain, content: ContentOther, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, answers a message that is not on record", mode: ModeEnforce, to: plain, content: ContentOther, proof: ProofAbsent, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, answers a message that is used up", mode: ModeEnforce, to: plain, content: ContentOther, proof: ProofSpent, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, answers a message sent by the recipient", mode: ModeEnforce, to: plain, content: ContentOther, proof: ProofMessage, complete: complete, reason: ValidMessage, action: ActionAccept},
		{name: "no bounce, store silent", mode: ModeEnforce, to: plain, content: ContentOther, proof: ProofUnknown, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, wrong signature", mode: ModeEnforce, to: badSig, content: ContentOther, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, revoked tag", mode: ModeEnforce, to: valid, issued: IssuedYes, revoked: tagRevoked, content: ContentOther, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, tag answered too often", mode: ModeEnforce, to: valid, issued: IssuedYes, use: spent, content: ContentOther, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, valid tag", mode: ModeEnforce, to: valid, issued: IssuedYes, content: ContentOther, complete: complete, reason: Valid, action: ActionAccept},
		{name: "no bounce, key missing here", mode: ModeEnforce, to: absent, content: ContentOther, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "no bounce, not wanted", mode: ModeEnforce, to: plain, content: ContentOther, refuseNB: true, complete: complete, reason: NoBounce, action: ActionReject},
		{name: "no bounce, not wanted, monitored", mode: ModeMonitor, to: plain, content: ContentOther, refuseNB: true, complete: complete, reason: NoBounce, would: NoBounce, cause: MonitorMode, action: ActionMonitor},
		{name: "no bounce, not wanted, domain not signing for long enough", mode: ModeAuto, to: plain, content: ContentOther, refuseNB: true, reason: Grace, would: NoBounce, cause: NewDomain, action: ActionMonitor},
		{name: "no bounce, not wanted, postmaster", mode: ModeEnforce, to: "postmaster@example.com", content: ContentOther, refuseNB: true, reason: Exempt, would: NoBounce, cause: Listed, action: ActionAccept},
		{name: "no bounce, not wanted, own mail", mode: ModeEnforce, to: plain, own: true, content: ContentOther, refuseNB: true, reason: Exempt, would: NoBounce, cause: OwnMail, action: ActionAccept},

		// What can neither be proven nor told from backscatter.
		{name: "reply that names nothing", mode: ModeEnforce, to: plain, content: ContentReply, proof: ProofAbsent, complete: complete, reason: Grace, would: Untagged, cause: Allowance, action: ActionTag},
		{name: "reply that names nothing, the last one", mode: ModeEnforce, to: plain, content: ContentReply, unproven: 2, proof: ProofAbsent, complete: complete, reason: Grace, would: Untagged, cause: Allowance, action: ActionTag},
		{name: "reply that names nothing, one too many", mode: ModeEnforce, to: plain, content: ContentReply, unproven: 3, proof: ProofAbsent, complete: complete, reason: Untagged, action: ActionReject},
		{name: "reply that names nothing, one too many, silent node", mode: ModeEnforce, to: plain, content: ContentReply, unproven: 3, proof: ProofAbsent, complete: complete, silent: true, reason: Untagged, cause: SilentNode, action: ActionDefer},
		{name: "reply that names another message", mode: ModeEnforce, to: plain, content: ContentReply, names: true, proof: ProofAbsent, complete: complete, reason: Untagged, action: ActionReject},
		{name: "reply that names nothing, wrong signature", mode: ModeEnforce, to: badSig, content: ContentReply, proof: ProofAbsent, complete: complete, reason: Grace, would: BadSignature, cause: Allowance, action: ActionTag},
		{name: "reply that names nothing, revoked", mode: ModeEnforce, to: valid, issued: IssuedYes, revoked: tagRevoked, content: ContentReply, proof: ProofAbsent, complete: complete, reason: Revoked, action: ActionReject},
		{name: "reply that names nothing, never recorded", mode: ModeEnforce, to: valid, issued: IssuedNo, content: ContentReply, proof: ProofAbsent, complete: complete, reason: NotIssued, action: ActionDefer},
		{name: "reply that names nothing, correspondent's replies used up", mode: ModeEnforce, to: plain, content: ContentReply, proof: ProofSpent, complete: complete, reason: OverBudget, action: ActionDefer},
		{name: "reply that names nothing, store silent", mode: ModeEnforce, to: plain, content: ContentReply, proof: ProofUnknown, reason: Grace, would: Untagged, cause: StoreUnavailable, action: ActionAccept},
		{name: "reply that names nothing, gap in the record", mode: ModeEnforce, to: plain, content: ContentReply, proof: ProofAbsent, complete: short, signing: 60, reason: Grace, would: Untagged, cause: IncompleteRecord, action: ActionAccept},
		{name: "reply that names nothing, monitored", mode: ModeMonitor, to: plain, content: ContentReply, proof: ProofAbsent, complete: complete, reason: Untagged, would: Untagged, cause: MonitorMode, action: ActionMonitor},
		{name: "perhaps a bounce", mode: ModeEnforce, to: plain, content: ContentBounce, unclear: true, unproven: 49, complete: complete, reason: Grace, would: Untagged, cause: Allowance, action: ActionTag},
		{name: "perhaps a bounce, one too many", mode: ModeEnforce, to: plain, content: ContentBounce, unclear: true, unproven: 50, complete: complete, reason: Untagged, action: ActionReject},
		{name: "perhaps a reply, names another message", mode: ModeEnforce, to: plain, content: ContentReply, unclear: true, names: true, unproven: 49, proof: ProofAbsent, complete: complete, reason: Grace, would: Untagged, cause: Allowance, action: ActionTag},
		{name: "perhaps a reply, revoked", mode: ModeEnforce, to: valid, issued: IssuedYes, revoked: tagRevoked, content: ContentReply, unclear: true, complete: complete, reason: Revoked, action: ActionReject},
		{name: "bounce that names nothing", mode: ModeEnforce, to: plain, content: ContentBounce, complete: complete, reason: Untagged, action: ActionReject},

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

		// So many wrong tags came that no further one is told from a right one.
		{name: "guessed: the last one that is told", mode: ModeEnforce, to: badSig, wrong: 100, cover: CoverIssued, complete: complete, reason: BadSignature, action: ActionReject},
		{name: "guessed: the first one that is not", mode: ModeEnforce, to: badSig, wrong: 101, complete: complete, reason: BadSignature, cause: Guessing, action: ActionDefer},
		{name: "guessed: covers right ones", mode: ModeEnforce, to: badSig, wrong: 101, cover: CoverIssued, complete: complete, reason: BadSignature, cause: Guessing, action: ActionDiscard},
		{name: "guessed: covers right ones that were not issued", mode: ModeEnforce, to: badSig, wrong: 101, cover: CoverUnissued, complete: complete, reason: BadSignature, cause: Guessing, action: ActionDefer},
		{name: "guessed: expired", mode: ModeEnforce, to: valid, later: 8, wrong: 101, cover: CoverIssued, complete: complete, reason: Expired, cause: Guessing, action: ActionDefer},
		{name: "guessed: covers right ones, message not on record", mode: ModeEnforce, to: badSig, wrong: 101, cover: CoverIssued, proof: ProofAbsent, complete: complete, reason: BadSignature, cause: Guessing, action: ActionDiscard},
		{name: "guessed: covers right ones, message not on record, silent node", mode: ModeEnforce, to: badSig, wrong: 101, cover: CoverIssued, proof: ProofAbsent, complete: complete, silent: true, reason: BadSignature, cause: SilentNode, action: ActionDefer},
		{name: "guessed: message used up", mode: ModeEnforce, to: badSig, wrong: 101, cover: CoverIssued, proof: ProofSpent, complete: complete, reason: OverBudget, action: ActionDefer},
		{name: "guessed: covers right ones, from a mailer daemon", mode: ModeEnforce, to: badSig, daemon: true, refuse: true, wrong: 101, cover: CoverIssued, complete: complete, reason: BadSignature, cause: Guessing, action: ActionTag},
		{name: "guessed: no bounce, not wanted", mode: ModeEnforce, to: badSig, wrong: 101, content: ContentOther, refuseNB: true, complete: complete, reason: NoBounce, cause: Guessing, action: ActionDefer},
		{name: "guessed: no bounce", mode: ModeEnforce, to: badSig, wrong: 101, cover: CoverIssued, content: ContentOther, complete: complete, reason: NoBounce, action: ActionAccept},
		{name: "guessed: answers a message sent by the recipient", mode: ModeEnforce, to: badSig, wrong: 101, cover: CoverIssued, proof: ProofMessage, complete: complete, reason: ValidMessage, action: ActionAccept},
		{name: "guessed: valid", mode: ModeEnforce, to: valid, wrong: 1e6, issued: IssuedYes, complete: complete, reason: Valid, action: ActionAccept},
		{name: "guessed: valid, store silent", mode: ModeEnforce, to: valid, wrong: 1e6, reason: Valid, action: ActionAccept},
		{name: "guessed: valid, never recorded", mode: ModeEnforce, to: valid, wrong: 101, cover: CoverIssued, issued: IssuedNo, complete: complete, reason: NotIssued, cause: Guessing, action: ActionDefer},
		{name: "guessed: missing", mode: ModeEnforce, to: plain, wrong: 101, complete: complete, reason: Untagged, action: ActionReject},
		{name: "guessed: unknown key", mode: ModeEnforce, to: noKey, wrong: 101, complete: complete, reason: UnknownKey, action: ActionReject},
		{name: "guessed: monitored", mode: ModeMonitor, to: badSig, wrong: 101, complete: complete, reason: BadSignature, would: BadSignature, cause: MonitorMode, action: ActionMonitor},

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
				s.Proofs.BouncesAtLeast = 40
				if tt.refuseNB {
					s.Actions = map[Reason]Action{NoBounce: ActionReject}
				}
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
				WrongTags: tt.wrong, Cover: tt.cover,
				Content: tt.content, Unclear: tt.unclear, Anonymous: tt.content != ContentUnknown && !tt.names, Unproven: tt.unproven,
				Record: RecordFacts{
					CompleteSince: tt.complete, NodeSilent: tt.silent, Revoked: revoked,
					Signing: tt.signing > 0, SigningSince: today - prvs.Day(tt.signing),
				},
			}, testDay.AddDate(0, 0, tt.later))
			if v.Reason != tt.reason || v.Would != tt.would || v.Cause != tt.cause || v.Action != tt.action {
				t.Errorf("%v (would be %v, cause %q) %v, want %v (%v, %q) %v", v.Reason, v.Would, v.Cause, v.Action, tt.reason, tt.would, tt.cause, tt.action)
			}
			if v.Cause == Guessing && v.ByAbsence {
				t.Error("other nodes are waited for")
			}
			if v.Spent != strings.Contains(tt.name, "one too many") {
				t.Errorf("the allowance is used up: %v", v.Spent)
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
	if len(words) != 14 {
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

// Mail with a sender is refused for a tag that we never made, and for nothing else.
func TestOrdinary(t *testing.T) {
	const (
		badSig = "prvs=1787000000=user@example.com"
		noKey  = "prvs=578773a1ad=user@example.com"
	)
	client := netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		name   string
		to     string
		later  int
		mode   Mode
		own    bool
		from   string
		accept bool // [actions] invalid-tag = "accept"
		wrong  uint32
		cover  Cover
		any    bool // the MTA takes all for users

		reason Reason
		would  Reason
		cause  Cause
		action Action
		untags bool
	}{
		{name: "another site's", to: "prvs=1787000000=user@example.org", reason: NotProtected, action: ActionNone},
		{name: "no tag", to: "user@example.com", reason: NoReason, action: ActionNone},
		{name: "valid", to: "prvs=178773a1ad=user@example.com", reason: Untag, action: ActionAccept, untags: true},
		{name: "expired", to: "prvs=178773a1ad=user@example.com", later: 90, reason: Untag, action: ActionAccept, untags: true},
		{name: "key missing here", to: "prvs=878773a1ad=user@example.com", reason: Untag, action: ActionAccept, untags: true},
		{name: "a mailbox with a strange name", to: "prvs=12=user@example.com", reason: NoReason, action: ActionNone},
		{name: "wrong signature", to: badSig, reason: InvalidTag, action: ActionReject},
		{name: "unknown key", to: noKey, reason: InvalidTag, action: ActionReject},
		{name: "wrong signature, from here", to: badSig, own: true, reason: Exempt, would: InvalidTag, cause: OwnMail, action: ActionAccept},
		{name: "wrong signature, monitored", to: badSig, mode: ModeMonitor, reason: InvalidTag, would: InvalidTag, cause: MonitorMode, action: ActionMonitor},
		{name: "wrong signature, domain not signing for long enough", to: badSig, mode: ModeAuto, reason: Grace, would: InvalidTag, cause: NewDomain, action: ActionMonitor},
		{name: "wrong signature, exempt recipient", to: "prvs=1787000000=postmaster@example.com", reason: Exempt, would: InvalidTag, cause: Listed, action: ActionAccept},
		{name: "wrong signature, exempt sender", to: badSig, from: "<a@partner.example>", reason: Exempt, would: InvalidTag, cause: Listed, action: ActionAccept},
		{name: "guessed: the last one that is told", to: badSig, wrong: 100, cover: CoverIssued, reason: InvalidTag, action: ActionReject},
		{name: "guessed: the first one that is not", to: badSig, wrong: 101, reason: InvalidTag, cause: Guessing, action: ActionDefer},
		{name: "guessed: covers right ones", to: badSig, wrong: 101, cover: CoverUnissued, reason: InvalidTag, cause: Guessing, action: ActionAccept, untags: true},
		{name: "guessed: covers right ones, perhaps of no user", to: badSig, wrong: 101, cover: CoverUnissued, any: true, reason: InvalidTag, cause: Guessing, action: ActionDefer},
		{name: "valid, perhaps of no user", to: "prvs=178773a1ad=user@example.com", any: true, reason: Untag, action: ActionAccept, untags: true},
		{name: "guessed: valid", to: "prvs=178773a1ad=user@example.com", wrong: 1e6, cover: CoverIssued, reason: Untag, action: ActionAccept, untags: true},
		{name: "guessed: from here", to: badSig, own: true, wrong: 101, cover: CoverIssued, reason: Exempt, would: InvalidTag, cause: OwnMail, action: ActionAccept},
		{name: "guessed: accepted here", to: badSig, accept: true, wrong: 101, reason: InvalidTag, action: ActionAccept},
		{name: "wrong signature, accepted here", to: badSig, accept: true, reason: InvalidTag, action: ActionAccept},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := testPolicy(t, func(s *Settings) {
				if s.Domains[0].Mode = tt.mode; tt.mode == ModeAuto && tt.cause != NewDomain {
					s.Domains[0].Mode = ModeEnforce
				}
				s.Keys = withAbsentKeys(t, false)
				s.Exempt.Senders = []string{"@partner.example"}
				if tt.accept {
					s.Actions = map[Reason]Action{InvalidTag: ActionAccept}
				}
			})
			v := p.Ordinary(RecipientFacts{Address: address(t, tt.to), Client: client, Sender: tt.from, Own: tt.own, WrongTags: tt.wrong, Cover: tt.cover, AnyUser: tt.any}, testDay.AddDate(0, 0, tt.later))
			if v.Reason != tt.reason || v.Would != tt.would || v.Cause != tt.cause || v.Action != tt.action {
				t.Errorf("%v (would be %v, cause %q) %v, want %v (%v, %q) %v", v.Reason, v.Would, v.Cause, v.Action, tt.reason, tt.would, tt.cause, tt.action)
			}
			if tt.untags && !v.Untags() {
				t.Error("the tag stays")
			}
			if v.UntagsOrdinary() != tt.untags {
				t.Errorf("the tag is removed from ordinary mail: %v", !tt.untags)
			}
		})
	}
}

// The MTA is asked for replies to RCPT, and a wrong tag refused there, only where the operator wants it.
func TestRefusesAt(t *testing.T) {
	for _, atRcpt := range []bool{false, true} {
		p := testPolicy(t, func(s *Settings) { s.RefuseBadTagAtRcpt = atRcpt })
		bad := p.Recipient(RecipientFacts{Address: address(t, "prvs=1787000000=user@example.com")}, testDay)
		ordinary := p.Ordinary(RecipientFacts{Address: address(t, "prvs=1787000000=user@example.com")}, testDay)
		plain := p.Recipient(RecipientFacts{Address: address(t, "user@example.com")}, testDay)
		got := [...]Stage{p.RefusesAt(&bad), p.RefusesAt(&ordinary), p.RefusesAt(&plain)}
		want := [...]Stage{StageEndOfMessage, StageData, StageEndOfMessage}
		if atRcpt {
			want = [...]Stage{StageRcpt, StageRcpt, StageEndOfMessage}
		}
		if got != want {
			t.Errorf("at RCPT %v: %v, want %v", atRcpt, got, want)
		}
	}
}

// The allowance is used before a message is deferred, too: what comes again and again until its sender gives up is lost as well.
func TestAllowanceBeforeDeferral(t *testing.T) {
	p := testPolicy(t, func(s *Settings) { s.Actions = map[Reason]Action{Untagged: ActionDefer} })
	f := RecipientFacts{Address: address(t, "user@example.com"), Content: ContentReply, Anonymous: true, Record: RecordFacts{CompleteSince: testDay.AddDate(0, 0, -60)}}
	if v := p.Recipient(f, testDay); v.Cause != Allowance || v.Action != ActionTag {
		t.Errorf("within the allowance: %v (cause %q) %v", v.Reason, v.Cause, v.Action)
	}
	f.Unproven = 3
	if v := p.Recipient(f, testDay); v.Reason != Untagged || v.Action != ActionDefer {
		t.Errorf("one more: %v (cause %q) %v", v.Reason, v.Cause, v.Action)
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
		refuses := row.outcome == Refuse || row.outcome == Defer || r == NoBounce
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
		Actions: map[Reason]Action{Valid: ActionReject, Untagged: ActionMonitor, InvalidTag: ActionQuarantine},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"no keys", `"EXAMPLE.com" is named twice`, `"a@b" is not a domain name`, `action for "valid"`, `"monitor" cannot be configured`, `action for "invalid-tag": "quarantine" cannot be configured`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}
