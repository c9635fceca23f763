package filter

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/internal/chunks"
)

// What is collected of a bounce ends at the limit, with a whole line.
func TestContentEndsAtItsLimit(t *testing.T) {
	c := newContent(&chunks.Pool{}, "<>", 25)
	c.addHeader("Subject", "failure")
	c.addHeader("X-Long", strings.Repeat("x", bounce.DefaultLimits().HeaderBytes))
	c.addHeader("X-After", "it")
	for i, want := range []bool{true, true, false, false} {
		if more := c.addBody([]byte("123456789\n")); more != want {
			t.Errorf("piece %d: more %v", i, more)
		}
	}
	want := "Return-Path: <>\nSubject: failure\n\n123456789\n123456789\n"
	if got := collected(c); got != want {
		t.Errorf("collected %q, want %q", got, want)
	}
	if !readReport(c).Truncated {
		t.Error("the report does not say that something is missing")
	}
	if c.text.Held() != 0 {
		t.Error("the content is in memory after it was read")
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
		c := newContent(&chunks.Pool{}, "<>", 25)
		c.addHeader("Subject", tt.field)
		c.addBody([]byte(tt.body))
		if got := readReport(c).Truncated; got != tt.want {
			t.Errorf("%s: truncated %t", name, got)
		}
	}
}

func TestContentThatEndsWithTheLimit(t *testing.T) {
	c := newContent(&chunks.Pool{}, "<>", 10)
	if c.addBody([]byte("123456789\n")) || !strings.HasSuffix(collected(c), "\n\n123456789\n") {
		t.Errorf("collected %q", collected(c))
	}
}

func collected(c *content) string { return string(bytes.Join(c.text.Chunks(), nil)) }
