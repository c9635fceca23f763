package bounded

import "net/netip"

// Network returns the network of an address whose hosts count as one, since services send from several neighbours: a /24 of IPv4, a /64
// of IPv6.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 24
	}
	n, _ := a.Prefix(bits) // fails for more bits than the address has
	return n
}
