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
	want := "Return-Path: <>\nSubject: failure\n\n123456789\n123456789\n"
	if got := c.text.String(); got != want {
		t.Errorf("collected %q, want %q", got, want)
	}
}

func TestContentThatEndsWithTheLimit(t *testing.T) {
	c := newContent("<>", 10)
	if c.addBody([]byte("123456789\n")) || !strings.HasSuffix(c.text.String(), "\n\n123456789\n") {
		t.Errorf("collected %q", c.text.String())
	}
}
