package timevalue_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store/internal/timevalue"
)

func TestTimesComeBack(t *testing.T) {
	for _, at := range []time.Time{{}, time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC), time.Unix(0, -1).UTC(), time.Unix(0, 1).UTC()} {
		b := timevalue.Append([]byte("before"), at)
		if !bytes.HasPrefix(b, []byte("before")) || len(b) != len("before")+timevalue.Size {
			t.Errorf("%v: %q", at, b)
		}
		if got := timevalue.Parse(b[len("before"):]); !got.Equal(at) || got.IsZero() != at.IsZero() {
			t.Errorf("%v: %v", at, got)
		}
	}
	if got := timevalue.Append(nil, time.Unix(0, 0x0102030405060708)); !bytes.Equal(got, []byte{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("% x", got)
	}
}
