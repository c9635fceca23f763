package policy

import (
	"fmt"
	"strings"
)

// Reason says why a message or a recipient was treated as it was. The list is closed; see the table below.
type Reason uint8

// Reasons for bounces.
const (
	NoReason Reason = iota // nothing was judged

	Valid
	ValidMessage
	ValidCorrespondent
	Grace
	Exempt
	NotProtected
	Untagged
	BadSignature
	UnknownKey
	Malformed
	Expired
	NotIssued
	Revoked
	OverBudget
	NoBounce
	SeveralRecipients

	// Reasons of outbound mail: signed, or why not.
	Signed
	NullSender
	ForeignDomain
	AlreadyTagged
	ExcludedSender
	DoNotTag
	TooLong
	UnusableSender
	CannotSign
	VerifyOnly

	// Ordinary mail to a tagged recipient.
	Untag
	InvalidTag

	// Failure is counted when a callback of the milter failed and the MTA was asked to try again.
	Failure
	// Busy is counted when a message was deferred because of a limit of what the filter does at the same time.
	Busy

	reasonCount // not a reason
)

// Outcome is what a reason leads to unless configuration or mode say otherwise.
type Outcome uint8

const (
	NoOpinion Outcome = iota // the MTA decides
	Accept
	Refuse
	Defer
)

// Stage is the SMTP command at which a refusal may be given, in their order.
type Stage uint8

const (
	StageRcpt Stage = iota
	StageData
	StageEndOfMessage
)

// Reply is an SMTP reply: RFC 5321 code, RFC 3463 enhanced status code, text.
type Reply struct {
	Code     uint16
	Enhanced string
	Text     string
}

// String returns the reply as it goes to the client.
func (r Reply) String() string { return fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text) }

// reasonRow is what there is to say about one reason.
type reasonRow struct {
	word     string  // log word, metric label and configuration key
	outcome  Outcome // by default
	stage    Stage   // the earliest stage at which a refusal may be given
	reply    string  // text of the SMTP reply when refused; the codes follow from the outcome
	header   string  // result in the header of an accepted message: pass, fail, none, neutral
	sentence string  // what it means, for people
}

