package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Mode says what is done with a bounce that would be refused.
type Mode uint8

const (
	// ModeAuto monitors until the domain has been signing for one lifetime and enforces from then on.
	ModeAuto Mode = iota
	// ModeMonitor logs, counts and marks, and refuses nothing.
	ModeMonitor
	// ModeEnforce refuses.
	ModeEnforce
)

var modeWords = [...]string{ModeAuto: "auto", ModeMonitor: "monitor", ModeEnforce: "enforce"}

// String returns the mode's word in configuration and logs.
func (m Mode) String() string { return modeWords[m] }

// Modes returns all modes.
func Modes() []Mode { return []Mode{ModeAuto, ModeMonitor, ModeEnforce} }

// ParseMode returns the mode with the word s.
func ParseMode(s string) (Mode, error) {
	for i, w := range modeWords {
		if w == s {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("unknown mode %q: use %q, %q or %q", s, "auto", "monitor", "enforce")
}

// Action is what is done with a message or one of its recipients.
type Action uint8

const (
	ActionDefault    Action = iota // as the reason's Outcome says
	ActionNone                     // no opinion
	ActionAccept                   // deliver
	ActionReject                   // refuse with 550
	ActionDefer                    // refuse with 450
	ActionQuarantine               // accept into the MTA's hold queue
	ActionTag                      // deliver, with a header that says why it is suspicious
	ActionDiscard                  // accept and throw away
	ActionMonitor                  // deliver what would be refused, because of the mode; never configured
	ActionSign                     // change the envelope sender; never configured
)

// ActionCount is how many actions there are: an array with so many elements has room for each.
const ActionCount = int(ActionSign) + 1

var actionWords = [...]string{"default", "none", "accept", "reject", "defer", "quarantine", "tag", "discard", "monitor", "sign"}

// String returns the action's word in configuration and logs.
func (a Action) String() string { return actionWords[a] }

// ParseAction returns the action with the word s. Only actions that may be configured are found.
func ParseAction(s string) (Action, error) {
	for a := ActionAccept; a <= ActionDiscard; a++ {
		if actionWords[a] == s {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown action %q: use one of %q", s, actionWords[ActionAccept:ActionDiscard+1])
}

// Outbound says which mail counts as sent from here.
type Outbound struct {
	Authenticated bool           // clients that authenticated ({auth_authen})
	Local         bool           // the MTA's sendmail command
	Networks      []netip.Prefix // clients by address
	Daemons       []string       // names of MTA daemons ({daemon_name}), such as ORIGINATING
}

// Exemptions lists mail whose bounces are never refused. Addresses are "user@example.com", "user" (in all our domains) or
// "@example.com".
type Exemptions struct {
	Recipients []string
	Senders    []string // envelope senders; of interest for bounces that do not come with the null sender
	Networks   []netip.Prefix
	Helo       []string // HELO names; a leading dot means a domain and all below it
}

// DoNotTagLists names mail that is not signed. Addresses are written as in [Exemptions]; a recipient domain with a leading dot
// ("@.example.com") means the domain and all below it.
type DoNotTagLists struct {
	Recipients []string // mailing lists and services that know senders by their envelope address
	Senders    []string // their bounces come untagged and are exempt
	Known      bool     // the recipients at [KnownDestinations], too, but for those in our domains
}

// SkipPair names mail that is not signed: of one of these senders to one of these recipients. Addresses are written as in
// [DoNotTagLists].
type SkipPair struct {
	Senders    []string
	Recipients []string
}

// Proofs says how far the record of sent mail proves bounces that carry no valid tag.
type Proofs struct {
	// Retention is for how many days a sent message and its correspondents are on record. It must exceed the life of a
	// tag, so that a bounce that comes after its tag has expired is proven still.
	Retention int
	// BouncesAtLeast is how many bounces any message or tag answers, however few recipients there are: one recipient may be a mailing
	// list, whose members are away or gone. BouncesPerRecipient is how many more it answers for each recipient.
	BouncesAtLeast, BouncesPerRecipient int
	// RepliesPerDay is how many automatic replies a recipient gets in a day for no other reason than that they come from
	// a domain that it wrote to.
	RepliesPerDay int
	// UnprovenPerDay is how many automatic replies a recipient gets in a day that name no message and that nothing else proves.
	// UnprovenBouncesPerDay is the same for bounces, and UnclearPerDay for what only weak signs say to be one of these, whatever it
	// names. The former two have one count.
	UnprovenPerDay, UnprovenBouncesPerDay, UnclearPerDay int
}

// DefaultProofs is used unless configured otherwise.
func DefaultProofs() Proofs {
	return Proofs{Retention: 30, BouncesAtLeast: 500, BouncesPerRecipient: 10, RepliesPerDay: 200, UnprovenPerDay: 3, UnclearPerDay: 50}
}

// MailerDaemons says what becomes of bounces that do not come with the null sender.
type MailerDaemons struct {
	// Senders are envelope senders whose mail is read; what turns out to be a bounce is judged like one with the null
	// sender. They are written as in [Exemptions], but a local part alone means that of any domain, and "*" for every
	// sender.
	Senders []string
	// Refuse lets such a bounce be refused. Otherwise it is delivered, with the header.
	Refuse bool
}

// DefaultMailerDaemons are the senders that bounces of MTAs come from which do not use the null one.
func DefaultMailerDaemons() MailerDaemons {
	return MailerDaemons{Senders: []string{"mailer-daemon", "postmaster"}}
}

// Settings is everything a [Policy] is made from.
type Settings struct {
	Domains  []Domain
	Keys     *prvs.Ring
	Outbound Outbound
	Exempt   Exemptions
	DoNotTag DoNotTagLists
	Skip     []SkipPair
	Proofs   Proofs

	MailerDaemons MailerDaemons
	// Actions replaces what a reason leads to by default. Only reasons that refuse or defer may be listed.
	Actions map[Reason]Action
	// RefuseBadTagAtRcpt refuses a recipient with a wrong tag at RCPT. That gives up every proof of the content, and costs a round
	// trip to the MTA for each recipient of every message.
	RefuseBadTagAtRcpt bool
	// WrongTagsPerDay is how many different wrong tags to one mailbox are refused in a day for what they are, and ten times as many from one
	// network. The answer to further ones does not tell them from right ones. 0 means [DefaultWrongTagsPerDay].
	WrongTagsPerDay int
	// AddMessageID lets outbound mail of our domains leave with one Message-ID that bounces can name: what comes back is then known.
	AddMessageID bool
	// ReadAll lets bounces be read that a tag has proven already, so that the log says what they report, and bounces be proven that this site
	// writes itself, although they are delivered without: what is not proven is believed nothing.
	ReadAll bool
	// HeaderName is the name of the header that an accepted bounce gets; empty for none.
	HeaderName string
	// AuthservIDs are the authserv-ids (RFC 8601 section 2.5) under which this site says that a DKIM signature is right.
	AuthservIDs []string
	// Hostname identifies this site in that header (the authserv-id of RFC 8601 section 2.5).
	Hostname string
}

// DefaultWrongTagsPerDay is how many wrong tags are refused for what they are unless configured otherwise. A sender whose addresses are
// damaged on the way has a few a day. A guesser gets through the 2^24 signatures of a tag, which lives for a week, in 460 years.
const DefaultWrongTagsPerDay = 100

// DefaultHeaderName is the header of accepted bounces unless configured otherwise.
const DefaultHeaderName = "X-Bouncefilter"

// DefaultOutbound is what counts as outbound unless configured otherwise.
func DefaultOutbound() Outbound {
	return Outbound{
		Authenticated: true,
		Local:         true,
		Networks:      []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	}
}

// DefaultExemptRecipients must be reachable for everybody (RFC 5321 section 4.5.1, RFC 2142).
func DefaultExemptRecipients() []string { return []string{"postmaster", "abuse"} }

// validate reports everything that is wrong with the settings.
func (s *Settings) validate() error {
	var errs []error
	if len(s.Domains) == 0 {
		errs = append(errs, errors.New("no domain: name at least one domain to sign for"))
	}
	if s.Keys == nil {
		errs = append(errs, errors.New("no keys"))
	}
	if s.Keys != nil {
		if o := s.Keys.Options(); s.Proofs.Retention < o.Lifetime+o.Rotation {
			errs = append(errs, fmt.Errorf("retention of %d days: sent mail must be on record for longer than tags are valid (%d days)",
				s.Proofs.Retention, o.Lifetime+o.Rotation-1))
		}
	}
	if s.Proofs.BouncesAtLeast < 1 || s.Proofs.BouncesPerRecipient < 1 {
		errs = append(errs, errors.New("bounces at least and bounces per recipient must be 1 or more"))
	}
	if s.Proofs.RepliesPerDay < 0 || s.Proofs.UnprovenPerDay < 0 || s.Proofs.UnprovenBouncesPerDay < 0 || s.Proofs.UnclearPerDay < 0 {
		errs = append(errs, errors.New("replies and unproven messages a day must be 0 or more"))
	}
	if s.WrongTagsPerDay < 0 {
		errs = append(errs, errors.New("wrong tags a day must be 1 or more"))
	}
	for i, pair := range s.Skip {
		if len(pair.Senders) == 0 || len(pair.Recipients) == 0 {
			errs = append(errs, fmt.Errorf("skip pair %d: name senders and recipients", i))
		}
	}
	errs = append(errs, s.domainErrors()...)
	for r, a := range s.Actions {
		switch {
		case !r.Configurable():
			errs = append(errs, fmt.Errorf("action for %q: only reasons that may refuse can have an action", r))
		case !r.Allows(a):
			errs = append(errs, fmt.Errorf("action for %q: %q cannot be configured", r, a))
		}
	}
	return errors.Join(errs...)
}

// domainErrors reports everything that is wrong with the domains.
func (s *Settings) domainErrors() []error {
	var errs []error
	seen := make(map[string]bool, len(s.Domains))
	name := func(i int, written string) {
		folded := prvs.FoldDomain(written)
		switch {
		case folded == "" || folded == "*." || strings.ContainsAny(strings.TrimPrefix(folded, "*."), "@ <>*"):
			errs = append(errs, fmt.Errorf("domain %d: %q is not a domain name", i, written))
		case seen[folded]:
			errs = append(errs, fmt.Errorf("domain %q is named twice", written))
		}
		seen[folded] = true
	}
	for i, d := range s.Domains {
		name(i, d.Name)
		if strings.HasPrefix(d.Name, "*.") && len(d.Aliases) > 0 {
			errs = append(errs, fmt.Errorf("domain %q: domains below one have no aliases", d.Name))
		}
		for _, alias := range d.Aliases {
			if name(i, alias); strings.HasPrefix(alias, "*.") {
				errs = append(errs, fmt.Errorf("domain %q: the alias %q must be one domain", d.Name, alias))
			}
		}
		if s.Keys != nil && d.Name != "" {
			if _, ok := s.Keys.SigningKey(d.Name); !ok {
				errs = append(errs, fmt.Errorf("domain %q has no signing key: activate one", d.Name))
			}
		}
	}
	return errs
}
