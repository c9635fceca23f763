package prvs

import "testing"

func TestTagOf(t *testing.T) {
	for address, want := range map[string]string{
		"prvs=178773a1ad=user@example.com":     "178773a1ad",
		"PRVS=178773A1AD=user@example.com":     "178773a1ad",
		"user+prvs=1787000000@example.com":     "1787000000",
		"user+prvs=1787000000+ext@example.com": "1787000000",
		`"prvs=178773a1ad=a b"@example.com`:    "178773a1ad",
		"user@example.com":                     "",
		"prvs=367a5aa7f=user@example.com":      "",
		"":                                     "",
	} {
		a, _ := ParseAddress(address)
		if got := TagOf(a); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
