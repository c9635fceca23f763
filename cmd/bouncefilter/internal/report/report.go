// Package report says what bouncefilter did, what it would have refused, why own mail came back, and whether it is safe to enforce.
// [Build] makes a [Report] of figures, notes and the status of a site; it does no I/O and reads no clock. [Print] writes one for people,
// [WriteCSV] one table of it. The JSON form of a report is what report --json prints.
//
// The figures come from the store ([ReadStore]) or from a log ([ReadLog]).
package report

import (
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logread"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
)

// Input is what a report is made of.
type Input struct {
	// Days are figures of days: those of the time asked for, as many days before it, and [EvidenceDays] before Now.
	Days []figures.Figure
	// Hours are figures of hours, of the last 48 at most.
	Hours []figures.Figure
	Notes []figures.Note
	// Status is what the store says about the domains; nil if it is not known, as of a log.
	Status *status.Status
	// Lifetime is how many days a bounce of signed mail may carry a valid tag: lifetime and tag_rotation - 1.
	Lifetime int

	// From and Until are the time that the report is about. If ByHour, its totals are those of Hours, otherwise those of Days.
	From, Until time.Time
	ByHour      bool
	Now         time.Time

	Node, Domain string // the report is about these alone; "" for all
	Samples      int    // how many notes the report has at most
	// Config and LogFiles are the flags --config and --log, for the commands that are printed.
	Config   string
	LogFiles []string
	Log      *logread.Stats
}

// EvidenceDays returns how many days, today included, tell whether it is safe to enforce: so long after a message may its bounce come.
func EvidenceDays(lifetime int) int { return max(lifetime, 7) + 1 }

// Level is how much attention something needs.
type Level string

// The levels.
const (
	Green Level = "green" // nothing to do, or safe to go on
	Amber Level = "amber" // look at it, or wait
	Red   Level = "red"   // genuine mail may be refused now
)

// State says where a domain, or the whole site, is on the way to enforcement.
type State string

// The states.
const (
	Nothing   State = "nothing"   // nothing to judge by yet
	NotReady  State = "not-ready" // nothing is refused, and it should stay like this
	Ready     State = "ready"     // nothing is refused, and nothing speaks against it
	Enforcing State = "enforcing"
)

// Report is a report.
type Report struct {
	Made   time.Time `json:"made"`
	From   time.Time `json:"from"`   // first instant of the time that the report is about
	Until  time.Time `json:"until"`  // first instant after it
	Origin string    `json:"origin"` // "store" or "log"
	Domain string    `json:"domain,omitempty"`
	Node   string    `json:"node,omitempty"`

	Verdict Verdict        `json:"verdict"` // over all domains
	Domains []Domain       `json:"domains"`
	Next    []Step         `json:"next"` // what to do, the most urgent first
	AllNext string         `json:"-"`    // the command that prints all of it
	Log     *logread.Stats `json:"log,omitempty"`

	Totals   Totals   `json:"totals"`
	Days     []Period `json:"days"`  // each day of the report, without gaps; empty if its totals are those of hours
	Hours    []Period `json:"hours"` // each of the last 48 hours at most; empty if no figures of hours are known
	Nodes    []Named  `json:"nodes"`
	Families []Named  `json:"families"` // the software that wrote bounces and replies
	// Sources are the networks whose mail was or would be refused, Reporters the registrable domains of the MTAs that report in it.
	Sources   []Named  `json:"sources"`
	Reporters []Named  `json:"reporters"`
	Routes    []Route  `json:"routes"`
	Failures  Failures `json:"failures"`
	Samples   []Sample `json:"samples"`
}

// Verdict is the answer to whether bouncefilter works and whether it is safe to enforce.
type Verdict struct {
	State    State  `json:"state"`
	Level    Level  `json:"level"`
	Sentence string `json:"sentence"`
	// Since is the day since when it is so, Until the day on which it ends if nothing else happens; both YYYY-MM-DD, or "".
	Since    string    `json:"since,omitempty"`
	Until    string    `json:"until,omitempty"`
	Concerns []Concern `json:"concerns"`
}

// Step is something to do next.
type Step struct {
	What     string   `json:"what"`
	Commands []string `json:"commands"`
	Config   []string `json:"config"`
}

// Counts are numbers of verdicts by outcome; see figures.Outcome.
type Counts struct {
	Signed    int64 `json:"signed"`
	Accepted  int64 `json:"accepted"`
	WouldBe   int64 `json:"would_refuse"`
	Refused   int64 `json:"refused"`
	Deferred  int64 `json:"deferred"`
	Discarded int64 `json:"discarded"`
	Ordinary  int64 `json:"ordinary"`
}

