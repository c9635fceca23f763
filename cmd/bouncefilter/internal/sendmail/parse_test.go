package sendmail

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

const everyKind = `# a comment
	# that goes on
V10/Berkeley
Djmx.example.com
D{MTAHost}[127.0.0.1]
Cw localhost example.org
C{VirtHost}virt.example
CR$={VirtHost} 192.168.5
Fw-o /etc/mail/local-host-names %[^\#]
F{More}@ldap

Kaccess hash -T<TMPF>
	-o /etc/mail/access
O MaxMessageSize=1
O maxmessagesize = 2
O InputMailFilters=a, b;c
Mlocal,		P=/usr/bin/procmail, F=SAw5:|/@qShP,
		A=procmail -Y
Xa, S=local:/run/a, F=R, T=S:1h30m;R:7
S0
R$*			$@ $1	comment
SParseLocal=98
R$+ <  @ $=w . >	$: $( access  $1 $)
Rbroken
`

func TestParse(t *testing.T) {
	c := parse("/etc/mail/sendmail.cf", everyKind)
	want := &Config{
		Path:    "/etc/mail/sendmail.cf",
		Options: []Option{{"MaxMessageSize", "1", 14}, {"maxmessagesize", "2", 15}, {"InputMailFilters", "a, b;c", 16}},
		Macros:  map[string]string{"j": "mx.example.com", "MTAHost": "[127.0.0.1]"},
		Classes: map[string][]Class{"w": {{Words: []string{"localhost", "example.org"}, Line: 6}, {File: "/etc/mail/local-host-names", Line: 9}},
			"VirtHost": {{Words: []string{"virt.example"}, Line: 7}}, "R": {{Words: []string{"$={VirtHost}", "192.168.5"}, Line: 8}}, "More": {{File: "@ldap", Line: 10}}},
		Maps:    map[string]string{"access": "hash -T<TMPF> -o /etc/mail/access"},
		Milters: []Milter{{"a", "local:/run/a", "R", "S:1h30m;R:7", 19}},
		Mailers: map[string]string{"local": "SAw5:|/@qShP"},
		Rulesets: map[string][]Rule{"parse": {{"$*", "$@ $1", 21}},
			"ParseLocal": {{"$+ < @ $=w . >", "$: $( access $1 $)", 23}, {"broken", "", 24}}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
	if o := c.option("MAXMESSAGESIZE"); o.Value != "2" || o.Line != 15 {
		t.Errorf("the last of an option is %+v", o)
	}
	if got := c.daemons()[0].filters; !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("filters %q", got)
	}
	for which, want := range map[string]time.Duration{"C": 5 * time.Minute, "S": 90 * time.Minute, "R": 7 * time.Second, "E": 5 * time.Minute} {
		if d, ok := c.Milters[0].wait(which); !ok || d != want {
			t.Errorf("wait %s: %v, %v", which, d, ok)
		}
	}
}

func TestClassesContain(t *testing.T) {
	c := parse("", everyKind+"C{Loop}$={Loop}\n")
	c.Host = "host.example.com"
	c.Files = map[string][]string{"/etc/mail/local-host-names": classWords("a.example # not.example\n\n#b.example\nB.example\n")}
	for _, tt := range []struct {
		class, domain string
		want          answer
	}{
		{"w", "example.org", yes}, {"w", "EXAMPLE.org", yes}, {"w", "a.example", yes}, {"w", "b.example", yes}, {"w", "not.example", no},
		{"w", "mx.example.com", yes}, {"w", "host.example.com", yes}, {"w", "sub.example.org", no},
		{"R", "virt.example", yes}, {"R", "example.org", no}, {"More", "x.example", perhaps}, {"Loop", "x.example", no}, {"none", "x.example", no},
	} {
		if got := c.has(tt.class, tt.domain); got != tt.want {
			t.Errorf("class %s has %s: %v", tt.class, tt.domain, got)
		}
	}
	host := c.Host
	c = parse("", everyKind)
	c.Host = host
	if c.local("c.example") != perhaps || c.hosts("virt.example") != yes {
		t.Error("a class file that could not be read may hold anything")
	}
}

func TestMilterFitsListener(t *testing.T) {
	for _, tt := range []struct {
		socket, listen string
		want           bool
		spec           string
	}{
		{"local:/run/b/m.sock", "unix:/run/b/m.sock", true, "local:/run/b/m.sock"},
		{"unix:/run/b/m.sock", "unix:/run/b/m.sock", true, "local:/run/b/m.sock"},
		{"/run/b/m.sock", "unix:/run/b/m.sock", true, "local:/run/b/m.sock"},
		{"local:/run/b/other.sock", "unix:/run/b/m.sock", false, "local:/run/b/m.sock"},
		{"inet:8766@127.0.0.1", "tcp:127.0.0.1:8766", true, "inet:8766@127.0.0.1"},
		{"inet:8766@localhost", "tcp:127.0.0.1:8766", true, "inet:8766@127.0.0.1"},
		{"inet:8767@127.0.0.1", "tcp:127.0.0.1:8766", false, "inet:8766@127.0.0.1"},
		{"inet:8766@192.0.2.1", "tcp:127.0.0.1:8766", false, "inet:8766@127.0.0.1"},
		{"inet:8766@192.0.2.1", "tcp:0.0.0.0:8766", true, "inet:8766@127.0.0.1"},
		{"inet:8766@192.0.2.1", "tcp::8766", true, "inet:8766@127.0.0.1"},
		{"inet6:8766@::1", "tcp:[::1]:8766", true, "inet6:8766@::1"},
		{"other:8766", "tcp:[::1]:8766", false, "inet6:8766@::1"},
	} {
		a, err := listener.Parse(tt.listen)
		if err != nil {
			t.Fatal(err)
		}
		l := mta.Listener{Address: a}
		if got := (Milter{Socket: tt.socket}).fits(l); got != tt.want {
			t.Errorf("%s fits %s: %v", tt.socket, tt.listen, got)
		}
		if got := spec(l); got != tt.spec || !(Milter{Socket: got}).fits(l) {
			t.Errorf("spec of %s is %s", tt.listen, got)
		}
	}
}

func TestInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{"30": 30 * time.Second, "1h30m": 90 * time.Minute, " 2d ": 48 * time.Hour, "1w": 168 * time.Hour,
		"": -1, "m": -1, "5y": -1, "x5": -1} {
		if got, ok := interval(text); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
}

// Whatever a file holds: lines that Sendmail would not look at change nothing, each rule, option and milter is one line, and a finding names
// a line that is there.
func FuzzParse(f *testing.F) {
	f.Add(everyKind)
	f.Add("O\nD\nC\nF\nK\nX\nM\nS\nR\n{\nD{\n \n\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		a := parse("p", text)
		b := parse("p", strings.ReplaceAll("# comment\n"+text, "\n", "\n\n"))
		shift := func(n int) int { return 2*n + 1 } // the comment takes two lines, every line now two
		for i := range a.Options {
			a.Options[i].Line = shift(a.Options[i].Line)
		}
		for i := range a.Milters {
			a.Milters[i].Line = shift(a.Milters[i].Line)
		}
		for _, classes := range a.Classes {
			for i := range classes {
				classes[i].Line = shift(classes[i].Line)
			}
		}
		rules := 0
		for _, set := range a.Rulesets {
			for i := range set {
				set[i].Line = shift(set[i].Line)
			}
			rules += len(set)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("got\n%+v\nwith empty lines and a comment\n%+v", a, b)
		}
		if n := len(logicalLines(text)); len(a.Options)+len(a.Milters)+rules > n {
			t.Errorf("%d lines make more than that", n)
		}
		for _, finding := range Check(parse("p", text), mta.Site{Domains: []string{"example.com"}, Forms: []string{"standard", "sub-address"}}) {
			place, found := strings.CutPrefix(finding.Where, "p:")
			if number, _, numbered := strings.Cut(place, ": "); found && numbered {
				if n, err := strconv.Atoi(number); err == nil && (n < 1 || n > strings.Count(text, "\n")+1) {
					t.Errorf("%s is about %s of %d lines", finding.Name, finding.Where, strings.Count(text, "\n")+1)
				}
			}
		}
	})
}

