package prvs

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseAddressSplitsAtTheLastAtSignOutsideQuotes(t *testing.T) {
	longest := strings.Repeat("a", MaxAddressLen-len("@b"))
	for _, c := range []struct {
		name, in string
		want     Address
	}{
		{"plain", "user@example.com", Address{"user", "example.com"}},
		{"angle brackets", "<user@example.com>", Address{"user", "example.com"}},
		{"case is kept", "<User@Example.COM>", Address{"User", "Example.COM"}},
		{"null sender", "<>", Address{}},
		{"nothing", "", Address{}},
		{"no domain", "<postmaster>", Address{"postmaster", ""}},
		{"equal signs and plus", "prvs=178773a1ad=a=b+c@example.com", Address{"prvs=178773a1ad=a=b+c", "example.com"}},
		{"all atext", "!#$%&'*+-/=?^_`{|}~@example.com", Address{"!#$%&'*+-/=?^_`{|}~", "example.com"}},
		{"dots anywhere", "..a..b.@example.com", Address{"..a..b.", "example.com"}},
		{"quoted", `"user name"@example.com`, Address{`"user name"`, "example.com"}},
		{"quoted at sign", `"a@b"@example.com`, Address{`"a@b"`, "example.com"}},
		{"quoted quote and backslash", `"a\"@\\"@example.com`, Address{`"a\"@\\"`, "example.com"}},
		{"quoted angle bracket", `<"a>b"@example.com>`, Address{`"a>b"`, "example.com"}},
		{"empty quotes", `""@example.com`, Address{`""`, "example.com"}},
		{"quotes after a tag", `prvs=17874cef84="a b"@example.com`, Address{`prvs=17874cef84="a b"`, "example.com"}},
		{"quotes in one atom of several", `a."b c".d@example.com`, Address{`a."b c".d`, "example.com"}},
		{"two at signs", "a@b@example.com", Address{"a@b", "example.com"}},
		{"percent hack", "a%b@example.com", Address{"a%b", "example.com"}},
		{"source route", "<@a.example,@b.example:user@example.com>", Address{"user", "example.com"}},
		{"source route over an address literal", "<@[IPv6:2001:db8::1]:user@example.com>", Address{"user", "example.com"}},
		{"IPv4 literal", "user@[192.0.2.1]", Address{"user", "[192.0.2.1]"}},
		{"IPv6 literal", "user@[IPv6:2001:db8::1]", Address{"user", "[IPv6:2001:db8::1]"}},
		{"UTF-8", "üser@exämple.com", Address{"üser", "exämple.com"}},
		{"underscore in the domain", "user@my_host.example", Address{"user", "my_host.example"}},
		{"as long as allowed", longest + "@b", Address{longest, "b"}},
	} {
		got, err := ParseAddress(c.in)
		if err != nil || got != c.want {
			t.Errorf("%s: ParseAddress(%q) = %+v, %v; want %+v", c.name, c.in, got, err, c.want)
		}
		if got.IsNull() != (c.want == Address{}) {
			t.Errorf("%s: IsNull() = %v", c.name, got.IsNull())
		}
		again, err := ParseAddress(got.String())
		if err != nil || again != got {
			t.Errorf("%s: ParseAddress(String()) = %+v, %v; want %+v", c.name, again, err, got)
		}
	}
}

