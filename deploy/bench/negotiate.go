package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// A macroStage names the events that one macro list is for (SMFIM_*).
type macroStage uint32

const (
	stageConnect macroStage = iota
	stageHelo
	stageMail
	stageRcpt
	stageData
	stageEndBody
	stageEndHeader
	macroStages
)

// postfixMacros are the lists that Postfix sends where the milter requests none (milter_*_macros in postconf(5)).
func postfixMacros() [macroStages][]string {
	return [macroStages][]string{
		stageConnect:   {"j", "{daemon_name}", "{daemon_addr}", "v", "_"},
		stageHelo:      {"{tls_version}", "{cipher}", "{cipher_bits}", "{cert_subject}", "{cert_issuer}"},
		stageMail:      {"i", "{auth_type}", "{auth_authen}", "{auth_author}", "{mail_addr}", "{mail_host}", "{mail_mailer}"},
		stageRcpt:      {"i", "{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}"},
		stageData:      {"i"},
		stageEndHeader: {"i"},
		stageEndBody:   {"i"},
	}
}

// An eventKind says how one event is sent: its macros, and the flags by which a milter declines it or its reply.
type eventKind struct {
	command command
	stage   macroStage
	decline uint32 // SMFIP_NO*: do not send the event
	noReply uint32 // SMFIP_NR_*: the milter will not reply to it
}

// The events of a session. End of message can be declined in no way and is always answered.
var (
	eventConnect   = eventKind{cmdConnect, stageConnect, 1 << 0, 1 << 12}
	eventHelo      = eventKind{cmdHelo, stageHelo, 1 << 1, 1 << 13}
	eventMail      = eventKind{cmdMail, stageMail, 1 << 2, 1 << 14}
	eventRcpt      = eventKind{cmdRcpt, stageRcpt, 1 << 3, 1 << 15}
	eventData      = eventKind{cmdData, stageData, 1 << 9, 1 << 16}
	eventHeader    = eventKind{cmdHeader, stageEndHeader, 1 << 5, 1 << 7}
	eventEndHeader = eventKind{cmdEndHeader, stageEndHeader, 1 << 6, 1 << 18}
	eventBody      = eventKind{cmdBody, stageEndBody, 1 << 4, 1 << 19}
	eventEndBody   = eventKind{cmdEndBody, stageEndBody, 0, 0}
)

// An agreement is the milter's answer to the negotiation, completed with what it left to the MTA.
type agreement struct {
	protocol uint32
	macros   [macroStages][]string
}

// wants says whether the milter asked for events of this kind.
func (a *agreement) wants(e eventKind) bool { return a.protocol&e.decline == 0 }

// answers says whether the milter replies to events of this kind.
func (a *agreement) answers(e eventKind) bool { return a.wants(e) && a.protocol&e.noReply == 0 }

// appendOffer appends the packet that opens a connection.
func appendOffer(b []byte) []byte {
	b, start := beginPacket(b, cmdNegotiate)
	b = binary.BigEndian.AppendUint32(b, offeredVersion)
	b = binary.BigEndian.AppendUint32(b, offeredActions)
	b = binary.BigEndian.AppendUint32(b, offeredProtocol)
	return endPacket(b, start)
}

// parseAgreement reads the data of the milter's answer: version, actions, protocol flags, macro requests.
func parseAgreement(data []byte) (agreement, error) {
	if len(data) < 12 {
		return agreement{}, fmt.Errorf("answer to the negotiation has %d octets, 12 is the least", len(data))
	}
	version, actions := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
	a := agreement{protocol: binary.BigEndian.Uint32(data[8:]), macros: postfixMacros()}
	switch {
	case version != offeredVersion:
		return a, fmt.Errorf("milter answers with protocol version %d to an offer of %d", version, offeredVersion)
	case actions&^offeredActions != 0:
		return a, fmt.Errorf("milter wants actions %#x, which were not offered", actions&^offeredActions)
	case a.protocol&^offeredProtocol != 0:
		return a, fmt.Errorf("milter sets protocol flags %#x, which were not offered", a.protocol&^offeredProtocol)
	}
	for rest := data[12:]; len(rest) > 0; {
		if len(rest) < 5 {
			return a, errors.New("macro request is cut short")
		}
		stage := macroStage(binary.BigEndian.Uint32(rest))
		names, after, found := bytes.Cut(rest[4:], []byte{0})
		if !found || stage >= macroStages {
			return a, fmt.Errorf("macro request for stage %d is malformed", stage)
		}
		// Postfix takes an empty request for no request, and sends its own list.
		if list := strings.FieldsFunc(string(names), func(r rune) bool { return r == ' ' || r == ',' }); len(list) > 0 {
			a.macros[stage] = list
		}
		rest = after
	}
	return a, nil
}
