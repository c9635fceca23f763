package wire

import (
	"bytes"
	"net"
	"strings"
)

// Commands of the milter protocol (libmilter's mfdef.h: SMFIC_*), as far as this package looks at them.
const (
	cmdAbort       = 'A'
	cmdBody        = 'B'
	cmdConnect     = 'C'
	cmdMacro       = 'D'
	cmdEndOfBody   = 'E'
	cmdHelo        = 'H'
	cmdQuitNewConn = 'K'
	cmdHeader      = 'L'
	cmdMail        = 'M'
	cmdEndOfHeader = 'N'
	cmdNegotiate   = 'O'
	cmdQuit        = 'Q'
	cmdRcpt        = 'R'
	cmdData        = 'T'
	cmdUnknown     = 'U'
)

// Limits of what an MTA may send in one frame.
const (
	// MaxFrame is the length in octets of the longest header or body chunk that is passed on. libmilter sends at most 1 MiB - 1,
	// Postfix headers up to its header_size_limit (100 KiB). A longer one is read and dropped.
	MaxFrame = 1 << 20
	// MaxCommand is the length in octets of the longest of all other frames; a longer one ends the connection. MTAs accept no SMTP
	// command of more than some 2 KiB. Macros may have more, such as the names in certificates.
	MaxCommand = 128 << 10
	// maxDropped is the length in octets of the longest frame that is read and dropped. A greater length is taken for
	// garbage.
	maxDropped = 512 << 20
)

// Fault says what is wrong with a frame.
type Fault string

// Faults. All but FaultOversized and FaultRepaired end the connection: what follows cannot be trusted. The MTA then acts
// by its milter_default_action, so no mail is lost.
const (
	FaultEmpty     Fault = "empty"     // a frame of length zero
	FaultLength    Fault = "length"    // an impossible length
	FaultCommand   Fault = "command"   // an unknown command
	FaultContent   Fault = "content"   // a frame without the parts its command must have
	FaultOrder     Fault = "order"     // no negotiation at the start, or a second one
	FaultOversized Fault = "oversized" // a header or body chunk longer than MaxFrame was dropped
	FaultMemory    Fault = "memory"    // a long frame, other than a header or body chunk, for which there is no memory
	FaultRepaired  Fault = "repaired"  // a NUL inside a header, or an address that cannot be parsed, was replaced
)

// Faults returns all faults.
func Faults() []Fault {
	return []Fault{FaultEmpty, FaultLength, FaultCommand, FaultContent, FaultOrder, FaultOversized, FaultMemory, FaultRepaired}
}

// checkLength returns what is wrong with the length of a frame, or "".
func checkLength(length uint32) Fault {
	switch {
	case length == 0:
		return FaultEmpty
	case length > maxDropped:
		return FaultLength
	}
	return ""
}

// check looks at the content of a frame (without length and command) and repairs in place what can be repaired. A fatal
// fault means that nothing can be made of the frame. What follows in the message is worth more than a NUL inside a header's value or a
// client address that cannot be parsed.
func check(cmd byte, data []byte) (f Fault, fatal bool) {
	switch cmd {
	case cmdConnect:
		return checkConnect(data)
	case cmdHelo, cmdMail, cmdRcpt:
		if bytes.IndexByte(data, 0) < 0 {
			return FaultContent, true
		}
	case cmdHeader:
		return checkHeader(data)
	case cmdMacro:
		if len(data) == 0 {
			return FaultContent, true
		}
	case cmdNegotiate:
		if len(data) < 12 { // version, actions, protocol: 32 bits each
			return FaultContent, true
		}
	}
	return "", false
}

// checkConnect wants "hostname NUL family [port(2) address NUL]".
func checkConnect(data []byte) (Fault, bool) {
	i := bytes.IndexByte(data, 0)
	if i < 0 || i+1 >= len(data) {
		return FaultContent, true
	}
	family, rest := data[i+1:i+2], data[i+2:]
	switch family[0] {
	case 'U':
		return "", false
	case 'L', '4', '6':
	default:
		return FaultContent, true
	}
	if len(rest) < 2 {
		return FaultContent, true
	}
	addr, _, _ := bytes.Cut(rest[2:], []byte{0})
	if family[0] == 'L' || plausibleIP(family[0], string(addr)) {
		return "", false
	}
	// The family "unknown" means a client without an address: the session, and so the mail, goes on.
	family[0] = 'U'
	return FaultRepaired, false
}

// plausibleIP says whether the address is one of its family.
func plausibleIP(family byte, s string) bool {
	if family == '6' {
		s = strings.TrimPrefix(s, "IPv6:")
		if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
			s = s[1 : len(s)-1]
		}
		return net.ParseIP(s) != nil
	}
	ip := net.ParseIP(s)
	return ip != nil && ip.To4() != nil
}

// checkHeader wants "name NUL value NUL". NULs inside the value become spaces, as RFC 5322 section 2.2 allows none there.
func checkHeader(data []byte) (Fault, bool) {
	i := bytes.IndexByte(data, 0)
	if i < 0 {
		return FaultContent, true
	}
	value := data[i+1:]
	if len(value) == 0 {
		return FaultContent, true
	}
	if value[len(value)-1] == 0 {
		value = value[:len(value)-1]
	}
	f := Fault("")
	for j := bytes.IndexByte(value, 0); j >= 0; j = bytes.IndexByte(value, 0) {
		value[j] = ' '
		f = FaultRepaired
	}
	return f, false
}
