package report

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/figures"
)

// Concern is what speaks against refusing bounces of a domain.
type Concern struct {
	// Name is a word for programs: see the table of concerns in the manual.
	Name     string   `json:"name"`
	What     string   `json:"what"`            // what is the case, with the evidence
	Level    Level    `json:"level"`           // the worst of its domains
	Until    string   `json:"until,omitempty"` // the day on which it ends by itself, YYYY-MM-DD
	Domains  []string `json:"domains"`         // which of the domains; empty for all
	Count    int64    `json:"count,omitempty"` // messages or nodes that are the evidence
	Remedy   string   `json:"remedy"`
	Commands []string `json:"commands"` // lines to paste into a shell
	Config   []string `json:"config"`   // lines to paste into the configuration

	urgency Level // what Level is in a domain that is enforced
	// say makes What of a count and domains, and narrow is the command without the flag that names the domain: of concerns that several
	// domains may have for the same reason, which are those with the same kind, too. say is nil for others.
	say    func(n int64, domains string) string
	narrow string
	kind   string
}

// concern makes a concern of a domain, "" for all.
func concern(name, what, remedy, domain string) Concern {
	c := Concern{Name: name, What: what, Remedy: remedy, Domains: []string{}, Commands: []string{}, Config: []string{}, Level: Amber, urgency: Green}
	if domain != "" {
		c.Domains = append(c.Domains, domain)
	}
	return c
}

// counted makes a concern of so many messages of a domain.
func counted(name string, n int64, say func(n int64, domains string) string, remedy, domain string) Concern {
	c := concern(name, say(n, domain), remedy, domain)
	c.Count, c.say = n, say
	return c
}

// shared makes a concern that is not about messages, and that other domains may have for the same reason.
func shared(name string, say func(domains string) string, remedy, domain string) Concern {
	return counted(name, 0, func(_ int64, domains string) string { return say(domains) }, remedy, domain)
}

func (c Concern) until(day string) Concern    { c.Until = day; return c }
func (c Concern) of(kind string) Concern      { c.kind = kind; return c }
func (c Concern) command(line string) Concern { c.Commands = []string{line}; return c }

// samples lets the operator look at messages of the domain.
func (c Concern) samples(in *Input) Concern {
	c.narrow = in.again("--samples 20")
	return c.command(in.again("--samples 20 --domain " + shellWord(c.Domains[0])))
}

// warns says that the operator of a domain that is enforced should look at it.
func (c Concern) warns() Concern { c.urgency = Amber; return c }

// alarms says that genuine mail of a domain that is enforced may be refused.
func (c Concern) alarms() Concern { c.urgency = Red; return c }

// merge returns the concerns of all domains: one that several domains have for the same reason becomes one.
func merge(domains []Domain) []Concern {
	type reason struct {
		name, what string
		level      Level
	}
	all, at := []Concern{}, map[reason]int{}
	for i := range domains {
		for _, c := range domains[i].Verdict.Concerns {
			key := reason{c.Name, c.What, ""}
			if c.say != nil {
				key.what, key.level = c.kind, c.urgency
			}
			n, known := at[key]
			if !known {
				at[key] = len(all)
				c.Domains = slices.Clone(c.Domains)
				all = append(all, c)
				continue
			}
			o := &all[n]
			o.Level = worse(o.Level, c.Level)
			if c.say != nil {
				o.Count, o.Until, o.Domains = o.Count+c.Count, max(o.Until, c.Until), append(o.Domains, c.Domains...)
			}
		}
	}
	for i := range all {
		c := &all[i]
		if c.say == nil || len(c.Domains) < 2 {
			continue
		}
		c.What = c.say(c.Count, mta.Names(c.Domains))
		if c.narrow != "" {
			c.Commands = []string{c.narrow}
		}
	}
	mostUrgentFirst(all)
	return all
}

func mostUrgentFirst(cs []Concern) {
	rank := map[Level]int{Red: 0, Amber: 1, Green: 2}
	slices.SortStableFunc(cs, func(a, b Concern) int { return cmp.Compare(rank[a.urgency], rank[b.urgency]) })
}

func (in *Input) conf() string { return ConfigFlag(in.Config) }

// ConfigFlag returns the flag that names the configuration to a command, with a space in front; "" for the usual one, whose path is "" here.
func ConfigFlag(path string) string {
	if path == "" {
		return ""
	}
	return " -c " + shellWord(path)
}

// again returns the command that prints another view of the same report.
func (in *Input) again(flags string) string {
	cmd := "bouncefilter report " + flags + in.conf()
	for _, path := range in.LogFiles {
		cmd += " --log " + shellWord(path)
	}
	return cmd
}

// inspect returns the command that explains a message like that of a note. ADDRESS is its recipient, which the note has only masked, and
// FILE the message.
func (in *Input) inspect(n *figures.Note) string {
	cmd := "bouncefilter inspect" + in.conf() + " --recipient ADDRESS"
	if _, err := netip.ParseAddr(n.Client); err == nil {
		cmd += " --client " + n.Client
	}
	return cmd + " --at " + n.Time.UTC().Format(time.RFC3339) + " FILE"
}

// shellWord quotes a word for a POSIX shell.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@+,=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
