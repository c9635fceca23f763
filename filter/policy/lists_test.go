package policy

import (
	"testing"

	"github.com/bouncefilter/bouncefilter/prvs"
)

func TestAddressList(t *testing.T) {
	p := testPolicy(t, nil)
	l := newAddressList([]string{"Abuse", "news@Example.com", "@lists.example.org", "@.big.example"}, p.domains)
	for address, want := range map[string]bool{
		"abuse@example.com":       true,
		"ABUSE@EXAMPLE.COM":       true,
		"abuse@example.org":       false, // not one of our domains
		"NEWS@example.com":        true,
		"news@example.org":        false,
		"any@lists.example.org":   true,
		"any@x.lists.example.org": false,
		"any@big.example":         true,
		"any@a.b.BIG.example":     true,
		"any@notbig.example":      false,
		"abuse":                   false,
	} {
		a, err := prvs.ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.listed(&l, a); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
