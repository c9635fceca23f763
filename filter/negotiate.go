package filter

import (
	"fmt"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// wanted is what the filter asks the MTA for. Round trips decide what a milter costs, packets come next: no event that
// is not used, no reply to an event whose answer is never anything but "go on".
func wanted(p *policy.Policy, role Role) (milter.OptAction, milter.OptProtocol) {
	actions := milter.OptSetMacros
	protocol := milter.OptNoUnknown | milter.OptNoEOH | milter.OptSkip |
		milter.OptNoConnReply | milter.OptNoHeloReply | milter.OptNoMailReply | milter.OptNoHeaderReply |
		milter.OptNoEOHReply | milter.OptNoUnknownReply
	if role.Signs() {
		actions |= milter.OptChangeFrom
		if p.Settings().AddMessageID {
			actions |= milter.OptAddHeader
		}
	}
	if !role.Verifies() {
		// Nothing is refused and nothing is read but some headers: one answer, at the end, is all there is.
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
	if p.Settings().RefuseBadTagAtData {
		protocol |= milter.OptNoRcptReply
	}
	return actions, protocol
}

// negotiate takes of what the filter wants what the MTA offers. Everything that an older MTA lacks has a way round:
// events that were not wanted are kept back and answered on the connection, modifications that are not allowed are left
// out. What cannot be left out is CHGFROM; without it outbound mail is deferred, see [policy.CannotSign].
func negotiate(p *policy.Policy, role Role, mtaVersion, ownVersion uint32, mtaActions milter.OptAction, mtaProtocol milter.OptProtocol) (
	version uint32, actions milter.OptAction, protocol milter.OptProtocol, err error) {
	if mtaVersion < 2 {
		return 0, 0, 0, fmt.Errorf("the MTA speaks milter protocol version %d, which is too old", mtaVersion)
	}
	version = min(mtaVersion, ownVersion)
	actions, protocol = wanted(p, role)
	return version, actions & mtaActions, protocol & mtaProtocol, nil
}

// macroRequests names the macros each stage is to come with. MTAs send what they are asked for, and their long default
// lists where nothing is asked for. Connection macros are asked for at MAIL as well: what comes with HELO is lost at the
// second message of a session.
func macroRequests() []milter.Option {
	return []milter.Option{
		milter.WithMacroRequest(milter.StageConnect, []string{milter.MacroDaemonName}),
		milter.WithMacroRequest(milter.StageHelo, []string{milter.MacroDaemonName}),
		milter.WithMacroRequest(milter.StageMail, []string{milter.MacroAuthAuthen, milter.MacroDaemonName, milter.MacroMailAddr, milter.MacroQueueId}),
		milter.WithMacroRequest(milter.StageRcpt, []string{milter.MacroRcptAddr, milter.MacroQueueId}),
		milter.WithMacroRequest(milter.StageData, []string{milter.MacroQueueId}),
		milter.WithMacroRequest(milter.StageEOH, []string{milter.MacroQueueId}),
		milter.WithMacroRequest(milter.StageEOM, []string{milter.MacroQueueId}),
	}
}
