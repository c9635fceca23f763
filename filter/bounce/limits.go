package bounce

// Limits bound what one message may cost. A field that is zero or less takes its value from [DefaultLimits].
type Limits struct {
	HeaderBytes int // octets of the message's header that are read
	BodyBytes   int // octets of its body that are read, in transfer encoding
	Depth       int // levels of multiparts and of messages within messages
	Parts       int // MIME parts that are read, of all levels together
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
