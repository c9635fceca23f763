package postfix

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta/mtatest"
)

// Whatever a configuration holds: empty lines change nothing, a list is put together again as it was, an expansion ends, and a finding about
// master.cf names a service that is there.
func FuzzConfig(f *testing.F) {
	for _, name := range []string{"good-unix-socket", "socket-outside-chroot", "good-restrictions", "good-content-filter"} {
		parts := strings.Split("\n"+mtatest.Read(f, cases, name, "captured"), "\n$ postconf ")
		f.Add(strings.TrimPrefix(parts[1], "-n\n"), strings.TrimPrefix(parts[2], "-M\n"), strings.TrimPrefix(parts[3], "-P\n"), table(untagFile))
	}
	f.Add("a = $b$b\nb = $a$a${a?{$b}:{$b}}\nsmtpd_milters = $a\n", "smtp inet n - y - - smtpd\n", "smtp/inet/smtpd_milters = $b\n", "")
	f.Add("smtpd_recipient_restrictions = x\nsmtpd_restriction_classes = x\nx = x, $x, check_recipient_access {pcre:{/a/ b}}\n", "", "", "if /x/\n")
	defaults := parseParameters(mtatest.Read(f, "testdata", "defaults"))
	_, site := siteOf(f, "good-unix-socket")
	f.Fuzz(func(t *testing.T, main, master, options, table string) {
		read := func(main, master, options string) *Config {
			return &Config{Dir: "/etc/postfix", Main: parseParameters(main), Defaults: maps.Clone(defaults), Services: parseServices(master, options),
				Tables: map[string]string{"/etc/postfix/" + untagFile: table}, Types: []string{"pcre"}}
		}
		c := read(main, master, options)
		apart := func(text string) string { return strings.ReplaceAll("\n"+text, "\n", "\n\n") }
		if other := read(apart(main), apart(master), apart(options)); !maps.Equal(c.Main, other.Main) || len(c.Services) != len(other.Services) {
			t.Errorf("got\n%+v\nwith empty lines\n%+v", c, other)
		}
		for name, value := range c.Main {
			same := map[int]string{}
			for i, e := range splitList(value) {
				same[i] = e
			}
			if got := replaceElements(value, value, same); got != value {
				t.Errorf("%s is %q, put together %q", name, value, got)
			}
			longest := len(value)
			for _, other := range c.Main {
				longest = max(longest, len(other))
			}
			for _, other := range defaults {
				longest = max(longest, len(other))
			}
			if got := c.option(nil, name); len(got) > (maxReferences+1)*longest {
				t.Errorf("%s has %d octets", name, len(got))
			}
		}
		for _, finding := range Check(c, site) {
			rest, about := strings.CutPrefix(finding.Where, "/etc/postfix/master.cf: ")
			if about && !slices.ContainsFunc(c.Services, func(s Service) bool { return rest == s.ID() || strings.HasPrefix(rest, s.ID()+": ") }) {
				t.Errorf("%s is about %s, which is not there", finding.Name, finding.Where)
			}
		}
	})
}

// pcreSeeds are tables with keys for them.
var pcreSeeds = [][2]string{
	{"/^(.+)@example\\.com$/ $1\n", "user@example.com"},
	{"/a/i $$1\n/A/\t${1}\n", "A"},
	{"if /@/\nif !/x/\n/(u)(s)?/ $(1)$2.\nendif\nendif\n/./ other", "us@"},
	{"!/x/ none\n", "y"},
	{"+a\\+b+ plus\n|c| bar\n", "a+b"},
	{"/x/\n", "x"},
	{"# comment\n/a\n  b/ c\n", "a b"},
	{"/(a)/ $12\n", "a"}, {"/a/ $1x\n", "a"}, {"/a/ii x\n", "A"}, {"/a", "a"}, {"if /a/ x\nendif\n", "a"}, {"endif\n", "a"}, {"IF/a/\n/./ b\nEndIf\n", "a"},
	{"!/(a)/ $1\n", "b"}, {"/(a)/ $0\n", "a"}, {"/(a)/ ${1\n", "a"}, {"/a/ $\n", "a"}, {"! /a/ b\n", "c"}, {"!!/a/ b\n", "a"}, {" /a/ b\n", "a"},
	{"/^(.+)@ä$/ $1\n", "user@ä"}, {"/./ ${1}\n", "a"}, {"/(a|ab)(c|bcd)(d*)/ $1-$2-$3\n", "abcd"}, {"/(a|b)*/ <$1>\n", "aab"},
	{"/[[:alpha:]]+\\d\\s?/ x\n", "a1"}, {"/\\Qa.b\\E/ x\n", "a.b"}, {"/(?-i)a/ x\n", "A"}, {"/a{2,}/ x\n", "aa"}, {"/(?=a)a/ x\n", "a"},
}

// A comment and an empty line between two rules of a table change nothing, and a value is made of the replacements and the key.
func FuzzPcre(f *testing.F) {
	for _, s := range pcreSeeds {
		f.Add(s[0], s[1])
	}
	for _, name := range []string{untagFile, localFile, extensionFile, recipientFile} {
		f.Add(table(name), "prvs=0787788259=user@example.com")
	}
	f.Fuzz(func(t *testing.T, text, key string) {
		parsed, understood := parsePcre(text)
		if !understood {
			return
		}
		got, known := parsed.lookup(key)
		spaced, understood := parsePcre(strings.ReplaceAll("# comment\n"+text, "\n", "\n\n# comment\n"))
		if again, still := spaced.lookup(key); !understood || again != got || still != known {
			t.Errorf("%q with comments has %q, %v for %q, and %q, %v without", text, again, still, key, got, known)
		}
		if !known && got != "" {
			t.Errorf("%q has %q for %q, which is not in it", text, got, key)
		}
		for i := range len(got) {
			if strings.IndexByte(text+key, got[i]) < 0 {
				t.Errorf("%q has %q for %q: %q is in neither", text, got, key, got[i])
			}
		}
		depth := 0
		for _, rule := range parsed {
			if rule.block {
				depth++
			} else if rule.pattern == nil {
				depth--
			}
			if depth < 0 {
				t.Errorf("%q ends a block that it did not begin", text)
			}
		}
	})
}

// What check reads in a table is what Postfix finds there.
func TestPcreIsReadAsPostfixDoes(t *testing.T) {
	needPostfix(t)
	keys := []string{"user@example.com", "prvs=0787788259=user@example.com", "user+prvs=0787788259=x@example.com", "A", "aab", "b", "a+b", "x", "a  b"}
	understood := 0
	for _, s := range pcreSeeds {
		parsed, ok := parsePcre(s[0])
		if !ok {
			continue
		}
		understood++
		path := filepath.Join(t.TempDir(), "table.pcre")
		if err := os.WriteFile(path, []byte(s[0]), 0o644); err != nil {
			t.Fatal(err)
		}
		asked := append([]string{s[1]}, keys...)
		values, err := query(t.Context(), "/etc/postfix", "pcre:"+path, asked)
		if err != nil {
			t.Fatalf("%q: %v", s[0], err)
		}
		for _, key := range asked {
			got, known := parsed.lookup(key)
			want, there := values[key]
			if got != want || known != there {
				t.Errorf("%q: %q is %q, %v; Postfix says %q, %v", s[0], key, got, known, want, there)
			}
		}
	}
	if understood < 15 {
		t.Errorf("only %d tables are understood", understood)
	}
}
