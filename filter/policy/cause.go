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

	// We may be wrong for a moment: the client is asked to try again.
	SilentNode

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
	sentence string // what it means, for people
}

// causes is the one table of everything that is said about a cause.
var causes = [causeCount]causeRow{
	NoCause: {"", ""},

	MissingKey: {"missing-key",
		"The key of its tag is missing here, so that nobody here can tell whether the tag is right."},
	IncompleteRecord: {"incomplete-record",
		"The record of sent mail does not reach back far enough, or may lack what was sent, so that nothing follows from what is not on it."},
	StoreUnavailable: {"store-unavailable",
		"The store does not answer, so that what the record might prove is not known."},
	UnreadContent: {"unread-content",
		"The content cannot be read, so that what it might prove is not known."},
	NewDomain: {"new-domain",
		"The mode is auto, and the domain has not been signing for one lifetime of a tag: bounces of mail that was sent before still come."},

	SilentNode: {"silent-node",
		"A node of the store is silent, or was not heard from since the bounce came, and may have signed mail that is not on record yet."},

	OwnMail: {"own-mail",
		"The mail is this site's own: its client authenticated, is in an internal network or is the MTA itself."},
	Listed: {"listed",
		"The recipient, the client, its HELO name or the sender is on a list of exemptions."},
	LeftUnsigned: {"left-unsigned",
		"Mail of this sender was left unsigned on purpose, so that its bounces carry no tag."},
	NeverSigned: {"never-signed",
		"Mail of this address is never signed, so that its bounces carry no tag."},

	MonitorMode: {"monitor-mode",
		"The domain's mode is monitor, in which nothing is refused."},
	MailerDaemon: {"mailer-daemon",
		"It did not come with the null sender, and mailer_daemons.refuse is off."},
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

// Causes returns all causes but [NoCause], in the order of the table.
func Causes() []Cause {
	cs := make([]Cause, 0, causeCount-1)
	for c := NoCause + 1; c < causeCount; c++ {
		cs = append(cs, c)
	}
	return cs
}
