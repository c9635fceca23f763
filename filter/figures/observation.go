package figures

import (
	"net/netip"
	"time"
)

// Observation is one verdict, as the log has it: about a message, or about those recipients of a bounce that were treated alike. All texts but
// addresses are words of the log; see the table of attributes in the manual.
type Observation struct {
	At                           time.Time
	Message                      string // "inbound", "outbound" or "bounce"
	Domain                       string // one of ours, as it is configured; "" for none
	Reason, Action, Cause, Would string
	Kind, Family                 string     // of the report; "" if the content was not read
	Sign                         Sign       // of a refusal or a would-be refusal
	Client                       netip.Addr // the zero Addr if there is none
	Local                        bool       // there is none because the MTA's sendmail command was the client
	ReportingMTA                 string

	// Destinations are the domains of the recipients of a signed message, at most [MaxDestinations].
	Destinations []string
	// Failures are what an accepted bounce reports, at most [MaxFailures].
	Failures []Failure
	// OwnHost is the host of ours that a bounce with the sign [OwnHost] names, its name or else its address.
	OwnHost string
	// LeftThrough is the host or network through which the mail seems to have left that a bounce returns, if it left another way, and LeftOn
	// the day on which it was sent, YYYY-MM-DD. Both are "" for other bounces.
	LeftThrough, LeftOn string
	// Route is LeftThrough, once enough bounces say the same; "" before.
	Route string

	// For notes of refusals.
	QueueID           string
	Sender, Recipient string // as in the log, without angle brackets
}

// Bounds of an observation.
const (
	MaxDestinations = 20
	MaxFailures     = 20
)

// Failure is what a bounce says about recipients of own mail at one destination.
type Failure struct {
	Destination  string // the domain of the recipient, folded
	Status       string // see [Failures]
	BecauseOfTag bool
	Count        int
}
