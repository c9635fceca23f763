package store

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
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
