package prvs

import (
	"fmt"
	"log/slog"
)

// State says what a key does.
type State uint8

const (
	StateVerify  State = iota // it verifies: until all hosts have the key, and later until its last tag has expired
	StateSign                 // it signs and verifies
	StateRetired              // it is ignored: a tag with its number is one of an unknown key
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

// ParseState returns the state whose [State.String] is s.
func ParseState(s string) (State, error) {
	for _, state := range [...]State{StateVerify, StateSign, StateRetired} {
		if s == state.String() {
			return state, nil
		}
	}
	return 0, fmt.Errorf(`prvs: unknown key state %q: choose "verify", "sign" or "retired"`, s)
}

// Key is a secret of the site, and what it does. No form in which a Key is printed, logged or encoded as JSON contains the
// secret.
type Key struct {
	Number uint8  // 0 to 9, the K of a tag
	State  State  // what it does; the zero value only verifies
	Domain string // its domain, in any spelling; "*.example.com" for all below example.com; "" for all domains
	Secret []byte `json:"-"` // not empty; 20 random octets, the length of a SHA-1 hash, are enough

	// Absent says that the site has this key, but that its secret is missing here: Secret is empty. If it is the signing key,
	// nothing is signed, not even with another key. Tags with its number are [Unverifiable], unless another key made them, which
	// may have the same number and domain.
	Absent bool `json:",omitzero"`
}

// String returns number, domain and state.
func (k Key) String() string {
	if k.Domain == "" {
		return fmt.Sprintf("key %d (%s)", k.Number, k.State)
	}
	return fmt.Sprintf("key %d of %s (%s)", k.Number, k.Domain, k.State)
}

// GoString returns the same as String, for the verb %#v.
func (k Key) GoString() string { return k.String() }

// Format prints what String returns for every verb. Otherwise %x and %d would print the secret.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue logs number, domain and state.
func (k Key) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("number", int(k.Number)),
		slog.String("domain", k.Domain),
		slog.String("state", k.State.String()),
	)
}