func TestParseAddressSaysWhereAndWhy(t *testing.T) {
	for _, c := range []struct {
		in      string
		pos     int
		problem string
	}{
		{"<user@example.com", 17, "closing angle bracket is missing"},
		{"<", 1, "closing angle bracket is missing"},
		{"user@example.com>", 16, "special character in the domain"},
		{"<<user@example.com>>", 1, "special character outside quotes"},
		{"@example.com", 0, "source route without mailbox"},
		{"<@a.example:>", 12, "local part is empty"},
		{"@a:@b@c", 3, "local part is empty"},
		{"user@", 5, "domain is empty"},
		{"us er@example.com", 2, "space outside quotes"},
		{" ", 0, "space outside quotes"},
		{"us,er@example.com", 2, "special character outside quotes"},
		{`us\@er@example.com`, 2, "special character outside quotes"},
		{"user\r\nRCPT TO:<x>@example.com", 4, "control character"},
		{"us\x00er@example.com", 2, "control character"},
		{"\"us\x7fer\"@example.com", 3, "control character"},
		{`"user@example.com`, 17, "closing quote is missing"},
		{`"user\`, 6, "backslash escapes no character"},
		{"\"user\\\n\"@example.com", 6, "backslash escapes no character"},
		{"us\xffer@example.com", 2, "text is not UTF-8"},
		{"user@ex\xc3", 7, "text is not UTF-8"},
		{"user@exam ple.com", 9, "space or control character in the domain"},
		{`user@example"x".com`, 12, "special character in the domain"},
		{"user@example.com:25", 16, "special character in the domain"},
		{"user@[192.0.2.1", 15, "address literal is not complete"},
		{"user@[]", 7, "address literal is not complete"},
		{"user@[a[b]", 7, "special character in the domain"},
		{strings.Repeat("a", MaxAddressLen-1) + "@b", MaxAddressLen, "address is too long"},
		{strings.Repeat("\x80", MaxAddressLen), 0, "text is not UTF-8"},
		{strings.Repeat("é", 32<<10), MaxAddressLen, "address is too long"},
	} {
		a, err := ParseAddress(c.in)
		var problem *AddressError
		if !errors.As(err, &problem) {
			t.Errorf("ParseAddress(%.40q) = %+v, %v; want an *AddressError", c.in, a, err)
			continue
		}
		if problem.Pos != c.pos || problem.Problem != c.problem {
			t.Errorf("ParseAddress(%.40q): %q at %d, want %q at %d", c.in, problem.Problem, problem.Pos, c.problem, c.pos)
		}
		if a != (Address{}) {
			t.Errorf("ParseAddress(%.40q) returned %+v with an error", c.in, a)
		}
		if m := err.Error(); len(m) > 500 || strings.ContainsAny(m, "\r\n\x00\x7f") || !utf8.ValidString(m) {
			t.Errorf("ParseAddress(%.40q): the error is not fit for a log: %q", c.in, m)
		}
	}
}

func TestFoldGivesOneFormToAllSpellings(t *testing.T) {
	for _, c := range []struct {
		name     string
		in, want Address
	}{
		{"folded already", Address{"user", "example.com"}, Address{"user", "example.com"}},
		{"case", Address{"User.Name", "Example.COM"}, Address{"user.name", "example.com"}},
		{"case beyond ASCII", Address{"ÜSER", "EXÄMPLE.com"}, Address{"üser", "xn--exmple-cua.com"}},
		{"needless quotes", Address{`"User"`, "a"}, Address{"user", "a"}},
		{"needless escapes", Address{`"\u\s\e\r"`, "a"}, Address{"user", "a"}},
		{"quotes around one atom", Address{`"a".B`, "a"}, Address{"a.b", "a"}},
		{"needed quotes", Address{`"User Name"`, "a"}, Address{`"user name"`, "a"}},
		{"needed escapes", Address{`"A\"\\"`, "a"}, Address{`"a\"\\"`, "a"}},
		{"quotes missing around dots", Address{"A..b", "a"}, Address{`"a..b"`, "a"}},
		{"quotes missing around an at sign", Address{"a@b", "a"}, Address{`"a@b"`, "a"}},
		{"quotes in the middle", Address{`a"b c"d`, "a"}, Address{`"ab cd"`, "a"}},
		{"empty quotes", Address{`""`, "a"}, Address{`""`, "a"}},
		{"null sender", Address{}, Address{}},
		{"address literal", Address{"a", "[IPv6:2001:DB8::1]"}, Address{"a", "[ipv6:2001:db8::1]"}},
	} {
		if got := c.in.Fold(); got != c.want {
			t.Errorf("%s: %+v folds to %+v, want %+v", c.name, c.in, got, c.want)
		}
	}
}
