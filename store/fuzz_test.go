package store_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// What was sealed opens again, and not if a bit was changed, if it is cut, for another use, or under another secret. What the daemon did
// not seal does not open.
func FuzzSeal(f *testing.F) {
	f.Add([]byte("secret"), "keys/3", []byte("value"), 5, []byte("box"))
	f.Add([]byte{}, "", []byte{}, 0, []byte{})
	f.Fuzz(func(t *testing.T, secret []byte, use string, value []byte, bit int, box []byte) {
		h := store.NewHasher(secret)
		sealed := h.Seal(use, value)
		if got, err := h.Open(use, sealed); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%q opens as %q, %v", value, got, err)
		}
		refused := func(what string, h *store.Hasher, use string, box []byte) {
			if got, err := h.Open(use, box); !errors.Is(err, store.ErrSealed) || got != nil {
				t.Errorf("%s opens as %q, %v", what, got, err)
			}
		}
		changed := bytes.Clone(sealed)
		bit = int(uint(bit) % uint(8*len(changed)))
		changed[bit/8] ^= 1 << (bit % 8)
		refused("a box with one bit changed", h, use, changed)
		refused("a box that is cut", h, use, sealed[:bit/8])
		refused("a box with more behind it", h, use, append(bytes.Clone(sealed), 0))
		refused("a box for another use", h, use+"/", sealed)
		refused("a box under another secret", store.NewHasher(append(bytes.Clone(secret), 1)), use, sealed)
		if !bytes.Equal(box, sealed) {
			refused("a box that was never sealed", h, use, box)
		}
	})
}
