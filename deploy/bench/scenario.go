package main

import (
	"fmt"
	"strings"
)

// A signer is one address of the protected domain.
type signer struct {
	address string
	tagged  string // its signed form; empty until the milter has signed it
}

// newSigners returns n addresses that no other prefix has.
func newSigners(n int, prefix string) []signer {
	s := make([]signer, n)
	for i := range s {
		s[i].address = fmt.Sprintf("%s.user%d@%s", prefix, i+1, domain)
	}
	return s
}

// login returns the name the signer authenticates with.
func (s signer) login() string { return strings.TrimSuffix(s.address, "@"+domain) }

// invented returns a tag that has the form of one. It is for targets that do not sign and do not verify.
func (s signer) invented() string { return "prvs=0123456789=" + s.address }

// A scenario is one kind of mail, and what must become of it.
type scenario struct {
	letter, title string
	fresh         bool // new senders in each run, so that each of them has its tag recorded in it
	messages      func([]signer) []message
	check         checker
}

func scenarios() []scenario {
	return []scenario{
		{
			letter: "a", title: "outbound, signed", fresh: true, check: checkSigned,
			messages: each(func(s signer) []message { return []message{newMail(s.address, outsider, s.login())} }),
		}, {
			letter: "b", title: "bounce, valid tag", check: checkUntagged,
			messages: each(func(s signer) []message { return []message{newBounce(s.tagged, s.address)} }),
		}, {
			letter: "c", title: "bounce, forged", check: checkRefused,
			messages: each(func(s signer) []message {
				return []message{newBounce(forge(s.tagged), s.address), newBounce(s.address, s.address)}
			}),
		}, {
			letter: "d", title: "plain inbound", check: checkPlain,
			messages: each(func(s signer) []message { return []message{newMail(outsider, s.address, "")} }),
		},
	}
}

// each makes messages for all signers out of a function that makes them for one.
func each(one func(signer) []message) func([]signer) []message {
	return func(signers []signer) []message {
		var ms []message
		for _, s := range signers {
			ms = append(ms, one(s)...)
		}
		return ms
	}
}
