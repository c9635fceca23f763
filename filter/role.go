package filter

import "fmt"

// Role says what a listener does. Outbound and inbound mail may take different ways through an MTA. A listener for one of them
// asks the MTA for less, and cannot do by mistake what belongs to the other.
type Role uint8

const (
	// RoleBoth signs mail sent from here and judges bounces.
	RoleBoth Role = iota
	// RoleSign signs mail sent from here and puts it on record. All other mail passes: bounces are not judged, and tags stay in
	// the recipients.
	RoleSign
	// RoleVerify judges bounces and removes tags from recipients. It signs nothing and puts nothing on record, not even mail
	// sent from here. Bounces sent from here are exempt as in RoleBoth.
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

// kindOf returns the kind of a message for a listener of this role. null says that it has the null sender, outbound that it was
// sent from here, daemon that its sender is one that bounces come from.
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
