package figures

import (
	"net/netip"
	"strings"

	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/internal/bounded"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// bounces is the Message of an observation about a bounce.
const bounces = "bounce"

// VerdictOutcome returns the outcome of a verdict, by the fields of a key of [Verdicts].
func (k *Key) VerdictOutcome() Outcome {
	switch k.Action {
	case policy.ActionReject.String():
		return Refused
	case policy.ActionDefer.String():
		return Deferred
	case policy.ActionDiscard.String():
		return Discarded
	case policy.ActionMonitor.String():
		return WouldBe
	case policy.ActionNone.String():
		return Ordinary
	case policy.ActionSign.String():
		return Signed
	}
	if k.Reason == policy.Exempt.String() {
		return Accepted // in every mode
	}
	if k.Would != "" || k.Cause == policy.MailerDaemon.String() {
		return WouldBe
	}
	return Accepted
}

// Turned says whether a message was not delivered, or would not have been.
func (o Outcome) Turned() bool {
	return o == Refused || o == Deferred || o == Discarded || o == WouldBe
}

// verdict returns the key of [Verdicts] of an observation.
func (o *Observation) verdict() Key {
	return Key{Topic: Verdicts, Domain: o.Domain, Reason: o.Reason, Action: o.Action, Cause: o.Cause, Would: o.Would, Kind: o.Kind}
}

// Outcome returns the outcome of the verdict.
func (o *Observation) Outcome() Outcome {
	k := o.verdict()
	return k.VerdictOutcome()
}

// Keys calls count with each key that an observation counts for, and by how much. It does not bound the names, see [Recorder].
func (o *Observation) Keys(count func(k Key, n int64)) {
	k := o.verdict()
	outcome := k.VerdictOutcome()
	count(k, 1)
	for _, d := range o.Destinations {
		count(Key{Topic: Sent, Domain: o.Domain, Name: d}, 1)
	}
	if o.Message != bounces {
		return
	}
	if o.Family != "" {
		count(Key{Topic: Families, Family: o.Family, Outcome: outcome}, 1)
	}
	for i := range o.Failures {
		f := &o.Failures[i]
		sign := NoSign
		if f.BecauseOfTag {
			sign = BecauseOfTag
		}
		count(Key{Topic: Failures, Domain: o.Domain, Name: f.Destination, Status: f.Status, Sign: sign}, int64(f.Count))
	}
	if o.LeftThrough != "" {
		count(Key{Topic: Sightings, Domain: o.Domain, Name: o.LeftThrough, Day: o.LeftOn}, 1)
	}
	if o.Route != "" {
		count(Key{Topic: Routes, Domain: o.Domain, Name: o.Route}, 1)
	}
	if !outcome.Turned() {
		return
	}
	count(Key{Topic: Signs, Domain: o.Domain, Outcome: outcome, Sign: o.Sign}, 1)
	count(Key{Topic: Sources, Domain: o.Domain, Outcome: outcome, Name: sourceName(o.Client)}, 1)
	if name := HostName(o.ReportingMTA); name != "" {
		count(Key{Topic: Reporters, Domain: o.Domain, Outcome: outcome, Name: evidence.Correspondent(name)}, 1)
	}
}

// sourceName is the Name in [Sources] of a client.
func sourceName(client netip.Addr) string {
	if !client.IsValid() {
		return "local"
	}
	return bounded.Network(client).String()
}

// Destination returns a domain to which mail goes, or from which it came back, as figures have it: folded (see [prvs.FoldDomain]); "" if it
// has other characters than names have.
func Destination(domain string) string { return HostName(prvs.FoldDomain(domain)) }

// maxHostName is the length of the longest name of a host, in octets (RFC 1035 section 2.3.4).
const maxHostName = 253

// HostName returns the name of a host or domain that another server has written, or "" if it is none: what has other characters is not
// shown to people.
func HostName(name string) string {
	if len(name) > maxHostName {
		return ""
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return ""
		}
	}
	return strings.ToLower(strings.Trim(name, "."))
}
