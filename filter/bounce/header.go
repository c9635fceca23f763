package bounce

// MessageID returns the identifier in the value of a Message-ID field (RFC 5322 section 3.6.4) in the form that a [Report]
// has: without angle brackets and white space. It is empty if there is none.
func MessageID(field string) string { return messageID(field) }

// Address returns the first address in the value of a field like From, without its display name. If there is no address, it
// returns "" or what is there in place of one.
func Address(field string) string { return fieldAddress(field) }
