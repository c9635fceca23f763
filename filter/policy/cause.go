package policy

import "fmt"

// Cause says why a bounce that proves nothing is not refused. The list is closed; see the table below. A [Verdict] that spares such a
// bounce, or only defers it, names one.
type Cause uint8

const (
	NoCause Cause = iota

	// We may be wrong: the verdict's reason is [Grace].
	MissingKey
	IncompleteRecord
	StoreUnavailable
	UnreadContent
	NewDomain

	// Nothing proves it, and nothing speaks against it either.
	Allowance

	// We may be wrong for a moment: the client is asked to try again.
	SilentNode

	// The answer must not tell a guessed tag from a right one: the client is asked to try again, or a wrong one is accepted as well.
	Guessing

	// It needs no proof: the verdict's reason is [Exempt].
	OwnMail
	Listed
	LeftUnsigned
	NeverSigned

	// The site does not want it refused.
	MonitorMode
	MailerDaemon

	causeCount // not a cause
)

// CauseCount is how many causes there are, [NoCause] included: an array with so many elements has room for each.
const CauseCount = int(causeCount)

// causeRow is what there is to say about one cause.
type causeRow struct {
	word     string // log word, metric label and header value
	reason   Reason // of the verdict; NoReason if it stays what is proven
	action   Action
	sentence string // what it means, for people
}

// causes is the one table of everything that is said about a cause, and of what follows from it.
var causes = [causeCount]causeRow{
	NoCause: {"", NoReason, ActionNone, ""},

	MissingKey: {"missing-key", Grace, ActionAccept,
		"The key of the tag is missing here, so that the tag cannot be verified."},
	IncompleteRecord: {"incomplete-record", Grace, ActionAccept,
		"The record does not reach back far enough, or may lack mail of that time, so that nothing follows from what is not on it."},
	StoreUnavailable: {"store-unavailable", Grace, ActionAccept,
		"The store did not answer. The record might have proven the bounce."},
	UnreadContent: {"unread-content", Grace, ActionAccept,
		"The content cannot be read, or not as far as it may name a message. It might have proven the bounce."},
	NewDomain: {"new-domain", Grace, ActionMonitor,
		"The mode is auto, and the domain has not been signing for one lifetime of a tag: bounces of mail that was sent before still come."},

	Allowance: {"allowance", Grace, ActionTag,
		"It can neither be proven nor told from backscatter, since it names no message, or only weak signs say what it is. It is within the daily allowance of its recipient."},

	SilentNode: {"silent-node", NoReason, ActionDefer,
		"A node of the store is silent, or has sent no heartbeat since the bounce came, and may have signed mail that is not on record yet."},

	Guessing: {"guessing", NoReason, ActionDefer,
		"So many wrong tags came today to this address, or from this network, that no further one is told from a right one. One in 16 is accepted: a bounce is dropped, other mail delivered without the tag."},

	OwnMail: {"own-mail", Exempt, ActionAccept,
		"The bounce was handed in here: by a client that logged in, from an internal network, or by the MTA itself."},
	Listed: {"listed", Exempt, ActionAccept,
		"The recipient, the sender, the client or its HELO name is exempt."},
	LeftUnsigned: {"left-unsigned", Exempt, ActionAccept,
		"Mail of the recipient was left unsigned on purpose, so that its bounces carry no tag."},
	NeverSigned: {"never-signed", Exempt, ActionAccept,
		"Mail of the recipient is never signed, so that its bounces carry no tag."},

	MonitorMode: {"monitor-mode", NoReason, ActionMonitor,
		"The mode of the domain is monitor."},
	MailerDaemon: {"mailer-daemon", NoReason, ActionTag,
		"The bounce did not come with the null sender, and such bounces are not refused."},
}

// String returns the cause's word, as in logs, metrics and headers; "" for [NoCause].
func (c Cause) String() string {
	if c < causeCount {
		return causes[c].word
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// Sentence says in words what the cause means.
func (c Cause) Sentence() string { return causes[c].sentence }

// Reason returns the reason of a verdict with the cause; [NoReason] if it stays what is proven.
func (c Cause) Reason() Reason { return causes[c].reason }

// Action returns what is done with a bounce for the cause.
func (c Cause) Action() Action { return causes[c].action }

// Causes returns all causes but [NoCause], in the order of the table.
func Causes() []Cause {
	cs := make([]Cause, 0, causeCount-1)
	for c := NoCause + 1; c < causeCount; c++ {
		cs = append(cs, c)
	}
	return cs
}
