package guard

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// readAll returns what frames finds in a file that begins with these frames.
func readAll(file []byte) (es []entry, f frames) {
	f = frames{file: bytes.NewReader(file), end: int64(len(file))}
	for {
		e, ok := f.next()
		if !ok {
			return es, f
		}
		es = append(es, e)
	}
}

func someEntries() []entry {
	return []entry{
		{today: 20000, domain: "example.com", records: []store.Record{{Key: store.Key{1}, Expires: 20007, Count: 1}}},
		{today: 20001, records: []store.Record{{Key: store.Key{2}, Expires: 20031}, {Key: store.Key{3}, Expires: 20001, Count: math.MaxUint32}}},
		{today: math.MinInt32, domain: "example.net", records: []store.Record{{Expires: math.MaxInt32}, {Expires: math.MinInt32}}},
		{today: math.MaxInt32, records: []store.Record{{Expires: math.MinInt32}}},
	}
}

func TestEntriesComeBackFromFrames(t *testing.T) {
	want := someEntries()
	var file []byte
	for _, e := range want {
		file = appendFrame(file, e)
		if len(file)%frameAlign != 0 || file[len(file)-1] != framePad {
			t.Errorf("%d octets that end with %#x", len(file), file[len(file)-1])
		}
	}
	got, f := readAll(append(file, make([]byte, 1000)...))
	if !reflect.DeepEqual(got, want) || f.damaged || f.tail() != nothing {
		t.Errorf("got %+v, damaged %t, behind it %d", got, f.damaged, f.tail())
	}
}

// FuzzFrames checks that the entries before and behind octets that cannot be read are read, except entries that begin within these; that
// each entry which is read can be written and read again; and that skipped octets are reported.
func FuzzFrames(f *testing.F) {
	var whole []byte
	for _, e := range someEntries() {
		whole = appendFrame(whole, e)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(make([]byte, 100))
	f.Add(append(bytes.Repeat([]byte{framePad}, 16), whole...))
	f.Fuzz(func(t *testing.T, middle []byte) {
		first, last := someEntries()[0], someEntries()[1]
		file := append(appendFrame(nil, first), middle...)
		es, r := readAll(file)
		if len(es) == 0 || !reflect.DeepEqual(es[0], first) {
			t.Fatalf("the entry before is not read: %+v", es)
		}
		size := 0
		for _, e := range es {
			frame := appendFrame(nil, e)
			size += len(frame)
			again, _ := readAll(frame)
			if len(again) != 1 || !reflect.DeepEqual(again[0], e) {
				t.Fatalf("%+v was read, and written, and is read as %+v", e, again)
			}
		}
		if r.err != nil || r.at > int64(len(file)) {
			t.Fatalf("at %d of %d, error %v", r.at, len(file), r.err)
		}
		if rest := r.tail(); rest == nothing && !isZero(file[r.at:]) {
			t.Fatal("the rest is reported as empty, and is not")
		}

		for len(file)%frameAlign != 0 {
			file = append(file, 0)
		}
		_, clean := readAll(file)
		if behind, r := readAll(appendFrame(file, last)); clean.at == int64(len(file)) {
			if n := len(behind); n == 0 || !reflect.DeepEqual(behind[n-1], last) {
				t.Fatalf("the entry behind is not read: %+v", behind)
			}
		} else if !r.damaged {
			t.Fatal("what cannot be read between entries is not reported")
		}
	})
}
