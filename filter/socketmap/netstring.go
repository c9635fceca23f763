package socketmap

import (
	"bufio"
	"errors"
	"io"
	"strconv"
)

const (
	// MaxRequest is how many octets a request may have. Postfix accepts no command line longer than 2048 octets
	// (line_length_limit), so no address is longer.
	MaxRequest = 10_000
	// MaxReply is how many octets Postfix reads of a reply (socketmap_table(5)).
	MaxReply = 100_000
)

// errMalformed is returned for a request that is no netstring or too long.
var errMalformed = errors.New("not a netstring, or one of more octets than a request may have")

// maxDigits is how many digits the length of a netstring may have: those of MaxRequest.
const maxDigits = 5

// readNetstring reads one netstring. It returns io.EOF if there is none, io.ErrUnexpectedEOF if the input ends inside one, and
// errMalformed.
func readNetstring(r *bufio.Reader) (string, error) {
	size, digits := 0, 0
	for {
		b, err := r.ReadByte()
		if err != nil {
			if digits > 0 {
				err = unexpected(err)
			}
			return "", err
		}
		if b == ':' && digits > 0 {
			break
		}
		// A length has no leading zeros; 0 is "0".
		if b < '0' || b > '9' || digits == maxDigits || digits > 0 && size == 0 {
			return "", errMalformed
		}
		size = 10*size + int(b-'0')
		digits++
	}
	if size > MaxRequest {
		return "", errMalformed
	}
	text := make([]byte, size+1)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", unexpected(err)
	}
	if text[size] != ',' {
		return "", errMalformed
	}
	return string(text[:size]), nil
}

// unexpected turns the end of the input into an unexpected one.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendNetstring appends the parts, joined, as one netstring.
func appendNetstring(dst []byte, parts ...string) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	dst = append(strconv.AppendInt(dst, int64(size), 10), ':')
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return append(dst, ',')
}
