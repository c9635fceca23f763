package backtest

import (
	"time"
)

// Class is what became, or would have become, of a message that may be a bounce.
type Class string

// The classes.
const (
	// Genuine are bounces of mail that was sent from here: accepted.
	Genuine Class = "genuine"
	// Reply are automatic replies, receipts and challenges that answer mail from here: accepted.
	Reply Class = "reply"
	// NoBounce is mail with the null sender that is neither a bounce nor a reply: accepted, unless it is configured to be refused.
	NoBounce Class = "no-bounce"
	// Unproven is what nothing proves, and what is accepted all the same, for the Cause: within an allowance, or exempt.
	Unproven Class = "unproven"
	// Backscatter answers no mail from here: refused.
	Backscatter Class = "backscatter"
	// CannotTell is what saved mail and logs do not decide: the daemon would have known more. Why says what is missing.
	CannotTell Class = "cannot-tell"
)

// Classes are all classes, in the order in which they are shown.
var Classes = [...]Class{Genuine, Reply, NoBounce, Unproven, Backscatter, CannotTell}

// Why says on what a class rests, apart from the verdict.
type Why string

// The values of Why.
const (
	// Of genuine bounces.
	WhyMessage   Why = "message"   // it names a message that is known to be sent
	WhyRecipient Why = "recipient" // it names no message, but a recipient to whom its own recipient had written in the time of [soon] before
	WhyOwn       Why = "own-mta"   // the own MTA wrote it: no milter sees it

	// Of backscatter.
	WhyAbsent Why = "not-sent"      // it names a message that is not among those that were sent
	WhyPath   Why = "foreign-path"  // the message that it returns has passed no host of the site
	WhyNone   Why = "names-nothing" // it names no message, and no recipient to whom its own recipient had written

	// Of what cannot be told.
	WhyNoSent      Why = "no-sent-mail"   // no sent mail of its recipient is known for the time of the message that it answers
	WhyOwnHost     Why = "own-host"       // what it returns names a host of the site, but is not among the sent mail
	WhyNoPath      Why = "no-return-path" // the envelope sender is not known, so that it may be ordinary mail
	WhyNoRecipient Why = "no-recipient"   // it names no recipient in one of the domains
	WhyLogKnown    Why = "log-known"      // only the log has it; its recipient had written to the site of the client
	WhyLogUnknown  Why = "log-unknown"    // only the log has it; its recipient had not
)

// Message is one message that may be a bounce.
type Message struct {
	File      string    `json:"file,omitempty"`   // "" if only a log has it
	Offset    int64     `json:"offset,omitempty"` // in an mbox, in octets
	Length    int64     `json:"length,omitempty"` // in an mbox
	QueueID   string    `json:"queue_id,omitempty"`
	MessageID string    `json:"message_id,omitempty"`
	Time      time.Time `json:"time"` // when it came
	Client    string    `json:"client,omitempty"`
	Recipient string    `json:"recipient,omitempty"` // of the envelope, without a tag

	Class Class `json:"class"`
	// Sure says that more than one thing speaks for the class: the log has all mail of that time, or the message proves it.
	Sure bool `json:"sure"`
	Why  Why  `json:"why,omitempty"`
	// Reason, Cause, Would and Action are what the daemon would have logged; "" if that cannot be told. The reason of a bounce of signed mail
	// is "valid", as it would have come to the tag; Content is what its content alone would have proven.
	Reason  string `json:"reason,omitempty"`
	Content string `json:"content_reason,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Would   string `json:"would_be,omitempty"`
	Action  string `json:"action,omitempty"`

	Kind         string `json:"kind,omitempty"`
	Family       string `json:"family,omitempty"`
	ReportingMTA string `json:"reporting_mta,omitempty"`
	Original     string `json:"original,omitempty"` // Message-ID of what it answers

	site string // registrable domain of who sent it, as far as it says
}

// Day is what came on one day, in UTC.
type Day struct {
	Day     string        `json:"day"` // YYYY-MM-DD
	Classes map[Class]int `json:"classes"`
}

// Named is a count of something with a name.
type Named struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Result is what [Run] found.
type Result struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Domains []string  `json:"domains"`
	// Proposed says that the operator has named no domains: they are those of the authors of sent mail.
	Proposed bool `json:"proposed"`
	// LogSince is since when logs have all mail; nil if there are none.
	LogSince    *time.Time `json:"log_since,omitempty"`
	Mailboxes   int        `json:"mailboxes"` // of which sent mail is known
	Hosts       []string   `json:"hosts"`     // sites whose hosts count as own ones
	Interrupted bool       `json:"interrupted"`
	NotJudged   int        `json:"not_judged"` // for it was interrupted, or the file was gone

	Read    Read          `json:"read"`
	Classes map[Class]int `json:"classes"`
	Sure    map[Class]int `json:"sure"` // of them, see [Message]
	Whys    map[Why]int   `json:"whys"`
	// AcceptedBy are genuine bounces and replies by what would have proven them: reasons, and "own-mta".
	AcceptedBy []Named `json:"accepted_by"`
	RefusedBy  []Named `json:"refused_by"` // by reason
	Days       []Day   `json:"days"`
	// Targets are the recipients of backscatter, Reporters the sites of the MTAs that sent it, Null the authors' sites of what is no bounce, each
	// of them the largest first.
	Targets   []Named `json:"targets"`
	Reporters []Named `json:"reporters"`
	Null      []Named `json:"no_bounce_from"`
	// Clients are the clients that handed over mail with the null sender, by the logs, and LogTo its recipients.
	Clients []Named `json:"clients"`
	LogTo   []Named `json:"log_recipients"`

	Unread   []Unread  `json:"unread"` // the first of them
	Messages []Message `json:"messages"`
}

// Total returns how many messages were judged.
func (r *Result) Total() int { return len(r.Messages) }
