package bounce

import (
	"net/mail"
	"strings"
	"testing"
)

// The usual form of a date is read like all others.
func TestUsualDate(t *testing.T) {
	for _, value := range []string{"Mon, 23 Nov 2026 11:00:00 +0100", "Mon, 02 Nov 2026 11:00:00 -0000", "Tue, 3 Nov 2026 11:00:00 +0000 (UTC)",
		"Fri, 1 Jan 1999 00:00:60 +0000", "Mon, 31 Feb 2026 11:00:00 +0000", "Sun, 23 Nov 2026 11:00:00 +0100", "23 Nov 2026 11:00:00 +0100",
		"Mon, 23 Nov 26 11:00 +0100"} {
		plain, _, _ := strings.Cut(value, " (")
		want, err := mail.ParseDate(plain)
		if got := date(value); !got.Equal(want) || (err != nil) != got.IsZero() {
			t.Errorf("%s: %s, ParseDate %s, %v", value, got, want, err)
		}
	}
}
