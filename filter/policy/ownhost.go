package policy

import (
	"net/netip"
	"strings"
)

// OwnHost says whether a host is one of ours: by its name, in lower case, which is the host name of this site, that of one of our domains, or
// below one of them; or by its address, which is in a network whose mail is outbound. What is not known is the zero value.
func (p *Policy) OwnHost(name string, address netip.Addr) bool {
	if address.IsValid() && inAny(p.outbound.Networks, address) {
		return true
	}
	if name == "" {
		return false
	}
	if name == lower(p.set.Hostname) {
		return true
	}
	for found := true; found; _, name, found = strings.Cut(name, ".") {
		if p.Domain(name) != nil {
			return true
		}
	}
	return false
}
