package postfix

import (
	"path/filepath"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// milter is an element of smtpd_milters.
type milter struct {
	address string            // "inet:127.0.0.1:8766", "unix:/path"
	options map[string]string // default_action, connect_timeout and the like
}

// parseMilter reads an element: an address, or { address, option=value ... }.
func parseMilter(element string) milter {
	if !strings.HasPrefix(element, "{") {
		return milter{address: element}
	}
	inner, _ := bracketed(element)
	m := milter{options: map[string]string{}}
	// An option is name=value or { name = value }.
	for i, part := range splitList(strings.ReplaceAll(inner, ",", " ")) {
		if i == 0 {
			m.address = part
			continue
		}
		if strings.HasPrefix(part, "{") {
			part, _ = bracketed(part)
		}
		name, value, _ := strings.Cut(part, "=")
		m.options[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return m
}

// milters returns those that a parameter names for a service.
func (c *Config) milters(s *Service, parameter string) []milter {
	var list []milter
	for _, element := range c.list(s, parameter) {
		list = append(list, parseMilter(element))
	}
	return list
}

// setting returns what is in effect for a milter: its own option, or the parameter milter_NAME.
func (c *Config) setting(s *Service, m milter, option string) string {
	if v, ok := m.options[option]; ok {
		return v
	}
	return c.option(s, "milter_"+option)
}

// address returns where a milter is as the network knows it: with the full path of a socket. A process with chroot takes
// the queue directory for the root.
func (c *Config) address(s *Service, written string) string {
	path, unix := strings.CutPrefix(written, "unix:")
	if !unix {
		return written
	}
	if !filepath.IsAbs(path) || s != nil && c.chrooted(s) {
		path = filepath.Join(c.option(nil, "queue_directory"), path)
	}
	return "unix:" + filepath.Clean(path)
}

// chrooted says whether a service runs with the queue directory as its root.
func (c *Config) chrooted(s *Service) bool {
	if s.Chroot == "-" {
		return c.compatibility() < 1 // the default until Postfix 3.0
	}
	return s.Chroot == "y"
}

// fits says whether an address of Postfix leads to a listener.
func (c *Config) fits(s *Service, written string, l mta.Listener) bool {
	return sameAddress(c.address(s, written), plainAddress(l))
}

// plainAddress returns a listener's address as in main.cf, with the full path of a socket.
func plainAddress(l mta.Listener) string {
	if address, tcp := strings.CutPrefix(l.Address.String(), "tcp:"); tcp {
		return "inet:" + reachable(address)
	}
	return l.Address.String()
}

// reachable turns a listener on all addresses into one that can be connected to.
func reachable(address string) string {
	for _, any := range []string{"0.0.0.0:", "[::]:", ":"} {
		if port, ok := strings.CutPrefix(address, any); ok {
			return "127.0.0.1:" + port
		}
	}
	return address
}

func sameAddress(a, b string) bool {
	normal := func(s string) string { return strings.Replace(s, "inet:localhost:", "inet:127.0.0.1:", 1) }
	return strings.EqualFold(normal(a), normal(b))
}
