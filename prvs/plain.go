package prvs

import "strings"

// Plain returns an address without the tags of any site, whether they are genuine or not: what a rule about the address has to be asked
// for. Other text is returned as it is, and so are the parts of an address that such rules are asked for: "user@" loses its tags,
// "example.com" has none. An SRS address (SRS0=hash=day=domain=user@forwarder) keeps what looks like a tag within it.
func Plain(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	local := address[:at]
	for {
		s := splitLocal(local)
		if s.status != Valid || s.form == SubAddress && isSRS(local) {
			return local + address[at:]
		}
		local = s.sender + s.suffix
	}
}

// isSRS reports whether a local part looks like one of the Sender Rewriting Scheme, which has three "=" or more.
func isSRS(local string) bool {
	local = strings.TrimPrefix(local, `"`)
	return len(local) > len("SRS0=") && (strings.EqualFold(local[:4], "SRS0") || strings.EqualFold(local[:4], "SRS1")) &&
		strings.IndexByte("-+=", local[4]) >= 0 && strings.Count(local[5:], "=") >= 2
}
