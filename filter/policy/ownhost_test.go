package policy

import (
	"net/netip"
	"testing"
)

func TestOwnHost(t *testing.T) {
	s := testSettings(t)
	s.Domains = []Domain{{Name: "example.com", Aliases: []string{"example.net"}}, {Name: "*.example.edu"}}
	s.Hostname = "MX.Provider.example"
	s.Outbound.Networks = append(s.Outbound.Networks, netip.MustParsePrefix("198.51.100.0/24"))
	p, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, address string
		want          bool
	}{
		{"", "", false},
		{"mail.example.com", "", true},
		{"example.com", "", true},
		{"a.b.example.net", "", true},
		{"www.cs.example.edu", "", true},
		{"example.edu", "", false},
		{"mx.provider.example", "", true},
		{"www.provider.example", "", false},
		{"badexample.com", "", false},
		{"com", "", false},
		{"example.com.attacker.example", "203.0.113.5", false},
		{"", "198.51.100.9", true},
		{"unknown.example", "198.51.100.9", true},
		{"", "203.0.113.5", false},
	} {
		var a netip.Addr
		if tt.address != "" {
			a = netip.MustParseAddr(tt.address)
		}
		if got := p.OwnHost(tt.name, a); got != tt.want {
			t.Errorf("%q %q: %v", tt.name, tt.address, got)
		}
	}
}
