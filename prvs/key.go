package prvs

import (
	"fmt"
	"log/slog"
)

// State says what a key is used for.
type State uint8

const (
	StateVerify  State = iota // tags made with it are accepted; before all hosts know it, and while its tags last
	StateSign                 // tags are made with it, and accepted
	StateRetired              // it is listed and ignored: tags with its number are those of an unknown key
)

// String returns "verify", "sign" or "retired".
func (s State) String() string {
	switch s {
	case StateVerify:
		return "verify"
	case StateSign:
		return "sign"
	case StateRetired:
		return "retired"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// ParseState reads what [State.String] returns.
func ParseState(s string) (State, error) {
	for _, state := range [...]State{StateVerify, StateSign, StateRetired} {
		if s == state.String() {
			return state, nil
		}
	}
	return 0, fmt.Errorf(`prvs: unknown key state %q: choose "verify", "sign" or "retired"`, s)
}

// Key is a secret of the site and what it is used for. However a Key is printed, logged or encoded as JSON, its
// secret stays out.
type Key struct {
	Number uint8  // 0 to 9, the K of a tag
	State  State  // what it is used for; the zero value only verifies
	Domain string // the one domain it is for, in any case; "" for every domain
	Secret []byte `json:"-"` // of any length but zero; 20 random octets, the length of a SHA-1 hash, are ample

	// Absent says that there is such a key and that its secret is not at hand: Secret is empty. Nothing is signed with it, also
	// not with another key in its place, and tags with its number are [Unverifiable] unless another key made them, which may even
	// be one with the same number and domain.
	Absent bool `json:",omitzero"`
}

// String names the key by number, domain and state.
func (k Key) String() string {
	if k.Domain == "" {
		return fmt.Sprintf("key %d (%s)", k.Number, k.State)
	}
	return fmt.Sprintf("key %d of %s (%s)", k.Number, k.Domain, k.State)
}

// GoString is String, for the verb %#v.
func (k Key) GoString() string { return k.String() }

// Format prints String for every verb: %x and %d would show the secret otherwise.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue logs number, domain and state.
func (k Key) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("number", int(k.Number)),
		slog.String("domain", k.Domain),
		slog.String("state", k.State.String()),
	)
}
