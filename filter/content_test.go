package filter

import (
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// What is collected of a bounce ends at the limit, with a whole line.
func TestContentEndsAtItsLimit(t *testing.T) {
	c := newContent("<>", 25)
	c.addHeader("Subject", "failure")
	c.addHeader("X-Long", strings.Repeat("x", bounce.DefaultLimits().HeaderBytes))
	c.addHeader("X-After", "it")
	for i, want := range []bool{true, true, false, false} {
		if more := c.addBody([]byte("123456789\n")); more != want {
			t.Errorf("piece %d: more %v", i, more)
		}
	}
	if !readReport(c).Truncated {
		t.Error("the report does not say that something is missing")
	}
	want := "Return-Path: <>\nSubject: failure\n\n123456789\n123456789\n"
	if got := c.text.String(); got != want {
		t.Errorf("collected %q, want %q", got, want)
	}
}

func TestWhatIsLeftOutOfContent(t *testing.T) {
	long := strings.Repeat("x", bounce.DefaultLimits().HeaderBytes)
	for name, tt := range map[string]struct {
		field, body string
		want        bool
	}{
		"nothing":        {"failure", "123456789\n", false},
		"a field":        {long, "123456789\n", true},
		"half of a line": {"failure", "123456789\n123456789\n123456789\n", true},
	} {
		c := newContent("<>", 25)
		c.addHeader("Subject", tt.field)
		c.addBody([]byte(tt.body))
		if got := readReport(c).Truncated; got != tt.want {
			t.Errorf("%s: truncated %t", name, got)
		}
	}
}

func TestContentThatEndsWithTheLimit(t *testing.T) {
	c := newContent("<>", 10)
	if c.addBody([]byte("123456789\n")) || !strings.HasSuffix(c.text.String(), "\n\n123456789\n") {
		t.Errorf("collected %q", c.text.String())
	}
}