// Without the block the file is again what it was before, for every file.
func FuzzBlock(f *testing.F) {
	for _, text := range []string{"", "OSTYPE(`linux')\nMAILER(`local')\n", "include(`/x/m4/cf.m4')\r\nLOCAL_RULE_0\nR$*\t$1",
		"VERSIONID(`x')\nINPUT_MAIL_FILTER(`bouncefilter', `S=local:/x')dnl\n"} {
		f.Add(text)
	}
	lines := block{milters: []Milter{{Name: ourName, Socket: "local:/x"}}, domains: []string{"example.com"}}.mc()
	f.Fuzz(func(t *testing.T, mc string) {
		if strings.Contains(mc, "bouncefilter begin") || strings.Contains(mc, "bouncefilter end") || strings.Contains(mc, replacedMark) {
			t.Skip("has a block already")
		}
		with := withBlock(mc, lines, []string{ourName})
		if mc != "" && !strings.HasSuffix(mc, "\n") && strings.HasSuffix(with, endLine+"\n") {
			mc += "\n" // the last line gets its end
		}
		if back := withoutBlock(with); back != mc {
			t.Errorf("got %q, want %q", back, mc)
		}
		if strings.Count(with, beginLine) != 1 || strings.Count(with, endLine+"\n") != 1 {
			t.Errorf("not one block: %q", with)
		}
	})
}
