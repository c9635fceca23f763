package prvs

import (
	"crypto/sha1" // The draft leaves no choice. SHA-1 has lost its collision resistance, which HMAC does not need.
	"crypto/subtle"
)

// macLen is the number of octets of the HMAC that a tag carries.
const macLen = 3

// stackAddress is the length in octets up to which an address is hashed without an allocation. It is that of the longest path
// (RFC 5321 section 4.5.3.1.3).
const stackAddress = 256

// MAC returns what the draft calls the hash of a tag (section 4.1): the first three octets of the HMAC-SHA1, under secret,
// over the key number, the day of expiry modulo 1000, and the address exactly as the caller passes it, without angle
// brackets. number is a digit, 0 to 9.
func MAC(secret []byte, number uint8, expiry Day, address string) [3]byte {
	k := newMACKey(secret)
	return k.sum(append(k.message(nil, prefix(number, expiry.ddd())), address...))
}

// macKey is a secret as HMAC (RFC 2104 section 2) uses it: padded to a block of SHA-1 and combined with two constants.
type macKey struct {
	inner, outer [sha1.BlockSize]byte
}

func newMACKey(secret []byte) *macKey {
	if len(secret) > sha1.BlockSize {
		sum := sha1.Sum(secret)
		secret = sum[:]
	}
	k := new(macKey)
	copy(k.inner[:], secret)
	copy(k.outer[:], secret)
	for i := range k.inner {
		k.inner[i] ^= 0x36
		k.outer[i] ^= 0x5c
	}
	return k
}

// message begins, in buf, the input of sum, to which the caller appends the address. Key, digits and address are then in one
// piece of memory, which may be on the stack: crypto/hmac needs six allocations for the same.
func (k *macKey) message(buf []byte, digits [4]byte) []byte {
	return append(append(buf, k.inner[:]...), digits[:]...)
}

// sum returns the first octets of the HMAC over a message that k.message began.
func (k *macKey) sum(message []byte) (mac [macLen]byte) {
	hash := sha1.Sum(message)
	var outer [sha1.BlockSize + sha1.Size]byte
	copy(outer[:], k.outer[:])
	copy(outer[sha1.BlockSize:], hash[:])
	hash = sha1.Sum(outer[:])
	copy(mac[:], hash[:])
	return mac
}

// messageLen is the length in octets of a message over an address of stackAddress octets.
const messageLen = sha1.BlockSize + 4 + stackAddress

// prefix returns K and DDD in the form that they have in a tag.
func prefix(number uint8, ddd int) [4]byte {
	return [4]byte{'0' + number, '0' + byte(ddd/100), '0' + byte(ddd/10%10), '0' + byte(ddd%10)}
}

// equal compares in constant time, so that the time of a reply does not help an attacker to guess a tag.
func equal(a, b [macLen]byte) bool {
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
