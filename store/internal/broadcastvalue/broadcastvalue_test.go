package broadcastvalue

import (
	"bytes"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// FuzzParse: what is parsed and written again is parsed as the same broadcast.
func FuzzParse(f *testing.F) {
	f.Add([]byte("20000 value"), int32(0))
	f.Add([]byte("-1 "), int32(-5))
	f.Add([]byte(" x"), int32(0))
	f.Fuzz(func(t *testing.T, stored []byte, today int32) {
		b, ok := Parse("topic", "name", stored, store.Day(today))
		if !ok {
			return
		}
		if b.Expires < store.Day(today) {
			t.Errorf("%q has expired by %d", stored, today)
		}
		again, ok := Parse("topic", "name", Format(b), store.Day(today))
		if !ok || again.Expires != b.Expires || !bytes.Equal(again.Value, b.Value) {
			t.Errorf("%q: %+v became %+v", stored, b, again)
		}
	})
}
