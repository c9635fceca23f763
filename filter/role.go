package filter

import "fmt"

// Role says what a listener is there for. Mail that goes out and mail that comes in may take different ways through an MTA;
// a listener for one of them asks the MTA for less, and cannot do by mistake what belongs to the other.
type Role uint8

const (
	// RoleBoth signs what is sent from here and judges bounces.
	RoleBoth Role = iota
	// RoleSign signs what is sent from here and remembers it. Everything else passes: bounces are not judged, recipients keep
	// their tags.
	RoleSign
	// RoleVerify judges bounces and removes tags from recipients. Nothing is signed or remembered, also not what is sent
	// from here; bounces from here stay exempt.
	RoleVerify
)

var roleWords = [...]string{RoleBoth: "both", RoleSign: "sign", RoleVerify: "verify"}

// String returns the role's word in configuration and logs.
func (r Role) String() string { return roleWords[r] }

// ParseRole returns the role with the word s.
func ParseRole(s string) (Role, error) {
	for i, w := range roleWords {
		if w == s {
			return Role(i), nil
		}
	}
	return 0, fmt.Errorf("unknown role %q: use %q, %q or %q", s, "both", "sign", "verify")
}

// Signs says whether mail sent from here is signed.
func (r Role) Signs() bool { return r != RoleVerify }

// Verifies says whether bounces are judged and recipients untagged.
func (r Role) Verifies() bool { return r != RoleSign }

// kindOf says what a message is to a listener of this role: one with the null sender, one that was sent from here, or one of
// a sender that bounces come from.
func (r Role) kindOf(null, outbound, daemon bool) kind {
	switch {
	case null && r.Verifies():
		return kindBounce
	case null:
		return kindInbound
	case outbound && r.Signs():
		return kindOutbound
	case outbound:
		return kindUnsigned
	case daemon && r.Verifies():
		return kindDaemon
	}
	return kindInbound
}
