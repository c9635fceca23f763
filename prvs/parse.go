package prvs

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxAddressLen is the number of octets that [ParseAddress] accepts. RFC 5321 section 4.5.3.1.3 allows a path 256. Addresses
// that several forwarders rewrote (SRS) or that name a recipient (VERP) exceed that, and MTAs deliver to them all the same.
// The limit bounds the cost of hashing and logging what a client sends.
const MaxAddressLen = 1024

// AddressError says why [ParseAddress] refused its input.
type AddressError struct {
	Input   string // the input, or the start of a long one
	Pos     int    // octet of the input at which the problem was found
	Problem string // what is wrong, such as "space outside quotes"
}

// Error quotes the input, so that it is safe to log.
func (e *AddressError) Error() string {
	return fmt.Sprintf("prvs: address %q: %s at position %d", e.Input, e.Problem, e.Pos)
}

// maxErrorInput is how many octets of an address an error contains: enough to recognise the address.
const maxErrorInput = 80

// ParseAddress reads the argument of MAIL FROM or RCPT TO, with or without angle brackets. It drops a source route
// ("@relay.example:user@example.com"), as RFC 5321 appendix C asks. "" and "<>" are the null sender, the zero Address. The
// last "@" outside quotes separates local part and domain.
//
// It accepts what MTAs deliver, which is more than the RFC allows: addresses without a domain, dots anywhere, quotes in the
// middle of a local part, any UTF-8. It refuses control characters, space and specials outside quotes, text that is not
// UTF-8, and more than [MaxAddressLen] octets. Errors are of type *[AddressError]. It allocates only for an error.
func ParseAddress(s string) (Address, error) {
	a, pos, problem := parseAddress(s)
	if problem != "" {
		return Address{}, &AddressError{Input: excerpt(s), Pos: pos, Problem: problem}
	}
	return a, nil
}

func parseAddress(s string) (a Address, pos int, problem string) {
	if len(s) > MaxAddressLen {
		return a, MaxAddressLen, "address is too long"
	}
	start, end := 0, len(s)
	if strings.HasPrefix(s, "<") {
		if !strings.HasSuffix(s, ">") {
			return a, end, "closing angle bracket is missing"
		}
		start, end = 1, end-1
	}
	if start == end {
		return a, 0, ""
	}
	if s[start] == '@' {
		n := routeLen(s[start:end])
		if n < 0 {
			return a, start, "source route without mailbox"
		}
		start += n
	}

	at, pos, problem := scanLocal(s, start, end)
	if problem != "" {
		return a, pos, problem
	}
	if at == start || s[start] == '@' {
		return a, start, "local part is empty"
	}
	if at == end {
		return Address{Local: s[start:end]}, 0, ""
	}
	if pos, problem = scanDomain(s, at+1, end); problem != "" {
		return a, pos, problem
	}
	return Address{Local: s[start:at], Domain: s[at+1 : end]}, 0, ""
}

// routeLen returns the length of the source route at the start of s, its colon included, or -1 if no colon ends it. The
// colons of an IPv6 address literal do not end it.
func routeLen(s string) int {
	literal := false
	for i := range len(s) {
		switch s[i] {
		case '[':
			literal = true
		case ']':
			literal = false
		case '"':
			return -1
		case ':':
			if !literal {
				return i + 1
			}
		}
	}
	return -1
}

// scanLocal checks the local part of s[start:end] and returns where its "@" is, or end if there is none.
func scanLocal(s string, start, end int) (at, pos int, problem string) {
	at = end
	quoted := false
	for i := start; i < end; i++ {
		c := s[i]
		if c >= 0x80 {
			n := runeLen(s[i:end])
			if n == 0 {
				return 0, i, "text is not UTF-8"
			}
			i += n - 1
			continue
		}
		switch {
		case c < ' ' || c == 0x7f:
			return 0, i, "control character"
		case c == '"':
			quoted = !quoted
		case quoted:
			if c == '\\' {
				if i++; i == end || s[i] < ' ' || s[i] >= 0x7f {
					return 0, i, "backslash escapes no character"
				}
			}
		case c == '@':
			// If another "@" follows, what comes after this one belongs to the local part.
			at = i
			if !strings.Contains(s[i+1:end], "@") {
				return at, 0, ""
			}
		case c == ' ':
			return 0, i, "space outside quotes"
		case c != '.' && !isAtext(c):
			return 0, i, "special character outside quotes"
		}
	}
	if quoted {
		return 0, end, "closing quote is missing"
	}
	return at, 0, ""
}

// scanDomain checks the domain s[start:end]. It accepts names that an MTA would never look up, because this package only
// compares domains.
func scanDomain(s string, start, end int) (pos int, problem string) {
	if start == end {
		return start, "domain is empty"
	}
	literal := s[start] == '['
	if literal {
		if s[end-1] != ']' || end-start < 3 {
			return end, "address literal is not complete"
		}
		start, end = start+1, end-1
	}
	for i := start; i < end; i++ {
		c := s[i]
		switch {
		case c >= 0x80:
			n := runeLen(s[i:end])
			if n == 0 {
				return i, "text is not UTF-8"
			}
			i += n - 1
		case c <= ' ' || c == 0x7f:
			return i, "space or control character in the domain"
		case c == ':' && literal:
		case strings.IndexByte(`"(),:;<>@[\]`, c) >= 0:
			return i, "special character in the domain"
		}
	}
	return 0, ""
}

// runeLen returns the length of the character at the start of s, or 0 if it is not UTF-8.
func runeLen(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n <= 1 {
		return 0
	}
	return n
}

// excerpt returns the start of s, cut between two characters.
func excerpt(s string) string {
	if len(s) <= maxErrorInput {
		return s
	}
	n := maxErrorInput
	for n > maxErrorInput-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}
