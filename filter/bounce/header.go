package bounce

import "time"

// MessageID returns the identifier that a [Report] has of a returned message with this value in its Message-ID field (RFC 5322 section
// 3.6.4): without angle brackets and white space. It is empty if a report would have none.
func MessageID(field string) string {
	w := newWork(len(field))
	h, _, _ := parseHeader(w, "Message-ID: "+field+"\n", true)
	return messageID(w, h.get("message-id"))
}

// Address returns the first address in the value of a field like From, without its display name. If there is no address, it
// returns "" or what is there in place of one.
func Address(field string) string { return fieldAddress(field) }

// Addresses returns the addresses in the value of a field like To, at most 100.
func Addresses(field string) []string {
	return fieldAddresses(newWork(len(field)), field, maxOriginalRcpts)
}

// Date returns the time in the value of a Date field, or the one behind the last ";" of a Received field; zero if it cannot be read.
func Date(field string) time.Time { return date(field) }
