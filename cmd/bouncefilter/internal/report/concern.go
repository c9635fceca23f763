package report

import (
	"net/netip"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
)

// Concern is what speaks against refusing bounces of a domain.
type Concern struct {
	// Name is a word for programs: see the table of concerns in the manual.
	Name     string   `json:"name"`
	What     string   `json:"what"`            // what is the case, with the evidence
	Until    string   `json:"until,omitempty"` // the day on which it ends by itself, YYYY-MM-DD
	Domains  []string `json:"domains"`         // which of the domains; empty for all
	Count    int64    `json:"count,omitempty"` // messages or nodes that are the evidence
	Remedy   string   `json:"remedy"`
	Commands []string `json:"commands"` // lines to paste into a shell
	Config   []string `json:"config"`   // lines to paste into the configuration

	level Level // of a domain that is enforced
}

// concern makes a concern of a domain, "" for all.
func (*judgement) concern(name, what, remedy, domain string) Concern {
	c := Concern{Name: name, What: what, Remedy: remedy, Domains: []string{}, Commands: []string{}, Config: []string{}, level: Green}
	if domain != "" {
		c.Domains = append(c.Domains, domain)
	}
	return c
}

func (c Concern) until(day string) Concern    { c.Until = day; return c }
func (c Concern) count(n int64) Concern       { c.Count = n; return c }
func (c Concern) command(line string) Concern { c.Commands = []string{line}; return c }

// warns says that the operator of a domain that is enforced should look at it.
func (c Concern) warns() Concern { c.level = Amber; return c }

// alarms says that genuine mail of a domain that is enforced may be refused.
func (c Concern) alarms() Concern { c.level = Red; return c }

// conf returns the flag that names the configuration.
func (in *Input) conf() string {
	if in.Config == "" {
		return ""
	}
	return " -c " + shellWord(in.Config)
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

// quoted writes a string as the configuration has it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
