package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/events"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// Each file in testdata/bad ends with the problems it has, one "# want: " line for each.
func TestBadConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".toml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for l := range strings.Lines(string(data)) {
				if w, ok := strings.CutPrefix(l, "# want: "); ok {
					want = append(want, strings.TrimSpace(w))
				}
			}
			_, problems := Load(path, Flags{}, testHost)
			got := strings.ReplaceAll(problems.Sorted().Error(), path+":", "")
			if len(want) == 0 || got != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
			if strings.Contains(got, "hunter2") {
				t.Error("the problem shows a password")
			}
		})
	}
}

func TestEveryOptionTakesEffect(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("whsec_"+strings.Repeat("AAAA", 8)+"\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	c := loadText(t, strings.Replace(`
domains = ["a.example"]
mode = "enforce"
tag_form = "sub-address"
untagged = "reject"
bad_tag = "rcpt"
lifetime = 10
tag_rotation = 3
delimiters = "+-"
header = "X-B"
hostname = "h.example"
listen = ["unix:/run/x/m.sock", "inet:127.0.0.1:1"]
socket_mode = "0600"
socket_group = "7"
http = ""
state_dir = "/s"
store = "bolt:x.db"
store_timeout = "1s"
keys = "k/index.toml"
hash_secret = "/etc/h"
node = "n"
key_distribution = "store"
key_rotation = 112
[[domain]]
name = "b.example"
aliases = ["c.example"]
mode = "monitor"
tag_form = "standard"
untagged = "end-of-message"
[[listener]]
address = "tcp:127.0.0.1:2"
role = "sign"
[[listener]]
role = "verify"
address = "tcp:127.0.0.1:3"
[[listener]]
address = "tcp:127.0.0.1:4"
[socketmap]
listen = "tcp:127.0.0.1:5"
[outbound]
authenticated = false
local = false
networks = ["192.0.2.0/24", "2001:db8::1"]
daemons = ["ORIGINATING"]
[exempt]
recipients = ["root"]
senders = ["@x.example"]
networks = ["198.51.100.7"]
helo = [".x.example"]
[do_not_tag]
recipients = ["@.lists.example"]
senders = ["noreply@a.example"]
known = true
[[skip]]
senders = ["app@a.example"]
recipients = ["@.partner.example", "x@y.example"]
[[skip]]
senders = ["shop"]
recipients = ["@z.example"]
[proof]
retention = 60
bounces_at_least = 30
bounces_per_recipient = 4
replies_per_day = 0
unproven_per_day = 0
unproven_bounces_per_day = 1
unclear_per_day = 2
authserv_ids = ["a.example", "b.example"]
add_message_id = false
[mailer_daemons]
senders = ["*"]
refuse = true
[actions]
untagged = "quarantine"
[log]
reports = false
level = "debug"
format = "json"
summary_interval = "1h"
[events]
file = "/s/events.jsonl"
redis = "redis://127.0.0.1/3"
stream = "x"
stream_length = 7
http = "https://app.example/x"
secret_file = "SECRET"
max_backlog = 9
[limits]
connections = 5
connections_per_peer = 4
memory = "2GiB"
read_timeout = "1m"
write_timeout = "2s"
`, "SECRET", secret, 1))
	s := c.Settings
	for what, ok := range map[string]bool{
		"first domain":  reflect.DeepEqual(s.Domains[0], policy.Domain{Name: "a.example", Mode: policy.ModeEnforce, Form: prvs.SubAddress, RefuseUntaggedAtData: true}),
		"second domain": reflect.DeepEqual(s.Domains[1], policy.Domain{Name: "b.example", Aliases: []string{"c.example"}, Mode: policy.ModeMonitor, Form: prvs.Standard}),
		"bad_tag":       s.RefuseBadTagAtRcpt,
		"tags":          c.Ring == prvs.Options{Lifetime: 10, Rotation: 3, Slack: 48, Delimiters: "+-"},
		"header":        s.HeaderName == "X-B" && s.Hostname == "h.example",
		"listen":        listed(c) == "unix:/run/x/m.sock both, tcp:127.0.0.1:1 both, tcp:127.0.0.1:2 sign, tcp:127.0.0.1:3 verify, tcp:127.0.0.1:4 both",
		"socketmap":     c.Socketmap.String() == "tcp:127.0.0.1:5",
		"socket":        c.SocketMode == 0o600 && c.SocketGroup == 7,
		"http":          c.HTTP.IsZero() && c.HTTPChosen,
		"store":         c.Store == "bolt:/s/x.db" && c.StoreTimeout == time.Second && c.JournalFile() == "/s/store.journal",
		"keys":          c.Keys == "/s/k/index.toml" && c.KeysChosen && c.HashSecret == "/etc/h" && c.HashSecretChosen,
		"node":          c.Node == "n",
		"rotation":      c.KeysInStore && c.KeyRotation == 112*24*time.Hour,
		"rest":          c.KeyRest() == 61*24*time.Hour, // tags of up to 60 days verify; mail is on record for 60
		"outbound": !s.Outbound.Authenticated && !s.Outbound.Local && s.Outbound.Daemons[0] == "ORIGINATING" &&
			s.Outbound.Networks[0] == netip.MustParsePrefix("192.0.2.0/24") && s.Outbound.Networks[1] == netip.MustParsePrefix("2001:db8::1/128"),
		"exempt": s.Exempt.Recipients[0] == "root" && s.Exempt.Senders[0] == "@x.example" && s.Exempt.Helo[0] == ".x.example" &&
			s.Exempt.Networks[0] == netip.MustParsePrefix("198.51.100.7/32"),
		"do_not_tag": s.DoNotTag.Recipients[0] == "@.lists.example" && s.DoNotTag.Senders[0] == "noreply@a.example" && s.DoNotTag.Known,
		"skip":       fmt.Sprint(s.Skip) == "[{[app@a.example] [@.partner.example x@y.example]} {[shop] [@z.example]}]",
		"proof": s.Proofs == policy.Proofs{Retention: 60, BouncesAtLeast: 30, BouncesPerRecipient: 4, UnprovenBouncesPerDay: 1, UnclearPerDay: 2} &&
			strings.Join(s.AuthservIDs, " ") == "a.example b.example" && !s.AddMessageID,
		"mailer_daemons": len(s.MailerDaemons.Senders) == 1 && s.MailerDaemons.Senders[0] == "*" && s.MailerDaemons.Refuse,
		"actions":        len(s.Actions) == 1 && s.Actions[policy.Untagged] == policy.ActionQuarantine,
		"events": reflect.DeepEqual(c.Events, events.Sinks{File: "/s/events.jsonl", Redis: "redis://127.0.0.1/3", Stream: "x", StreamLength: 7,
			HTTP: "https://app.example/x", Secret: make([]byte, 24), MaxBacklog: 9}),
		"log":    c.LogLevel == slog.LevelDebug && c.LogFormat == FormatJSON && c.SummaryInterval == time.Hour,
		"limits": c.Limits == filter.Limits{Connections: 5, ConnectionsPerPeer: 4, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Second} && c.Memory == 2<<30,
	} {
		if !ok {
			t.Errorf("%s did not take effect: %+v", what, c.raw)
		}
	}
}

// What a bounce reports is read if the log or events say it.
func TestBouncesAreReadForLogAndEvents(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "[log]\nreports = false": false, "[log]\nreports = false\n[events]\nfile = \"/x\"": true,
	} {
		if c := loadText(t, "domains = [\"a.example\"]\n"+text); c.Settings.ReadAll != want {
			t.Errorf("%q: %+v", text, c.Settings)
		}
	}
}

// listed returns all listeners with their roles.
func listed(c *Config) string {
	var list []string
	for _, l := range c.Listeners {
		list = append(list, l.Address.String()+" "+l.Role.String())
	}
	return strings.Join(list, ", ")
}

func TestTheDefaultAddressIsForThoseWhoNameNone(t *testing.T) {
	const table = "[[listener]]\naddress = \"tcp:127.0.0.1:1\"\nrole = \"sign\"\n"
	for text, want := range map[string]string{
		"":                                     DefaultListen + " both",
		table:                                  "tcp:127.0.0.1:1 sign",
		"listen = []\n" + table:                "tcp:127.0.0.1:1 sign",
		"listen = [\"unix:/run/x\"]\n" + table: "unix:/run/x both, tcp:127.0.0.1:1 sign",
	} {
		if got := listed(loadText(t, text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestTagsOfALongerLifetimeStillVerify(t *testing.T) {
	for _, tt := range []struct{ lifetime, rotation, slack int }{
		{7, 1, 53},  // 60 days in all
		{1, 1, 59},  // the shortest
		{7, 30, 24}, // the rotation counts as well
		{59, 1, 1},
		{60, 1, 1}, // a day for clocks that differ
		{7, 100, 1},
		{498, 1, 1}, // 499 days in all
		{499, 1, 0}, // the digits of a tag cannot distinguish more days
		{250, 250, 0},
	} {
		c := loadText(t, fmt.Sprintf("lifetime = %d\ntag_rotation = %d\n", tt.lifetime, tt.rotation))
		if want := (prvs.Options{Lifetime: tt.lifetime, Rotation: tt.rotation, Slack: tt.slack, Delimiters: "+"}); c.Ring != want {
			t.Errorf("got %+v, want %+v", c.Ring, want)
		}
		if _, err := prvs.NewRing(nil, c.Ring); err != nil {
			t.Errorf("%+v: %v", c.Ring, err)
		}
	}
}

func TestFlagsComeBeforeTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.toml")
	if err := os.WriteFile(path, []byte("domains = [\"a.example\"]\nmode = \"auto\"\nstate_dir = \"/file\"\n[[domain]]\nname = \"b.example\"\nmode = \"enforce\"\ntag_form = \"sub-address\"\n[[listener]]\naddress = \"tcp:127.0.0.1:1\"\nrole = \"sign\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := Load(path, Flags{Domains: []string{"B.example", "c.example"}, Mode: "monitor", StateDir: "/flag", HTTP: "off",
		Listen: []string{"tcp:127.0.0.1:0"}, LogLevel: "error", LogFormat: "json", Store: "memory:"}, testHost)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if c.StateDir != "/flag" || !c.HTTP.IsZero() || c.Store != "memory:" || c.LogFormat != "json" || listed(c) != "tcp:127.0.0.1:0 both" {
		t.Errorf("got %+v", c)
	}
	d, ours := c.Domain("b.EXAMPLE")
	if !ours || d.Mode != policy.ModeMonitor || d.Form != prvs.SubAddress {
		t.Errorf("b.example: %v %+v", ours, d)
	}
	if _, ours := c.Domain("a.example"); ours {
		t.Error("--domain did not replace the list")
	}
}

func TestProblemsNameTheFlag(t *testing.T) {
	_, problems := Load("", Flags{Domains: []string{"not a domain"}, Mode: "on", Listen: []string{"8766"}, HTTP: "0.0.0.0:1",
		LogLevel: "loud", LogFormat: "xml"}, testHost)
	want := []string{"--listen: ", "--http: ", "--log-level: ", "--log-format: ", "--mode: ", "--domain: "}
	if len(problems) != len(want) {
		t.Fatalf("got %v", problems)
	}
	for i, w := range want {
		if !strings.HasPrefix(problems[i].String(), w) {
			t.Errorf("got %q, want %q", problems[i], w)
		}
	}
}

func TestNoDomain(t *testing.T) {
	c, problems := Load("", Flags{}, testHost)
	if len(problems) > 0 || len(c.NeedDomain()) != 1 {
		t.Errorf("got %v, %v", problems, c.NeedDomain())
	}
	got := c.NeedDomain().Error()
	for _, option := range []string{`domains = ["example.com"]`, "domains_file", "[[domain]]", "--domain"} {
		if !strings.Contains(got, option) {
			t.Errorf("%s is not in %s", option, got)
		}
	}
}

// A problem with the option that names the domains is the only one.
func TestNoDomainAfterAProblemWithDomains(t *testing.T) {
	for _, text := range []string{"domains_file = 3", `domains = "example.com"`, "[exempt]\ndomains = [\"example.com\"]", "[log]\ndomains_file = \"x\""} {
		path := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, problems := Load(path, Flags{}, testHost); len(problems) != 1 || len(c.NeedDomain()) > 0 {
			t.Errorf("%s: got %v, %v", text, problems, c.NeedDomain())
		}
	}
	if c := loadText(t, "domains = []"); len(c.NeedDomain()) != 1 {
		t.Error("an empty list is enough")
	}
}

func TestTheProblemOfTheStoreNamesItOnce(t *testing.T) {
	const path = "redis:/x"
	c := loadText(t, "store = \"redis:/x\"\n")
	_, err := open.Open(t.Context(), path)
	if err == nil {
		t.Fatal("opened")
	}
	if got := c.StoreProblem(err).Error(); !strings.Contains(got, ":1: store: redis:/x: open Redis: the URL lacks the // behind its first colon: write redis://host:6379/0; ") {
		t.Errorf("got %s", got)
	}
}

func TestFixedNamesWhatNeedsARestart(t *testing.T) {
	load := func(text string) *Config { return loadText(t, "domains = [\"a.example\"]\n"+text) }
	base := load("")
	for option, text := range map[string]string{
		"listen": `listen = ["tcp:127.0.0.1:1"]`, "socketmap": "[socketmap]\nlisten = \"tcp:127.0.0.1:1\"", "socket_mode": `socket_mode = "0600"`, "socket_group": `socket_group = "1"`,
		"http": `http = ""`, "store": `store = "memory:"`, "store_timeout": `store_timeout = "1s"`, "hash_secret": `hash_secret = "x"`,
		"node": `node = "x"`, "log.format": "[log]\nformat = \"json\"", "log.summary_interval": "[log]\nsummary_interval = \"1m\"",
		"limits": "[limits]\nconnections = 1", "events": "[events]\nfile = \"/x\"",
	} {
		if got := strings.Join(Fixed(base, load(text)), " "); got != option {
			t.Errorf("%s: got %q", option, got)
		}
	}
	table := func(role string) *Config {
		return load("listen = [\"" + DefaultListen + "\"]\n[[listener]]\naddress = \"tcp:127.0.0.1:1\"\nrole = \"" + role + "\"")
	}
	if got := Fixed(table("sign"), table("verify")); strings.Join(got, " ") != "listener" {
		t.Errorf("role: got %q", got)
	}
	if got := Fixed(base, table("sign")); strings.Join(got, " ") != "listener" {
		t.Errorf("a further listener: got %q", got)
	}
	if got := Fixed(base, load(`state_dir = "/x"`)); strings.Join(got, " ") != "state_dir store hash_secret" {
		t.Errorf("state_dir: got %q", got)
	}
	for _, text := range []string{`mode = "enforce"`, `lifetime = 9`, `keys = "other"`, "[log]\nlevel = \"debug\"", "[exempt]\nrecipients = []"} {
		if got := Fixed(base, load(text)); got != nil {
			t.Errorf("%s: needs a restart for %v", text, got)
		}
	}
}

func TestPrintingAConfigurationShowsNoPassword(t *testing.T) {
	c := loadText(t, "domains = [\"a.example\"]\nstore = \"redis://u:hunter2@h/0\"\n")
	if strings.Contains(c.String(), "hunter2") {
		t.Error("it does")
	}
}
