package broadcastvalue_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/broadcastvalue"
)

// A broadcast is read as it was written, until its last day. What a backend has besides is not read, or is the value of one.
func FuzzBroadcast(f *testing.F) {
	f.Add("revoked", "x", []byte("value"), int32(20000), int32(20000), []byte("20000 value"))
	f.Add("", "", []byte{}, int32(-1), int32(0), []byte(" "))
	f.Add("keys", " ", []byte(" 1 2"), int32(1<<31-1), int32(-1<<31), []byte("+1 x"))
	f.Add("keys", "n", []byte{0, 0xff}, int32(0), int32(1), []byte("99999999999 x"))
	f.Fuzz(func(t *testing.T, topic, name string, value []byte, expires, today int32, stored []byte) {
		b := store.Broadcast{Topic: topic, Name: name, Value: value, Expires: store.Day(expires)}
		written := broadcastvalue.Format(b)
		got, ok := broadcastvalue.Parse(topic, name, written, store.Day(today))
		if ok != (expires >= today) {
			t.Errorf("%+v is read on day %d: %v", b, today, ok)
		}
		if ok && (got.Topic != topic || got.Name != name || !bytes.Equal(got.Value, value) || got.Expires != b.Expires) {
			t.Errorf("%+v is read as %+v", b, got)
		}
		got, ok = broadcastvalue.Parse(topic, name, stored, store.Day(today))
		if !ok {
			return
		}
		if got.Expires < store.Day(today) {
			t.Errorf("%q has expired on day %d and is read as %+v", stored, today, got)
		}
		again, ok := broadcastvalue.Parse(topic, name, broadcastvalue.Format(got), store.Day(today))
		if !ok || !reflect.DeepEqual(again, got) {
			t.Errorf("%q is read as %+v, and that as %+v, %v", stored, got, again, ok)
		}
	})
}
