package counterkey

import (
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

func TestFormat(t *testing.T) {
	c := store.Counter{Node: "mx1", Domain: "example.com", Reason: "untagged", Day: 1, Count: 2}
	if got, want := Format(c), "mx1|example.com|untagged"; got != want {
		t.Errorf("Format = %q, want %q", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "a|b", "a|b|c|d", "a|b|%zz"} {
		if c, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %+v", s, c)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("mx1", "example.com", "untagged")
	f.Add("", "", "")
	f.Add("a|b", "%7C", "\x00 +\xff")
	f.Fuzz(func(t *testing.T, node, domain, reason string) {
		want := store.Counter{Node: node, Domain: domain, Reason: reason}
		if got, err := Parse(Format(want)); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	})
}