// Totals are what was counted in the time of the report.
type Totals struct {
	Counts
	AcceptedBy  []Count `json:"accepted_by"`   // by reason, without what would have been refused
	RefusedBy   []Count `json:"refused_by"`    // refused, deferred and discarded, by reason
	WouldBeBy   []Count `json:"would_be_by"`   // by the reason for which they would have been refused
	SparedBy    []Count `json:"spared_by"`     // the same by the cause for which they were not
	NotSignedBy []Count `json:"not_signed_by"` // outbound mail by the reason why it was not signed
	// Would and Turned say what speaks for what would have been refused, and for what was refused, deferred or discarded.
	Would  Groups `json:"would_groups"`
	Turned Groups `json:"refused_groups"`
	// InboundUntagged and InboundRefused are ordinary mail to a tagged address.
	InboundUntagged int64 `json:"inbound_untagged"`
	InboundRefused  int64 `json:"inbound_refused"`
}

// Groups are refusals or would-be refusals in three groups, the first of which has its signs.
type Groups struct {
	MayBeGenuine int64 `json:"may_be_genuine"` // the sum of the next three
	OwnHost      int64 `json:"own_host"`       // names a host of ours
	Repeats      int64 `json:"repeats"`        // its source comes again and again
	NeverSends   int64 `json:"never_sends"`    // its recipient has sent nothing through us of late
	NoBounce     int64 `json:"no_bounce"`      // no bounce at all
	NoSign       int64 `json:"no_sign"`        // nothing speaks for it
}

// Count is a count of one word of the log.
type Count struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// Period is a day or an hour.
type Period struct {
	Begin time.Time `json:"begin"`
	Counts
	MayBeGenuine int64 `json:"may_be_genuine"` // of what was or would be refused
	// Outlier says that far more was or would be refused than in most other periods: see [markOutliers].
	Outlier bool `json:"outlier"`
}

// Named are the counts of something that has a name.
type Named struct {
	Name string `json:"name"`
	Counts
	// Seen is when a node was seen last, by the store's clock, and Silent that this is too long ago; of nodes alone.
	Seen   time.Time `json:"seen,omitzero"`
	Silent bool      `json:"silent,omitempty"`
}

// Domain is one of our domains.
type Domain struct {
	Name         string `json:"name"`
	Mode         string `json:"mode"`          // "" if it is not known
	SigningSince string `json:"signing_since"` // YYYY-MM-DD, or ""
	EnforcedFrom string `json:"enforced_from"` // YYYY-MM-DD, or ""
	Counts
	Verdict Verdict `json:"verdict"`
	Would   Groups  `json:"would_groups"`
	Turned  Groups  `json:"refused_groups"`
}

// Route is a way other than through bouncefilter on which mail of a domain seems to leave.
type Route struct {
	Domain string `json:"domain"`
	Name   string `json:"name"` // a network, or the host that reports
	Count  int64  `json:"count"`
}

// Failures say why own mail came back, as accepted bounces say.
type Failures struct {
	Count        int64         `json:"count"`        // failed and delayed recipients
	Statuses     []Status      `json:"statuses"`     // the most frequent first
	Destinations []Destination `json:"destinations"` // those with the most failures first
	Movers       []Destination `json:"movers"`       // those that have become worse, the worst first: see [moved]
	BecauseOfTag []TagTrouble  `json:"because_of_tag"`
}

// Status is a status of failures.
type Status struct {
	Status  string `json:"status"`  // such as "5.1.1"; "5", "4" or "" if the reports say no more
	Meaning string `json:"meaning"` // in words, of RFC 3463 and its registry
	Count   int64  `json:"count"`
	Before  int64  `json:"before"` // in as long a time before
}

// Destination is a domain to which own mail goes.
type Destination struct {
	Name         string   `json:"name"`
	Sent         int64    `json:"sent"`
	Failed       int64    `json:"failed"`
	Share        float64  `json:"share"` // Failed of Sent, from 0 to 1
	SentBefore   int64    `json:"sent_before"`
	FailedBefore int64    `json:"failed_before"`
	ShareBefore  float64  `json:"share_before"`
	Statuses     []Status `json:"statuses"`
}

// TagTrouble is a destination that refuses or holds mail because of the tag, or seems to.
type TagTrouble struct {
	Destination string `json:"destination"`
	Domain      string `json:"domain"` // ours, whose mail it is
	Count       int64  `json:"count"`
	// Evidence is "text" if the reply or the returned text says that the tag is why, and "began" if failures began with signing.
	Evidence string   `json:"evidence"`
	Since    string   `json:"since"`  // day of the first failure, YYYY-MM-DD
	Known    bool     `json:"known"`  // it is one of the destinations of [do_not_tag] known
	Config   []string `json:"config"` // lines to paste into the configuration
}

// Sample is a note of one refusal or would-be refusal.
type Sample struct {
	figures.Note
	Inspect string `json:"inspect"` // the command that explains such a message
}
