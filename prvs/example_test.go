package prvs_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// The sender of outbound mail is signed, and a bounce to it is recognised.
func Example() {
	ring, err := prvs.NewRing([]prvs.Key{
		{Number: 1, State: prvs.StateSign, Secret: []byte("secret")},
	}, prvs.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	today := prvs.DayOf(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))

	sender, err := prvs.ParseAddress("<User@example.com>")
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, err := ring.Sign(sender, prvs.Standard, today)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(signed.Address, "until", signed.Expiry)

	recipient, err := prvs.ParseAddress("<PRVS=178773A1AD=USER@EXAMPLE.COM>")
	if err != nil {
		fmt.Println(err)
		return
	}
	result := ring.Verify(recipient, today+7)
	fmt.Println(result.Status, result.Original)
	fmt.Println(ring.Verify(recipient, today+8).Status)
	fmt.Println(ring.Verify(sender, today).Status)

	// Output:
	// prvs=178773a1ad=User@example.com until 2026-11-30
	// valid USER@EXAMPLE.COM
	// expired
	// untagged
}

// All hosts have a new key before one of them signs with it, and an old key verifies until its last tag has expired.
func ExampleNewRing() {
	ring, err := prvs.NewRing([]prvs.Key{
		{Number: 1, State: prvs.StateRetired, Secret: []byte("of the year before last")},
		{Number: 2, State: prvs.StateVerify, Secret: []byte("of last year")},
		{Number: 3, State: prvs.StateSign, Secret: []byte("of this year")},
		{Number: 4, State: prvs.StateSign, Domain: "example.org", Secret: []byte("of a customer")},
	}, prvs.Options{Lifetime: 10, Rotation: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, domain := range []string{"example.com", "Example.ORG"} {
		number, ok := ring.SigningKey(domain)
		fmt.Println(domain, number, ok)
	}

	_, err = prvs.NewRing([]prvs.Key{{Number: 1}, {Number: 1, Secret: []byte("secret")}}, prvs.Options{})
	fmt.Println(err)
	// Output:
	// example.com 3 true
	// Example.ORG 4 true
	// prvs: keys[0], key 1 (verify): secret is empty
	// prvs: keys[1], key 1 (verify): number is used by keys[0] already
}

// A mail system that ignores what follows a "+" needs no change for tags in this form.
func ExampleRing_Sign_subAddress() {
	ring, err := prvs.NewRing([]prvs.Key{{Number: 1, State: prvs.StateSign, Secret: []byte("secret")}}, prvs.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, err := ring.Sign(prvs.Address{Local: "user", Domain: "example.com"}, prvs.SubAddress, 20780)
	fmt.Println(signed.Address, err)

	_, err = ring.Sign(prvs.Address{}, prvs.SubAddress, 20780)
	fmt.Println(errors.Is(err, prvs.ErrNull))
	// Output:
	// user+prvs=178773a1ad@example.com <nil>
	// true
}

// An error says why the address is refused, and at which octet.
func ExampleParseAddress() {
	a, err := prvs.ParseAddress(`<@relay.example:"user name"@Example.com>`)
	fmt.Println(a, a.Fold(), err)

	_, err = prvs.ParseAddress("user name@example.com")
	fmt.Println(err)
	// Output:
	// "user name"@Example.com "user name"@example.com <nil>
	// prvs: address "user name@example.com": space outside quotes at position 4
}
