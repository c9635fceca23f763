package policy

import "strings"

// isSRS says whether a local part is an address of the Sender Rewriting Scheme, under which a server that forwards mail sends
// it on:
//
//	SRS0=hash=day=domain=user@forwarder
//	SRS1=hash=forwarder=opaque@forwarder, where opaque begins with the separator of the other forwarder's SRS0
//
// The first separator may be "=", "+" or "-". An SRS address carries a proof of its own, a hash that the forwarder checks
// when a bounce comes back to it (PostSRSd, srs-milter, Exim). It is not signed, and a bounce to it has no tag of ours.
func isSRS(local string) bool {
	local = strings.TrimPrefix(local, `"`)
	if len(local) < len("SRS0=") || !strings.EqualFold(local[:3], "SRS") || !isSRSSeparator(local[4]) {
		return false
	}
	kind, rest := local[3], local[5:]
	switch kind {
	case '0':
		return haveText(strings.SplitN(rest, "=", 4), 4)
	case '1':
		parts := strings.SplitN(rest, "=", 3)
		return haveText(parts, 3) && isSRSSeparator(parts[2][0])
	}
	return false
}

// haveText says whether there are n parts, none of them empty.
func haveText(parts []string, n int) bool {
	for _, p := range parts {
		if p == "" {
			return false
		}
	}
	return len(parts) == n
}

func isSRSSeparator(c byte) bool { return c == '=' || c == '+' || c == '-' }
