package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
)

// ErrSealed is returned by [Hasher.Open] for a box that was sealed under another secret or for another use, or was changed.
var ErrSealed = errors.New("the value was sealed under another hash secret, or for another use")

// Seal encrypts a value for all nodes that have the hasher's secret: AES-256-GCM (NIST SP 800-38D) with a random nonce, under a
// key derived from the secret. use, such as the topic and name of a broadcast, is authenticated with the value: Open needs the same.
func (h *Hasher) Seal(use string, value []byte) []byte {
	return h.sealer().Seal(nil, nil, value, []byte(use))
}

// Open returns the value that Seal put into box, or [ErrSealed].
func (h *Hasher) Open(use string, box []byte) ([]byte, error) {
	value, err := h.sealer().Open(nil, nil, box, []byte(use))
	if err != nil {
		return nil, ErrSealed
	}
	return value, nil
}

func (h *Hasher) sealer() cipher.AEAD {
	s := h.begin(kindSeal)
	s.mac.Reset()
	s.mac.Write(s.in) // never fails, see hash.Hash
	key := s.mac.Sum(nil)
	h.states.Put(s)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has 32 octets
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the cipher is AES
	}
	return aead
}

// Sign authenticates a value in clear in its place, such as the name of a hash and that of a field: HMAC-SHA-256 under the
// hasher's secret, cut to [KeySize] octets, in 22 characters of base64 (RFC 4648 section 5), a space, the value. Who lacks the secret
// can neither change the value nor move it to another place. Who can write to the place can put an earlier value back.
func (h *Hasher) Sign(value string, place ...string) string {
	return h.mac(value, place) + " " + value
}

// Verify returns the value that Sign was given for the same place, or ok = false.
func (h *Hasher) Verify(signed string, place ...string) (value string, ok bool) {
	mac, value, found := strings.Cut(signed, " ")
	// The text is compared, because a decoder takes several texts for the same octets.
	if !found || subtle.ConstantTimeCompare([]byte(mac), []byte(h.mac(value, place))) != 1 {
		return "", false
	}
	return value, true
}

// mac is what Sign puts before a value.
func (h *Hasher) mac(value string, place []string) string {
	s := h.begin(kindPlace)
	for _, p := range place {
		s.in = appendField(s.in, p)
	}
	s.in = appendField(s.in, value)
	mac := h.finish(s, "")
	return base64.RawURLEncoding.EncodeToString(mac[:])
}
