package view

import (
	"errors"
	"reflect"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// Whatever was sealed as a revocation: one that is understood is valid, is sealed and understood the same way again, and only under its own
// name. What was not sealed is not understood.
func FuzzRevocation(f *testing.F) {
	for _, text := range []string{
		`{"kind":"tag","sender":"user@example.com","number":1,"until":20780,"at":"2026-11-23T12:00:00Z","note":"found in a list"}`,
		`{"kind":"sender","sender":"user@example.com","until":20780}`, `{"kind":"key","number":9,"domain":"example.com"}`,
		`{"kind":"key","number":10}`, `{"kind":"network"}`, `{"kind":"sender"}`, `{"kind":"key","at":"9999-12-31T23:59:59-23:59"}`, "{", "null", "",
	} {
		f.Add("name", []byte(text), int32(20780))
	}
	h := store.NewHasher([]byte("hash secret"))
	f.Fuzz(func(t *testing.T, name string, text []byte, expires int32) {
		b := store.Broadcast{Topic: RevocationTopic, Name: name, Value: text, Expires: store.Day(expires)}
		if r, err := OpenRevocation(h, b); !errors.Is(err, store.ErrSealed) {
			t.Errorf("%q was not sealed, and is %+v, %v", text, r, err)
		}
		b.Value = h.Seal(RevocationTopic+"/"+name, text)
		r, err := OpenRevocation(h, b)
		if err != nil {
			return
		}
		if err := r.Validate(); err != nil || r.Expires != prvs.Day(expires) {
			t.Errorf("%q is read as %+v, %v", text, r, err)
		}
		again, err := SealRevocation(h, r)
		if err != nil {
			t.Fatalf("%q is read as %+v, which cannot be sealed: %v", text, r, err)
		}
		if again.Name != RevocationName(h, r) || again.Expires != b.Expires {
			t.Errorf("%+v becomes %+v", r, again)
		}
		same, err := OpenRevocation(h, again)
		if err != nil || !same.At.Equal(r.At) {
			t.Fatalf("%+v is then %+v, %v", r, same, err)
		}
		same.At = r.At
		if !reflect.DeepEqual(same, r) {
			t.Errorf("%+v is then %+v", r, same)
		}
		again.Name += "x"
		if _, err := OpenRevocation(h, again); !errors.Is(err, store.ErrSealed) {
			t.Errorf("%+v opens under another name: %v", r, err)
		}
		if policy.NewRevocations([]*policy.Revocation{r, same}).Len() != 1 {
			t.Errorf("%+v is not one revocation", r)
		}
	})
}
