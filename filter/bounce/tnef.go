package bounce

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
)

// Exchange can wrap a report and what it returns in TNEF (MS-OXTNEF), winmail.dat, where a message's identifier is one of many MAPI
// properties (MS-OXOMSG section 2.2.1.12): its type and number, how many values it has, and length and octets of each. tnefIDs finds
// these properties by their first octets, at whatever depth they are, and reads nothing else.
var (
	tnefSignature   = []byte{0x78, 0x9f, 0x3e, 0x22}
	internetMessage = []byte{0x35, 0x10, 1, 0, 0, 0} // PidTagInternetMessageId, with one value
)

const (
	tnefString8 = 0x1e // one octet a character
	tnefUnicode = 0x1f // UTF-16, the low octet first
)

// tnefIDs returns the identifiers of the messages in a TNEF stream, at most maxMessageIDs.
func tnefIDs(b []byte) []string {
	var ids []string
	if !bytes.HasPrefix(b, tnefSignature) {
		return nil
	}
	for len(ids) < maxMessageIDs {
		i := bytes.Index(b, internetMessage)
		if i < 0 {
			break
		}
		kind := b[max(0, i-2):i]
		b = b[i+len(internetMessage):]
		if len(kind) < 2 || kind[1] != 0 || len(b) < 4 {
			continue
		}
		n := uint64(binary.LittleEndian.Uint32(b))
		if n > 2*maxMessageIDBytes || n > uint64(len(b)-4) {
			continue
		}
		value := b[4 : 4+n]
		var text string
		switch kind[0] {
		case tnefString8:
			text = string(value)
		case tnefUnicode:
			units := make([]uint16, len(value)/2)
			for k := range units {
				units[k] = binary.LittleEndian.Uint16(value[2*k:])
			}
			text = string(utf16.Decode(units))
		}
		text, _, _ = strings.Cut(text, "\x00")
		if id := messageID(text); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
