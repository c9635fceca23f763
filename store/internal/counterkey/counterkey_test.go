package counterkey

import (
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

func TestFormat(t *testing.T) {
	c := store.Counter{Node: "mx1", Topic: "verdict", Name: "example.com|untagged", Hour: 1, Count: 2}
	if got, want := Format(c), "mx1|verdict|example.com|untagged"; got != want {
		t.Errorf("Format = %q, want %q", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "a|b", "%zz|b|c", "a|%zz|c"} {
		if c, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %+v", s, c)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("mx1", "verdict", "example.com|untagged")
	f.Add("", "", "")
	f.Add("a|b", "%7C", "\x00 +\xff")
	f.Fuzz(func(t *testing.T, node, topic, name string) {
		want := store.Counter{Node: node, Topic: topic, Name: name}
		if got, err := Parse(Format(want)); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	})
}
