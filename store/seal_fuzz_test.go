package store_test

import (
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// FuzzVerify: what Verify takes is what Sign makes of the value, in that place and in no other, and under no other secret.
func FuzzVerify(f *testing.F) {
	h, other := store.NewHasher([]byte("secret")), store.NewHasher([]byte("another"))
	f.Add(h.Sign("value", "hash", "field"), "hash", "field")
	f.Add("AAAAAAAAAAAAAAAAAAAAAA value", "hash", "field")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, stored, hash, field string) {
		signed := h.Sign(stored, hash, field)
		if value, ok := h.Verify(signed, hash, field); !ok || value != stored {
			t.Errorf("%q became %q, %t", stored, value, ok)
		}
		for _, place := range [][]string{{hash, field + "x"}, {hash + field, ""}, {hash}, {hash, field, ""}} {
			if len(place) == 2 && place[0] == hash && place[1] == field {
				continue
			}
			if _, ok := h.Verify(signed, place...); ok {
				t.Errorf("%q is taken in %q", signed, place)
			}
		}
		if _, ok := other.Verify(signed, hash, field); ok {
			t.Errorf("%q is taken under another secret", signed)
		}
		if value, ok := h.Verify(stored, hash, field); ok && h.Sign(value, hash, field) != stored {
			t.Errorf("%q is taken", stored)
		}
	})
}