// reasons is the one table of everything that is said about a reason.
//
// Replies are stable and say nothing about keys or store: detail goes to the log. 5.7.1 is "delivery not authorized,
// message refused" (RFC 3463 section 3.8), which BATV section 2.4.2 leads to.
//
// A reply has two parts, and each names the reason: programs that add up the log of an MTA cut lines. Of a message that was refused
// at its end, pflogsumm shows the words before the colon; of a refusal at RCPT or DATA, and of a reply from elsewhere that is too long for it,
// what is between the colon and the next comma.
var reasons = [reasonCount]reasonRow{
	NoReason: {"none", NoOpinion, StageEndOfMessage, "", "none",
		"Nothing about this message was to be judged."},

	Valid: {"valid", Accept, StageEndOfMessage, "", "pass",
		"The recipient carries a tag that we issued and that has not expired."},
	ValidMessage: {"valid-message", Accept, StageEndOfMessage, "", "pass",
		"The message proves that it answers mail this recipient sent."},
	ValidCorrespondent: {"valid-correspondent", Accept, StageEndOfMessage, "", "pass",
		"An automatic reply from a domain this recipient wrote to lately."},
	Grace: {"grace", Accept, StageEndOfMessage, "", "neutral",
		"It would be refused, but we may be wrong, for the cause that is named."},
	Exempt: {"exempt", Accept, StageEndOfMessage, "", "none",
		"It needs no proof, for the cause that is named: its recipient, client or sender is exempt, its mail is not signed, or it is this site's own."},
	NotProtected: {"not-protected", NoOpinion, StageEndOfMessage, "", "none",
		"The recipient is not in a domain we sign for."},
	Untagged: {"untagged", Refuse, StageEndOfMessage, "No tag: this bounce to an address without a tag answers no message sent from here", "fail",
		"A bounce to an address that is signed in all mail it sends, without a tag and without another proof."},
	BadSignature: {"bad-signature", Refuse, StageEndOfMessage, "Invalid tag: this bounce to an invalid tag answers no message sent from here", "fail",
		"The recipient carries a tag whose signature is wrong."},
	UnknownKey: {"unknown-key", Refuse, StageEndOfMessage, "Invalid tag: this bounce to an invalid tag answers no message sent from here", "fail",
		"The recipient carries a tag whose key number is not in use."},
	Malformed: {"malformed", Refuse, StageEndOfMessage, "Malformed tag: this bounce to a malformed tag answers no message sent from here", "fail",
		"The recipient carries something like a tag that we never issue."},
	Expired: {"expired", Refuse, StageEndOfMessage, "Expired tag: this bounce to an expired tag comes too late", "fail",
		"The tag's signature is right, but the tag has expired, and nothing else proves the bounce."},
	// Deferred and not refused: a record that is missing may be the outage of a node that signed, which heals.
	NotIssued: {"not-issued", Defer, StageEndOfMessage, "Tag not on record: this bounce to an unrecorded tag answers no message known here, try again later", "fail",
		"The tag's signature is right, but the record, complete for that time, does not know it."},
	Revoked: {"revoked", Refuse, StageEndOfMessage, "Revoked tag: this bounce to a revoked tag is not accepted", "fail",
		"The tag, its sender or its key was revoked."},
	OverBudget: {"over-budget", Defer, StageEndOfMessage, "Too many bounces: this address gets no further bounces for now, try again later", "fail",
		"The tag, or what else proves this bounce, has proven too many: far more than mail was sent to, or more automatic replies in a day than are believed."},
	// Configurable, but accepted by default: programs send orders, codes and invitations with the null sender.
	NoBounce: {"no-bounce", Accept, StageEndOfMessage, "No bounce: mail with the null sender that is no bounce is not accepted here", "none",
		"Mail with the null sender that is neither a bounce nor an automatic reply, so that it answers nothing that could be proven."},
	SeveralRecipients: {"several-recipients", Refuse, StageEndOfMessage, "Several recipients: this bounce has several and not all of them can be proven", "fail",
		"A bounce to several recipients, of which this one could not be proven."},

	Signed: {"signed", Accept, StageEndOfMessage, "", "", "The envelope sender was signed."},
	NullSender: {"null-sender", NoOpinion, StageEndOfMessage, "", "",
		"The null sender is never signed."},
	ForeignDomain: {"foreign-domain", NoOpinion, StageEndOfMessage, "", "",
		"The sender's domain is not one we sign for."},
	AlreadyTagged: {"already-tagged", NoOpinion, StageEndOfMessage, "", "",
		"The sender carries a tag already, of BATV (section 2.4.1) or of SRS, and is left as it is."},
	ExcludedSender: {"excluded-sender", NoOpinion, StageEndOfMessage, "", "",
		"The sender is excluded from signing."},
	DoNotTag: {"do-not-tag", NoOpinion, StageEndOfMessage, "", "",
		"A recipient is on the do-not-tag list, or mail of this sender to it is not signed ([[skip]])."},
	TooLong: {"too-long", NoOpinion, StageEndOfMessage, "", "",
		"The tagged local part would exceed 64 octets (RFC 5321 section 4.5.3.1.1)."},
	UnusableSender: {"unusable-sender", NoOpinion, StageEndOfMessage, "", "",
		"The sender address cannot be parsed or has no domain."},
	CannotSign: {"cannot-sign", Defer, StageEndOfMessage, "Cannot sign: the sender must be signed and cannot be now, try again later", "",
		"The sender must be signed, but there is no signing key or the MTA does not allow a change of sender."},
	VerifyOnly: {"verify-only", NoOpinion, StageEndOfMessage, "", "",
		"Sent from here, but through a listener that signs nothing: its bounces will be refused."},

	Untag: {"untag", Accept, StageEndOfMessage, "", "",
		"Ordinary mail to a tagged address: the tag was removed."},
	InvalidTag: {"invalid-tag", Refuse, StageData, "No such address: the tag of the recipient is invalid", "",
		"Ordinary mail to an address whose tag we never made."},

	Failure: {"failure", Defer, StageRcpt, "Filter failure: this message could not be judged, try again later", "",
		"The filter failed on this message; the MTA was asked to try again."},
	Busy: {"busy", Defer, StageRcpt, "Filter busy: this message had to wait, try again later", "",
		"As many messages as may be were held in memory, or read, at the same time, and this one had to wait."},
}

