package postfix

import (
	"slices"
	"testing"

	"github.com/bouncefilter/bouncefilter/prvs"
)

func TestExpand(t *testing.T) {
	c := &Config{
		Main:     map[string]string{"a": "A", "b": "$a-$(a)-${a}", "empty": "", "loop": "x$loop"},
		Defaults: map[string]string{"a": "default", "d": "D"},
	}
	s := &Service{Options: map[string]string{"d": "own"}}
	for text, want := range map[string]string{
		"plain":                      "plain",
		"$a, $d $none.":              "A, D .",
		"$$a":                        "$a",
		"$b":                         "A-A-A",
		"${a?yes}${empty?yes}":       "yes",
		"${a:no}${empty:no}":         "no",
		"${a?{y $d}:{n}}":            "y D",
		"${empty?{y}:{n $a}}":        "n A",
		"${empty ? {y} : {n}}":       "n",
		"${{1} == {1} ? {y} : {n}}!": "!", // comparisons count as empty
		"${a?{inline:{ {x=y} }}}":    "inline:{ {x=y} }",
		"${unclosed":                 "",
	} {
		if got := c.expand(nil, text); got != want {
			t.Errorf("%s is %q, expected %q", text, got, want)
		}
	}
	if got := c.expand(s, "$d $a"); got != "own A" {
		t.Errorf("for a service: %q", got)
	}
	if got := c.expand(nil, "$loop"); len(got) > 100 {
		t.Errorf("a parameter that refers to itself has %d octets", len(got))
	}
}

func TestSplitList(t *testing.T) {
	for text, want := range map[string][]string{
		"":                           nil,
		" a, b\tc,,d ":               {"a", "b", "c", "d"},
		"{ inet:1, x=y }, b":         {"{ inet:1, x=y }", "b"},
		"inline:{ {a=b}, {c=d} } e,": {"inline:{ {a=b}, {c=d} }", "e"},
		"} a":                        {"}", "a"},
	} {
		if got := splitList(text); !slices.Equal(got, want) {
			t.Errorf("%q is %q, expected %q", text, got, want)
		}
	}
}

func TestParseServices(t *testing.T) {
	services := parseServices(`smtp       inet  n       -       y       -       -       smtpd
2001:db8::1:25 inet n    -       -       -       -       smtpd -v
private/x  unix  -       -       n       -       -       lmtp
`, "smtp/inet/a = b = c\nprivate/x/unix/d = \nother/unix/e = f\n")
	if len(services) != 3 || services[0].Options["a"] != "b = c" || services[1].Chroot != "-" || services[2].ID() != "private/x/unix" || !hasOption(&services[2], "d") {
		t.Errorf("got %+v", services)
	}
}

func TestParseMilter(t *testing.T) {
	m := parseMilter("{ inet:127.0.0.1:1, connect_timeout=5s, { default_action = accept } }")
	if m.address != "inet:127.0.0.1:1" || m.options["connect_timeout"] != "5s" || m.options["default_action"] != "accept" {
		t.Errorf("got %+v", m)
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]int{"30": 30, "30s": 30, "5m": 300, "2h": 7200, "1d": 86400, "": -1, "s": -1, "x": -1} {
		if got, ok := seconds(text); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %d, %v", text, got, ok)
		}
	}
}

