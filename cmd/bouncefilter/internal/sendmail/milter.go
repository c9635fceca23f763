package sendmail

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// Milter is an X line.
type Milter struct {
	Name     string
	Socket   string // as it is written: "local:/run/bouncefilter/milter.sock"
	Flags    string // of F=
	Timeouts string // of T=
	Line     int
}

func parseMilter(rest string, line int) Milter {
	name, equates, _ := strings.Cut(rest, ",")
	return Milter{strings.TrimSpace(name), equate(equates, 'S'), equate(equates, 'F'), equate(equates, 'T'), line}
}

// fits says whether a milter's socket is the address of a listener.
func (m Milter) fits(l mta.Listener) bool {
	network, address, _ := strings.Cut(l.Address.String(), ":")
	kind, where, found := strings.Cut(m.Socket, ":")
	if !found {
		kind, where = "local", m.Socket
	}
	switch kind {
	case "local", "unix":
		return network == "unix" && where == address
	case "inet", "inet6":
		port, host, _ := strings.Cut(where, "@")
		ourHost, ourPort, err := net.SplitHostPort(address)
		return network == "tcp" && err == nil && port == ourPort && sameHost(strings.Trim(host, "[]"), ourHost)
	}
	return false
}

// sameHost compares a host that is connected to with one that is listened on.
func sameHost(to, on string) bool {
	plain := func(host string) string {
		if host == "localhost" {
			return "127.0.0.1"
		}
		return host
	}
	everywhere := on == "" || on == "0.0.0.0" || on == "::"
	return everywhere || plain(to) == plain(on)
}

// spec writes the address of a listener in the notation of S=.
func spec(l mta.Listener) string {
	network, address, _ := strings.Cut(l.Address.String(), ":")
	if network == "unix" {
		return "local:" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "inet:" + address
	}
	switch {
	case host == "" || host == "0.0.0.0":
		host = "127.0.0.1"
	case strings.Contains(host, ":"):
		return "inet6:" + port + "@" + host
	}
	return "inet:" + port + "@" + host
}

// The name under which setup and manual put the milter, and what it gets there besides its socket.
const (
	ourName     = "bouncefilter"
	ourEquates  = "F=T, T=C:10s;S:10s;R:10s;E:30s"
	defaultWait = "C:5m;S:10s;R:10s;E:5m"
)

// wait returns one of the timeouts of a milter.
func (m Milter) wait(which string) (time.Duration, bool) {
	for _, list := range []string{m.Timeouts, defaultWait} {
		for part := range strings.SplitSeq(list, ";") {
			name, value, found := strings.Cut(strings.TrimSpace(part), ":")
			if found && name == which {
				return interval(value)
			}
		}
	}
	return 0, false
}

// interval reads a time as Sendmail writes it: "30s", "1h30m", "10".
func interval(s string) (time.Duration, bool) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	var sum time.Duration
	if s = strings.TrimSpace(s); s == "" {
		return 0, false
	}
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
		n, err := strconv.Atoi(s[:digits])
		if err != nil {
			return 0, false
		}
		unit := time.Second
		if s = s[digits:]; s != "" {
			if unit = units[s[0]]; unit == 0 {
				return 0, false
			}
			s = s[1:]
		}
		sum += time.Duration(n) * unit
	}
	return sum, true
}

// daemon is where Sendmail listens for mail.
type daemon struct {
	name    string
	submits bool // takes only mail of those who may send
	filters []string
	own     bool // has a list of filters of its own
	line    int
}

// daemons returns the DaemonPortOptions, or what Sendmail has without them.
func (c *Config) daemons() []daemon {
	everywhere := splitFilters(c.option("InputMailFilters").Value)
	var list []daemon
	for _, o := range c.Options {
		if !strings.EqualFold(o.Name, "DaemonPortOptions") {
			continue
		}
		d := daemon{name: "MTA", filters: everywhere, line: o.Line}
		for field := range strings.SplitSeq(o.Value, ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			value = strings.TrimSpace(value)
			if key == "" {
				continue
			}
			// Sendmail looks at the first letter alone.
			switch key[0] {
			case 'N', 'n':
				d.name = value
			case 'P', 'p':
				d.submits = d.submits || slices.Contains([]string{"587", "submission", "465", "smtps", "submissions"}, value)
			case 'M', 'm':
				d.submits = d.submits || strings.Contains(value, "a")
			case 'I', 'i':
				d.filters, d.own = splitFilters(value), true
			}
		}
		list = append(list, d)
	}
	if list == nil {
		list = []daemon{{name: "MTA", filters: everywhere}}
	}
	return list
}

// splitFilters splits a list of milters at commas and, within DaemonPortOptions, semicolons.
func splitFilters(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\t' })
}

// milter returns an X line by name, nil if there is none.
func (c *Config) milter(name string) *Milter {
	if i := slices.IndexFunc(c.Milters, func(m Milter) bool { return m.Name == name }); i >= 0 {
		return &c.Milters[i]
	}
	return nil
}

// asked returns the first of a daemon's milters that is a listener which does what is needed, nil if there is none.
func (c *Config) asked(d daemon, site mta.Site, needs func(mta.Listener) bool) *Milter {
	for _, name := range d.filters {
		m := c.milter(name)
		if m != nil && slices.ContainsFunc(site.Listeners, func(l mta.Listener) bool { return needs(l) && m.fits(l) }) {
			return m
		}
	}
	return nil
}

func signs(l mta.Listener) bool    { return l.Sign }
func verifies(l mta.Listener) bool { return l.Verify }
