package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/prvs"
)

func TestDomains(t *testing.T) {
	ds := NewDomains([]Domain{
		{Name: "Example.com", Aliases: []string{"alias.example", "Älias.example"}},
		{Name: "exämple.com"},
		{Name: "*.example.edu"},
		{Name: "*.Dept.example.edu"},
		{Name: "lab.dept.example.edu"},
	})
	for name, want := range map[string]string{
		"example.com":            "example.com",
		"EXAMPLE.com":            "example.com",
		"alias.example":          "example.com",
		"ALIAS.example":          "example.com",
		"älias.example":          "example.com",
		"xn--lias-koa.example":   "example.com",
		"sub.alias.example":      "",
		"sub.example.com":        "",
		"exämple.com":            "xn--exmple-cua.com",
		"XN--Exmple-cua.com":     "xn--exmple-cua.com",
		"example.edu":            "", // not itself
		"notexample.edu":         "",
		"a.example.edu":          "*.example.edu",
		"a.b.c.Example.edu":      "*.example.edu",
		"ä.example.edu":          "*.example.edu",
		"dept.example.edu":       "*.example.edu",
		"a.dept.example.edu":     "*.dept.example.edu", // the longest one
		"lab.dept.example.edu":   "lab.dept.example.edu",
		"x.lab.dept.example.edu": "*.dept.example.edu",
		"*.dept.example.edu":     "*.dept.example.edu", // by its own name
		"edu":                    "",
		"":                       "",
	} {
		got := ""
		if d := ds.Find(name); d != nil {
			got = d.Name
		}
		if got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	for text, want := range map[string]string{
		"User@Example.com":       "user@example.com",
		"User@alias.example":     "user@example.com",
		"user+x@älias.example":   "user+x@example.com",
		"user@exämple.com":       "user@xn--exmple-cua.com",
		"user@a.example.edu":     "user@a.example.edu", // not the mailbox of user@b.example.edu
		"user@elsewhere.example": "user@elsewhere.example",
	} {
		if got := ds.Mailbox(address(t, text)).String(); got != want {
			t.Errorf("%s is the mailbox %s, want %s", text, got, want)
		}
	}
}

// A tag counts for the mailbox, whichever of its domains the sender, a relay and the bounce write. What is delivered keeps the domain that came.
func TestTagsOfAliases(t *testing.T) {
	p := testPolicy(t, func(s *Settings) {
		s.Domains = []Domain{{Name: "example.com", Aliases: []string{"alias.example", "exämple.com"}, Mode: ModeEnforce}, {Name: "other.example", Mode: ModeEnforce}}
	})
	today := prvs.DayOf(testDay)
	domains := []string{"example.com", "Alias.example", "exämple.com", "xn--exmple-cua.com"}
	for _, from := range domains {
		signed, err := p.Sign(address(t, "User@"+from), prvs.Standard, today)
		if err != nil || !strings.HasSuffix(signed.Address, "@"+from) {
			t.Fatalf("%+v, %v", signed, err)
		}
		local, _, _ := strings.Cut(signed.Address, "@")
		for _, to := range domains {
			v := p.Recipient(RecipientFacts{Address: address(t, local+"@"+to), Issued: IssuedYes}, testDay)
			if v.Reason != Valid || v.Tag.Original.String() != "User@"+to || p.Mailbox(v.Tag.Sender).String() != "user@example.com" || v.Tag.Sender.Fold().String() != "user@example.com" {
				t.Errorf("signed as %s, to %s: %v, %+v", from, to, v.Reason, v.Tag)
			}
			if got, known := p.Untag(local+"@"+to, testDay); !known || got != "User@"+to {
				t.Errorf("Untag of %s@%s: %q", local, to, got)
			}
		}
		if v := p.Recipient(RecipientFacts{Address: address(t, local+"@other.example"), Issued: IssuedYes}, testDay); v.Reason == Valid {
			t.Error("a tag of another mailbox is valid")
		}
	}
}

// Mail that left before a domain became an alias has the tags of the alias, and is on record under it.
func TestAnAliasIsNew(t *testing.T) {
	before := testPolicy(t, func(s *Settings) { s.Domains = append(s.Domains, Domain{Name: "alias.example"}) })
	after := testPolicy(t, func(s *Settings) { s.Domains[0].Aliases = []string{"alias.example"} })
	signed, err := before.Sign(address(t, "user@alias.example"), prvs.Standard, prvs.DayOf(testDay))
	if err != nil {
		t.Fatal(err)
	}
	got := after.Verify(address(t, signed.Address), prvs.DayOf(testDay))
	if got.Status != prvs.Valid || got.Sender.String() != "user@alias.example" || got.Original != got.Sender {
		t.Errorf("%+v", got)
	}
	if got := fmt.Sprint(after.Mailboxes(address(t, "User+x@Alias.example"))); got != "[user+x@example.com user@example.com user+x@alias.example user@alias.example]" {
		t.Errorf("the mailboxes are %s", got)
	}
}

func TestListsKnowMailboxes(t *testing.T) {
	p := testPolicy(t, func(s *Settings) {
		s.Domains[0].Aliases = []string{"alias.example"}
		s.Exempt.Recipients = []string{"a@example.com", "b@alias.example", "c@Exämple.org", "@.ex\u00e4mple.net"}
	})
	for recipient, want := range map[string]bool{
		"a@alias.example": true, "a@example.com": true, "b@example.com": true, "b+x@alias.example": true, "b-x@alias.example": false,
		"c@xn--exmple-cua.org": true, "c@exämple.org": true, "d@mx.xn--exmple-cua.net": true, "d@exämple.net": true, "d@example.com": false,
	} {
		if got := p.ExemptRecipient(address(t, recipient)); got != want {
			t.Errorf("%s: %v", recipient, got)
		}
	}
}

func TestDomainsThatMakeNoPolicy(t *testing.T) {
	for _, tt := range []struct {
		domains []Domain
		want    string
	}{
		{[]Domain{{Name: "example.com"}, {Name: "Example.com"}}, "named twice"},
		{[]Domain{{Name: "exämple.com"}, {Name: "xn--exmple-cua.com"}}, "named twice"},
		{[]Domain{{Name: "example.com", Aliases: []string{"EXAMPLE.com"}}}, "named twice"},
		{[]Domain{{Name: "example.com", Aliases: []string{"a.example"}}, {Name: "example.org", Aliases: []string{"a.example"}}}, "named twice"},
		{[]Domain{{Name: "*.example.com", Aliases: []string{"a.example"}}}, "have no aliases"},
		{[]Domain{{Name: "example.com", Aliases: []string{"*.a.example"}}}, "must be one domain"},
		{[]Domain{{Name: "*"}}, "is not a domain name"},
		{[]Domain{{Name: "*."}}, "is not a domain name"},
		{[]Domain{{Name: "a.*.example"}}, "is not a domain name"},
	} {
		s := testSettings(t)
		s.Domains = tt.domains
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.domains, err, tt.want)
		}
	}
}

func TestDomainsComeInTheirOrder(t *testing.T) {
	p := testPolicy(t, func(s *Settings) {
		s.Domains = []Domain{{Name: "B.example"}, {Name: "*.a.example"}, {Name: "a.example"}}
	})
	var names []string
	for name, d := range p.Domains() {
		if names = append(names, name); d.Name != name {
			t.Errorf("%s has the settings of %s", name, d.Name)
		}
	}
	if want := []string{"b.example", "*.a.example", "a.example"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

// BenchmarkDomains shows that the number of domains does not matter to a message.
func BenchmarkDomains(b *testing.B) {
	for _, n := range []int{1, 20_000} {
		list := []Domain{{Name: "*.example.edu"}}
		for i := range n {
			list = append(list, Domain{Name: fmt.Sprintf("customer-%05d-shop.example", i)})
		}
		ds := NewDomains(list)
		for _, name := range []string{list[n].Name, "a.b.example.edu", "other.example"} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					ds.Find(name)
				}
			})
		}
	}
}
