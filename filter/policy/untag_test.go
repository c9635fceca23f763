package policy

import (
	"strings"
	"testing"
)

func TestUntag(t *testing.T) {
	p := testPolicy(t, nil)
	for _, tt := range []struct {
		name, key string
		days      int // after the test day
		want      string
	}{
		{"tag of ours", "prvs=178773a1ad=user@example.com", 0, "user@example.com"},
		{"on its last day", "prvs=178773a1ad=user@example.com", 7, "user@example.com"},
		{"expired: the content may prove the bounce", "prvs=178773a1ad=user@example.com", 40, "user@example.com"},
		{"sub-address form", "user+prvs=178773a1ad@example.com", 0, "user@example.com"},
		{"expanded after signing", "prvs=178773a1ad=user+bob=example.net@example.com", 0, "user+bob=example.net@example.com"},
		{"case folded on the way", "PRVS=178773A1AD=User@Example.COM", 0, "User@Example.COM"},
		{"bogus tag", "prvs=1787000000=user@example.com", 0, ""},
		{"tag of another user", "prvs=178773a1ad=other@example.com", 0, ""},
		{"unknown key", "prvs=578773a1ad=user@example.com", 0, ""},
		{"malformed", "prvs=367a5aa7f=user@example.com", 0, ""},
		{"no tag", "user@example.com", 0, ""},
		{"other domain", "prvs=178773a1ad=user@example.org", 0, ""},
		{"no domain", "prvs=178773a1ad=user", 0, ""},
		{"domain alone", "@example.com", 0, ""},
		{"nothing", "", 0, ""},
		{"no address", "a\nb@example.com", 0, ""},
		{"longer than any address", strings.Repeat("x", 9000) + "@example.com", 0, ""},
	} {
		got, known := p.Untag(tt.key, testDay.AddDate(0, 0, tt.days))
		if got != tt.want || known != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.name, got, known)
		}
	}
}
