package prvs

import "testing"

func BenchmarkParseAddress(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseAddress("<First.Last+tag@Example.COM>"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	ring := mustRing(b, Options{}, Key{Number: 1, State: StateSign, Secret: []byte("secret")})
	a := Address{"First.Last+tag", "Example.COM"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Sign(a, Standard, 20780); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	ring := mustRing(b, Options{},
		Key{Number: 1, State: StateSign, Secret: []byte("secret")},
		Key{Number: 1, State: StateSign, Domain: "example.org", Secret: []byte("other")},
	)
	signed, err := ring.Sign(Address{"First.Last+tag", "Example.COM"}, Standard, 20780)
	if err != nil {
		b.Fatal(err)
	}
	valid := mustParse(b, signed.Address)
	bad := valid
	bad.Domain = "example.net"
	for _, c := range []struct {
		name string
		a    Address
		want Status
	}{
		{"valid", valid, Valid},
		{"bad-signature", bad, BadSignature}, // tries all candidates
		{"untagged", Address{"First.Last+tag", "Example.COM"}, Untagged},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := ring.Verify(c.a, 20780).Status; got != c.want {
					b.Fatal(got)
				}
			}
		})
	}
}
