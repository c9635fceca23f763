package filter

import (
	"fmt"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/wire"
)

// wanted returns what the filter asks the MTA for. Round trips and packets decide what a milter costs. So it asks for no event
// that it does not use, and for no reply where it would always reply "continue".
func wanted(p *policy.Policy, role policy.Role) (milter.OptAction, milter.OptProtocol) {
	actions := milter.OptSetMacros
	protocol := milter.OptNoUnknown | milter.OptNoEOH | milter.OptSkip |
		milter.OptNoConnReply | milter.OptNoHeloReply | milter.OptNoMailReply | milter.OptNoHeaderReply |
		milter.OptNoEOHReply | milter.OptNoUnknownReply
	if role.Signs() {
		actions |= milter.OptChangeFrom
		if p.Settings().AddMessageID {
			actions |= milter.OptAddHeader | milter.OptChangeHeader
		}
	}
	if !role.Verifies() {
		// This role refuses nothing and reads only some headers: it replies once, at the end of the message.
		return actions, protocol | milter.OptNoHelo | milter.OptNoRcptReply | milter.OptNoData | milter.OptNoBody
	}
	actions |= milter.OptAddRcpt | milter.OptRemoveRcpt | milter.OptAddRcptWithArgs
	if p.Settings().HeaderName != "" {
		actions |= milter.OptAddHeader | milter.OptChangeHeader
	}
	if p.Quarantines() {
		actions |= milter.OptQuarantine
	}
	if !p.NeedsHelo() {
		protocol |= milter.OptNoHelo
	}
	if !p.Settings().RefuseBadTagAtRcpt {
		protocol |= milter.OptNoRcptReply
	}
	return actions, protocol
}

// negotiate returns of what the filter wants what the MTA offers. The filter works with less: package wire withholds events
// that it does not want and replies to them, and modifications that the MTA does not allow are left out. Only CHGFROM cannot
// be left out: without it outbound mail is deferred, see [policy.CannotSign].
func negotiate(p *policy.Policy, role policy.Role, mtaVersion, ownVersion uint32, mtaActions milter.OptAction, mtaProtocol milter.OptProtocol) (
	version uint32, actions milter.OptAction, protocol milter.OptProtocol, err error) {
	if mtaVersion < 2 {
		return 0, 0, 0, fmt.Errorf("the MTA speaks milter protocol version %d, which is too old", mtaVersion)
	}
	version = min(mtaVersion, ownVersion)
	actions, protocol = wanted(p, role)
	return version, actions & mtaActions, protocol & mtaProtocol, nil
}

// Negotiate answers the MTA's offer.
func (s *session) Negotiate(mtaVersion, ownVersion uint32, offered milter.OptAction, offeredProtocol milter.OptProtocol) (
	version uint32, actions milter.OptAction, protocol milter.OptProtocol, err error) {
	version, actions, protocol, err = negotiate(s.server.state.Load().policy, s.role, mtaVersion, ownVersion, offered, offeredProtocol)
	if err == nil && s.role.Signs() && actions&milter.OptChangeFrom == 0 {
		s.server.stats.poorMTA.Add(1)
	}
	return version, actions, protocol, err
}

// MacroRequests returns the macros that the MTA is asked for.
func (s *session) MacroRequests() *wire.Requests { return s.server.macros }

// macroRequests returns the macros that the MTA is asked to send at each stage. MTAs send their long default lists at a stage
// for which the milter asks for none. It asks for connection macros at MAIL as well: those of HELO are dropped before the
// second message of a session.
func macroRequests() *wire.Requests {
	return wire.NewRequests(
		wire.MacroRequest{Stage: milter.StageConnect, Names: []string{milter.MacroDaemonName}},
		wire.MacroRequest{Stage: milter.StageHelo, Names: []string{milter.MacroDaemonName}},
		wire.MacroRequest{Stage: milter.StageMail, Names: []string{milter.MacroAuthAuthen, milter.MacroDaemonName, milter.MacroMailAddr, milter.MacroQueueId}},
		wire.MacroRequest{Stage: milter.StageRcpt, Names: []string{milter.MacroRcptAddr, milter.MacroQueueId}},
		wire.MacroRequest{Stage: milter.StageData, Names: []string{milter.MacroQueueId}},
		wire.MacroRequest{Stage: milter.StageEOM, Names: []string{milter.MacroQueueId}},
		wire.MacroRequest{Stage: milter.StageEOH, Names: []string{milter.MacroQueueId}},
	)
}