// String returns the reason's word, as in logs, metrics and configuration.
func (r Reason) String() string {
	if r < reasonCount {
		return reasons[r].word
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Sentence says in words what the reason means.
func (r Reason) Sentence() string { return reasons[r].sentence }

// Outcome returns what the reason leads to by default.
func (r Reason) Outcome() Outcome { return reasons[r].outcome }

// provable says whether the content of a bounce may prove what its tag does not. A tag may be over its budget, or revoked, because
// an attacker harvested it; the bounces of mail that was sent with it are genuine all the same. Proofs that are over theirs have
// been looked at already.
func (r Reason) provable() bool {
	switch r {
	case Untagged, BadSignature, UnknownKey, Malformed, Expired, NotIssued, Revoked, OverBudget:
		return true
	}
	return false
}

// Configurable says whether the action for the reason may be configured: whether it is one of inbound mail that may be refused. Its
// default action may be milder than its outcome, see defaultAction.
func (r Reason) Configurable() bool {
	return r.HasReply() && (r.OfBounces() || r == InvalidTag)
}

// Allows says whether the action may be configured for the reason. Ordinary mail is refused or left alone: its recipients were not told
// to look at a header, and its sender would not learn of anything else.
func (r Reason) Allows(a Action) bool {
	return r.Configurable() && a >= ActionAccept && a <= ActionDiscard &&
		(r != InvalidTag || a == ActionAccept || a == ActionReject || a == ActionDefer)
}

// tryAgain is the end of each reply that defers.
const tryAgain = ", try again later"

// Reply returns the SMTP reply for a message refused (550) or deferred (450) for this reason.
func (r Reason) Reply(o Outcome) Reply {
	if o == Defer {
		text := reasons[r].reply
		if !strings.HasSuffix(text, tryAgain) { // deferred by configuration
			text += tryAgain
		}
		return Reply{450, "4.7.1", text}
	}
	return Reply{550, "5.7.1", reasons[r].reply}
}

// guessingReply is the reply to all that is deferred because tags are guessed, whatever it is.
var guessingReply = Reply{450, "4.7.1", "Too many invalid tags: further invalid tags are not judged for now, try again later"}

// Reply returns the SMTP reply for a verdict that refuses or defers.
func (v *Verdict) Reply() Reply {
	if v.Cause == Guessing {
		return guessingReply
	}
	return v.Reason.Reply(v.Outcome())
}

// defaultAction returns what the reason leads to unless configured otherwise.
func (r Reason) defaultAction() Action {
	switch {
	case r == Signed:
		return ActionSign
	case r == SeveralRecipients:
		// Dropping the recipients that cannot be proven saves the bounce for the one that can: refusing the whole message
		// would lose it.
		return ActionDiscard
	}
	return [...]Action{NoOpinion: ActionNone, Accept: ActionAccept, Refuse: ActionReject, Defer: ActionDefer}[reasons[r].outcome]
}

// OfBounces says whether the reason is one of bounces, and not of outbound or ordinary mail.
func (r Reason) OfBounces() bool { return r <= SeveralRecipients }

// Count is how many reasons there are: an array with so many elements has room for each.
const Count = int(reasonCount)

// Result returns the result in the header of an accepted message: pass, fail, none or neutral.
func (r Reason) Result() string { return reasons[r].header }

// Stage returns the earliest stage at which a refusal for the reason may be given.
func (r Reason) Stage() Stage { return reasons[r].stage }

// HasReply says whether there is an SMTP reply for the reason: whether it may refuse or defer.
func (r Reason) HasReply() bool { return reasons[r].reply != "" }

// Reasons returns all reasons, in the order of the table.
func Reasons() []Reason {
	rs := make([]Reason, reasonCount)
	for i := range rs {
		rs[i] = Reason(i)
	}
	return rs
}

// ParseReason returns the reason with the word s.
func ParseReason(s string) (Reason, error) {
	for i, row := range reasons {
		if row.word == s {
			return Reason(i), nil
		}
	}
	return NoReason, fmt.Errorf("unknown reason %q", s)
}
