// Package prvs signs and verifies envelope senders with PRVS tags, the tag type that Bounce Address Tag Validation
// (BATV, draft-levine-smtp-batv-01) defines. A site that signs the envelope sender of all mail that it sends can refuse
// bounces to an unsigned address: they answer mail that an attacker sent in the site's name.
//
// # Use
//
// Make a [Ring] from the keys of the site, then [Ring.Sign] on the way out and [Ring.Verify] on the way in:
//
//	ring, err := prvs.NewRing([]prvs.Key{{Number: 1, State: prvs.StateSign, Secret: secret}}, prvs.Options{})
//	sender, err := prvs.ParseAddress("<user@example.com>")
//	signed, err := ring.Sign(sender, prvs.Standard, prvs.DayOf(now))   // prvs=1787...=user@example.com
//	result := ring.Verify(recipient, prvs.DayOf(now))                  // result.Status, result.Original
//
// The package reads no clock, does no I/O and has no state: the day is an argument, a Ring never changes, and all functions
// may be called by many goroutines at once. Beside the standard library it needs golang.org/x/net/idna alone.
//
// # Tags
//
// A tag consists of ten characters, KDDDSSSSSS: K is the key number, DDD the day of expiry (days since 1970-01-01 UTC,
// modulo 1000), SSSSSS the first three octets, in hexadecimal, of HMAC-SHA1 over K, DDD and the address (section 4.1).
// It is in one of two places:
//
//	prvs=KDDDSSSSSS=user@example.com    Standard, the form of the draft
//	user+prvs=KDDDSSSSSS@example.com    SubAddress, for sites whose mail system ignores what follows a "+"
//
// [Ring.Verify] accepts both, whichever is used for signing. [Ring.Sign] quotes a local part that needs quotes as a whole,
// "prvs=KDDDSSSSSS=user name"@example.com, which every RFC 5321 parser reads. Verify also accepts what Exim writes,
// prvs=KDDDSSSSSS="user name"@example.com. A tag is valid until the end of its day of expiry, in UTC. It repeats after
// 1000 days, so retire a key before it is that old, or keep a record of the tags that were issued.
//
// # Spelling, and what other products sign
//
// An internationalized domain has two spellings, as U-labels and as A-labels (RFC 5890 section 2.3.2.1). A tag of one verifies for the
// other: what is hashed is the A-labels.
//
// The draft does not say whether case counts. Relays and mailboxes fold it, so [Ring.Sign] hashes the folded address
// (see [Address.Fold]) and returns the address in its own case. The tag then verifies in any case. Exim, Halon and
// batv-tools hash the address as it was written. For lower case without needless quotes that is the same, and the tags
// are interchangeable. [Ring.Verify], which has the exact list, accepts their tags over mixed-case addresses too. They do
// not accept ours over mixed case unless the address has been folded on its way.
//
// # What it refuses to do
//
// It signs no null sender, no address with a tag, no address without a domain, and none whose tagged local part would exceed
// the 64 octets of RFC 5321 section 4.5.3.1.1. It does not normalize Unicode in local parts: both sides of a comparison must use one
// form. It has no record of issued tags.
package prvs
