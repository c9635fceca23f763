package policy

import (
	"fmt"

	"github.com/bouncefilter/bouncefilter/prvs"
)

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

// Kind is what a message is to this site.
type Kind uint8

const (
	Inbound  Kind = iota // mail that is none of the others: at most untagged
	Outgoing             // sent from here: signed
	Bounce               // null sender: judged
	Daemon               // mail of a sender that bounces come from: judged if it is one
	Unsigned             // sent from here through a listener that signs nothing: at most untagged
)

// Kind returns the kind of a message with this envelope sender for a listener in a role. usable is false for a sender that is no
// address; outbound says that the message was sent from here, see [Policy.Outbound].
func (p *Policy) Kind(r Role, sender prvs.Address, usable, outbound bool) Kind {
	null := usable && sender.IsNull()
	switch {
	case null && r.Verifies():
		return Bounce
	case null:
		return Inbound
	case outbound && r.Signs():
		return Outgoing
	case outbound:
		return Unsigned
	case r.Verifies() && usable && p.MayBeBounce(sender):
		return Daemon
	}
	return Inbound
}
