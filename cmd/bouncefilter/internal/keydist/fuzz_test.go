package keydist

import (
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// Whatever was sealed as a key: one that is taken in has a digit and a secret, and is sealed and read the same way again. The error about
// another shows nothing of it.
func FuzzPublishedKey(f *testing.F) {
	for _, text := range []string{
		`{"number":3,"domain":"example.com","secret":"c2VjcmV0","created":"2026-11-23T12:00:00Z"}`, `{"number":10,"secret":"c2VjcmV0"}`,
		`{"number":1}`, `{"number":1,"secret":"correct-horse-battery-staple"}`, `{"number":"correct-horse-battery-staple"}`, "correct-horse-battery-staple", "null", "",
	} {
		f.Add(" after 0", []byte(text))
	}
	h := store.NewHasher([]byte("hash secret"))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		b := store.Broadcast{Topic: topic, Name: name, Value: h.Seal(topic+" "+name, text)}
		key, err := open(h, b)
		if err != nil {
			if strings.Contains(err.Error(), "horse") {
				t.Errorf("the error shows the content: %v", err)
			}
			return
		}
		if key.Number > 9 || len(key.Secret) == 0 {
			t.Errorf("%q is read as %+v", text, key)
		}
		if b.Value, err = key.seal(h, name); err != nil {
			t.Fatalf("%q is read as %+v, which cannot be sealed: %v", text, key, err)
		}
		again, err := open(h, b)
		if err != nil || again.Number != key.Number || again.Domain != key.Domain || string(again.Secret) != string(key.Secret) || !again.Created.Equal(key.Created) {
			t.Errorf("%+v is then %+v, %v", key, again, err)
		}
		if _, err := open(h, store.Broadcast{Topic: topic, Name: name + "x", Value: b.Value}); err == nil {
			t.Errorf("%+v opens under another name", key)
		}
	})
}
