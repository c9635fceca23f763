package store

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// Broadcast is a small value that the nodes of a store share: a revocation, a new key. There are few of them, and each node reads
// all broadcasts of a topic again and again. What must not be read by whoever reads the store is sealed (see [Hasher.Seal]).
type Broadcast struct {
	Topic   string
	Name    string // unique within the topic, not empty
	Value   []byte
	Expires Day // last day on which it is found
}

// ErrSealed is returned for a value that was not sealed under this secret, or for something else.
var ErrSealed = errors.New("the value was sealed under another hash secret, or for another use")

// Seal encrypts a value for all nodes that have the hasher's secret, and for nobody else: AES-256-GCM (NIST SP 800-38D) with a
// random nonce, under a key made from the secret. Open returns the value for the same use alone, such as the topic and name
// of a broadcast.
func (h *Hasher) Seal(use string, value []byte) []byte {
	return h.sealer().Seal(nil, nil, value, []byte(use))
}

// Open returns what Seal made the box of, or [ErrSealed].
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
		panic(err) // it is AES
	}
	return aead
}
