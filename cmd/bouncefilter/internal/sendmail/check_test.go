package sendmail

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// exampleSite is a site with its milter at these addresses.
func exampleSite(t testing.TB, addresses ...string) mta.Site {
	t.Helper()
	site := mta.Site{
		Domains: []string{"example.com", "virt.example"}, Forms: []string{"standard"},
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	for _, s := range addresses {
		a, err := listener.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		site.Listeners = append(site.Listeners, mta.Listener{Address: a, Sign: true, Verify: true})
	}
	return site
}

// What check finds in each configuration of testdata: level, name, and a part of what is said.
var cases = []struct {
	name   string
	change func(*Config, *mta.Site)
	want   []string
}{
	{name: "good"},
	{name: "continued-lines"},
	{name: "beside-other-milter"},
	{name: "masquerade-header-only"},
	{name: "stock", want: []string{"error milter-missing Sendmail does not ask", "error tags-refused Tagged recipients are refused"}},
	{name: "other-milter", want: []string{"error milter-missing Sendmail does not ask bouncefilter: nothing is signed, and no bounce is judged. The milters"}},
	{name: "defined-but-unused", want: []string{"error milter-unused bouncefilter is defined"}},
	{name: "no-flag", want: []string{"error milter-accepts Without F=T mail leaves unsigned"}},
	{name: "no-flag", change: func(_ *Config, s *mta.Site) { s.Listeners[0].Sign = false }},
	{name: "rejects", want: []string{"error milter-rejects F=R"}},
	{name: "tcp", want: []string{"note milter-tcp Over TCP"}},
	{name: "short-timeout", want: []string{"warning milter-timeout The timeout T=R:500ms"}},
	{name: "no-rules", want: []string{"error tags-refused Tagged recipients are refused"}},
	{name: "no-rules", change: func(_ *Config, s *mta.Site) { s.Forms = []string{"sub-address"} }},
	{name: "domain-not-in-class", want: []string{"error tags-refused Tags of virt.example are not taken off"}},
	{name: "rules-over-class-w", want: []string{"error tags-refused Tags of virt.example"}},
	{name: "rules-over-class-w", change: func(c *Config, _ *mta.Site) { // Sendmail itself knows better
		c.Untagged = map[string]bool{"example.com": true, "virt.example": true}
	}},
	{name: "daemon-without-milter", want: []string{"error daemon-without-milter This port has a list"}},
	{name: "masquerade-envelope", want: []string{"error masquerade-envelope Envelope senders in example.com become addresses in masq.example"}},
	{name: "generics", want: []string{"warning generics-envelope With masquerade_envelope"}},
	{name: "old", want: []string{"error version-old This is Sendmail 8.13.8."}},
	{name: "good", change: func(c *Config, _ *mta.Site) { c.Submit = false }, want: []string{"warning submit-direct"}},
	{name: "good", change: func(_ *Config, s *mta.Site) { s.Networks = nil }, want: []string{"warning submit-unsigned Mail of the sendmail command"}},
	{name: "good", change: func(c *Config, _ *mta.Site) {
		c.Sockets = map[string]Socket{"local:/run/bouncefilter/milter.sock": {Dead: true}}
	}, want: []string{"error socket-dead Nobody answers there."}},
	{name: "good", change: func(c *Config, _ *mta.Site) {
		c.Sockets = map[string]Socket{"local:/run/bouncefilter/milter.sock": {Unsafe: "/run/bouncefilter has mode 0777"}}
	}, want: []string{"error socket-unsafe Sendmail does not use this socket: /run/bouncefilter has mode 0777."}},
	{name: "good", change: func(c *Config, _ *mta.Site) { c.Untagged = map[string]bool{"example.com": true, "virt.example": false} },
		want: []string{"error tags-refused Tags of virt.example"}},
}

func TestCheck(t *testing.T) {
	seen := map[string]bool{}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join("testdata", tt.name+".cf")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			seen[tt.name] = true
			address := "unix:/run/bouncefilter/milter.sock"
			if tt.name == "tcp" {
				address = "tcp:127.0.0.1:8766"
			}
			site := exampleSite(t, address)
			c := parse(path, string(text), readClass)
			c.Submit = true
			if tt.change != nil {
				tt.change(c, &site)
			}
			var got []string
			for _, f := range Check(c, site) {
				got = append(got, string(f.Level)+" "+f.Name+" "+f.What)
				if !strings.HasPrefix(f.Where, path) {
					t.Errorf("%s is said to be at %q", f.Name, f.Where)
				}
			}
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
	files, err := filepath.Glob("testdata/*.cf")
	if err != nil || len(files) < 12 || len(files) != len(seen) {
		t.Errorf("%d of %d configurations were checked, %v", len(seen), len(files), err)
	}
}

func TestLocate(t *testing.T) {
	dir := t.TempDir()
	cf := filepath.Join(dir, "sendmail.cf")
	for path, want := range map[string]string{dir: "", cf: ""} {
		if got := Locate(path, ""); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	if err := os.WriteFile(cf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, cf, filepath.Join(dir, "sendmail.mc")} {
		if got := Locate(path, ""); got != cf {
			t.Errorf("%s: %q", path, got)
		}
	}
}
