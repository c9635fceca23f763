package prvs

import "fmt"

// Form says where in the local part a tag is.
type Form uint8

const (
	Standard   Form = iota // prvs=KDDDSSSSSS=user@example.com, as in the draft
	SubAddress             // user+prvs=KDDDSSSSSS@example.com, for mail systems that ignore what follows a "+"
)

// String returns "standard" or "sub-address".
func (f Form) String() string {
	switch f {
	case Standard:
		return "standard"
	case SubAddress:
		return "sub-address"
	}
	return fmt.Sprintf("form %d", uint8(f))
}

// ParseForm returns the form whose [Form.String] is s.
func ParseForm(s string) (Form, error) {
	for _, f := range [...]Form{Standard, SubAddress} {
		if s == f.String() {
			return f, nil
		}
	}
	return 0, fmt.Errorf(`prvs: unknown form %q: choose "standard" or "sub-address"`, s)
}