// The lookups are those that postmap -q makes with the same table; see TestTablesAreReadAsPostfixReadsThem.
var lookups = []struct{ table, key, value string }{
	{untagFile, "prvs=0787788259=user@example.com", "user@example.com"},
	{untagFile, "PRVS=0787788259=User@EXAMPLE.com", "User@EXAMPLE.com"},
	{untagFile, `"prvs=0787788259=first last"@example.com`, `"first last"@example.com`},
	{untagFile, "user+prvs=0787788259@example.com", "user@example.com"},
	{untagFile, "user+list+prvs=0787788259@example.com", "user+list@example.com"},
	{untagFile, `"first last+prvs=0787788259"@example.com`, `"first last"@example.com`},
	{untagFile, "prvs=0787788259=user@example.org", ""},
	{untagFile, "user@example.com", ""},
	{recipientFile, "user@example.org", "user@example.org"},
	{recipientFile, "example.org", "example.org"},
	{recipientFile, "user@", "user@"},
	{recipientFile, "prvs=0787788259=user@example.org", "user@example.org"},
	{recipientFile, "PRVS=0787788259=PRVS=0787788259=User@example.org", "User@example.org"},
	{recipientFile, "user+prvs=0787788259@example.org", "user@example.org"},
	{recipientFile, "user+list+prvs=0787788259@example.org", "user+list@example.org"},
	{recipientFile, "user+prvs=0787788259+list@example.org", "user+list@example.org"},
	{recipientFile, "prvs=0787788259=user+prvs=0787788259@example.org", "user@example.org"},
	{recipientFile, `"prvs=0787788259=first last"@example.org`, `"first last"@example.org`},
	{recipientFile, `"first last+prvs=0787788259"@example.org`, `"first last"@example.org`},
	{recipientFile, "prvs=0787788259=user@", "user@"},
	{recipientFile, "prvs=07877882=user@example.org", "prvs=07877882=user@example.org"},
	{recipientFile, "SRS0=hash=AB=b.example=user+prvs=1234abcdef@example.org", "SRS0=hash=AB=b.example=user+prvs=1234abcdef@example.org"},
	{recipientFile, "prvs=0787788259=SRS0=hash=AB=b.example=user+prvs=1234abcdef@example.org", "SRS0=hash=AB=b.example=user+prvs=1234abcdef@example.org"},
	{localFile, "user@example.com", "user"},
	{localFile, "user@example.org", ""},
	{extensionFile, "user+list@example.com", "user@example.com"},
	{extensionFile, "user+list", "user"},
	{extensionFile, "user@example.com", ""},
}

// The lookup service of the daemon takes off what the table for restrictions takes off.
func TestPlainIsTheTableOfRestrictions(t *testing.T) {
	for _, l := range lookups {
		if got := prvs.Plain(l.key); l.table == recipientFile && got != l.value {
			t.Errorf("%s: prvs.Plain has %q, the table %q", l.key, got, l.value)
		}
	}
}

func TestPcreTable(t *testing.T) {
	for _, l := range lookups {
		parsed, ok := parsePcre(table(l.table))
		if got, _ := parsed.lookup(l.key); !ok || got != l.value {
			t.Errorf("%s has %q for %s, expected %q", l.table, got, l.key, l.value)
		}
	}
	const nested = `# comment
if /a/
if !/b/
/(c)/   not b: ${1}
endif
/c/i
   upper
endif
/c/ outside
!/z/ no z`
	parsed, ok := parsePcre(nested)
	for key, want := range map[string]string{"ac": "not b: c", "abc": "upper", "c": "outside", "x": "no z", "z": ""} {
		if got, _ := parsed.lookup(key); !ok || got != want {
			t.Errorf("%q has %q, expected %q", key, got, want)
		}
	}
	for _, text := range []string{"/(?!a)b/ c", "/a/x b", "!", "if "} {
		if _, ok := parsePcre(text); ok {
			t.Errorf("%q is understood", text)
		}
	}
}

// The extension table is written for any recipient_delimiter.
func TestExtensionTable(t *testing.T) {
	for _, delimiters := range []string{"", "+", "-", "-+", "+-=", `^]\-`} {
		parsed, ok := parsePcre(extensionTableFor(delimiters))
		if !ok {
			t.Fatalf("%q: not understood", delimiters)
		}
		for _, d := range delimiters {
			if got, _ := parsed.lookup("user" + string(d) + "list@example.com"); got != "user@example.com" {
				t.Errorf("%q: %q makes %q", delimiters, d, got)
			}
		}
		if got, ok := parsed.lookup("user.name@example.com"); ok {
			t.Errorf("%q: without an extension it has %q", delimiters, got)
		}
	}
}
