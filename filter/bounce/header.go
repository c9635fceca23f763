package bounce

// MessageID returns the identifier in the value of a Message-ID field (RFC 5322 section 3.6.4) in the form in which a [Report]
// names it: without angle brackets and white space. It is empty if there is none.
func MessageID(field string) string { return messageID(field) }

// Address returns the first address in the value of a field like From, without its name. It is empty or no address if there
// is none.
func Address(field string) string { return fieldAddress(field) }
