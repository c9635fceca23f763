package bounce

// Limits bound what one message may cost. A field that is zero or less takes its value from [DefaultLimits].
type Limits struct {
	HeaderBytes int // octets of the message's header that are read
	BodyBytes   int // octets of its body that are read, in transfer encoding
	Depth       int // levels of multiparts and of messages within messages
	Parts       int // MIME parts that are read, of all levels together
	// Steps is how many steps of work the message may take, an octet that is looked at being one. The default grows with the size of
	// the message, and is far from what genuine messages take.
	Steps int
}

// DefaultLimits returns limits that fit the bounces of all known MTAs: the report comes before the returned message, and of
// the returned message only the header matters.
func DefaultLimits() Limits {
	return Limits{
		HeaderBytes: 128 << 10, // headers that passed many filters reach 60 KiB
		BodyBytes:   512 << 10, // a report for 1,000 recipients takes 300 KiB
		Depth:       10,        // a report inside a forwarded report inside a list's wrapper has 7
		Parts:       100,       // a digest of a loop of bounces
	}
}

// The contents of a Report are bounded as well, so that they can be logged and stored.
const (
	maxRecipients         = 1000 // the recipients that one message may have at common MTAs
	maxOriginals          = 32
	maxOriginalRcpts      = 100
	maxQuoted             = 32
	maxReferences         = 20
	maxOpened             = 2   // messages of scanners around a report
	maxBlankLines         = 3   // within the header of a returned message
	maxMessageIDs         = 9   // Message-ID fields of one returned message: each relay may have put one in front
	maxOriginalReferences = 4   // identifiers that a returned message answers, the last ones
	maxAddressBytes       = 320 // local part 64, "@", domain 255 (RFC 5321 section 4.5.3.1)
	maxMessageIDBytes     = 998 // the longest line (RFC 5322 section 2.1.1)
	maxDiagnosticBytes    = 1024
	maxNameBytes          = 255
	maxProblems           = 50
)

// What is read of single fields and texts is bounded, too. Genuine messages do not come near.
const (
	maxFields        = 10_000   // of one header: the status of 1,000 recipients, with ten fields each
	maxTypeBytes     = 4 << 10  // of Content-Type and Content-Disposition: a file name in many encoded pieces
	maxWordsBytes    = 2 << 10  // of a field that may have encoded words (RFC 2047)
	maxWords         = 32       // of one field: 2 KiB of the longest ones
	maxAuthorField   = 8 << 10  // of a field that has one address
	maxAddressField  = 64 << 10 // of a field of addresses: 1,000 of them
	maxIDField       = 16 << 10 // of References, from its end
	maxKeyword       = 1 << 10  // of a field that is compared with words
	maxTextLines     = 5_000    // of a report's text: 1,000 recipients with four lines each, and a margin
	maxTextAddresses = 10_000   // in these lines
	maxDates         = 4        // dates that are tried until one can be read
	maxDateBytes     = 128      // of a date, without the comment behind it
)

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	for _, f := range []struct{ have, want *int }{
		{&l.HeaderBytes, &d.HeaderBytes}, {&l.BodyBytes, &d.BodyBytes}, {&l.Depth, &d.Depth}, {&l.Parts, &d.Parts},
	} {
		if *f.have <= 0 {
			*f.have = *f.want
		}
	}
	return l
}
