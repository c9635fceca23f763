package bounce

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
)

// Exchange can wrap a report and what it returns in TNEF (MS-OXTNEF), winmail.dat. A message's identifier is there one of many MAPI
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
func tnefIDs(w *work, b []byte) []string {
	var ids []string
	if !bytes.HasPrefix(b, tnefSignature) {
		return nil
	}
	w.skim(len(b))
	for len(ids) < maxMessageIDs {
		w.items(1)
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
		w.look(int(n))
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
		b = b[4+n:]
		text, _, _ = strings.Cut(text, "\x00")
		if id := messageID(w, text); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// tnefClass returns the message class in a TNEF stream (MS-OXTNEF section 2.1.3.2), or "". It is one of the first attributes, of which
// each has a level (one octet), its number, the length of its data (four each), the data, and a checksum (two).
func tnefClass(b []byte) string {
	const (
		head         = len("....") + 2 // signature and key
		messageClass = 0x00078008      // attMessageClass
		mostBefore   = 16
	)
	if !bytes.HasPrefix(b, tnefSignature) || len(b) < head {
		return ""
	}
	b = b[head:]
	for range mostBefore {
		if len(b) < 9 {
			break
		}
		n := uint64(binary.LittleEndian.Uint32(b[5:]))
		if n > uint64(len(b)-9) {
			break
		}
		if binary.LittleEndian.Uint32(b[1:]) == messageClass {
			class, _, _ := strings.Cut(string(b[9:9+min(n, maxNameBytes)]), "\x00")
			return class
		}
		b = b[min(9+n+2, uint64(len(b))):]
	}
	return ""
}

// The classes of messages that Exchange writes in the place of a sender (MS-OXTNEF section 2.1.3.4).
const (
	tnefReceipt  = "IPM.Microsoft Mail.Read Receipt"
	tnefBounce   = "IPM.Microsoft Mail.Non-Delivery"
	tnefSchedule = "IPM.Microsoft Schedule." // invitations and the answers to them
)
