package postfix

import (
	"strconv"
	"strings"
)

// parseParameters reads "name = value" lines as postconf prints them.
func parseParameters(text string) map[string]string {
	parameters := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(line, "="); found {
			parameters[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return parameters
}

// parseServices reads what postconf -M and -P print: the lines of master.cf, and their options, as
// SERVICE/TYPE/PARAMETER = VALUE. A name may have slashes, a type and a parameter have none.
func parseServices(master, options string) []Service {
	var services []Service
	for line := range strings.Lines(master) {
		if f := strings.Fields(line); len(f) >= 8 {
			services = append(services, Service{Name: f[0], Type: f[1], Chroot: f[4], Command: f[7], Arguments: strings.Join(f[8:], " "), Options: map[string]string{}})
		}
	}
	for name, value := range parseParameters(options) {
		id, parameter := cutLast(name, "/")
		for i := range services {
			if services[i].ID() == id {
				services[i].Options[parameter] = value
			}
		}
	}
	return services
}

func cutLast(s, separator string) (before, after string) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):]
	}
	return "", s
}

// major returns the first number of mail_version, 0 if it cannot be read.
func (c *Config) major() int {
	first, _, _ := strings.Cut(c.option(nil, "mail_version"), ".")
	n, _ := strconv.Atoi(first)
	return n
}

// compatibility returns the first number of compatibility_level.
func (c *Config) compatibility() int {
	major, _, _ := strings.Cut(c.option(nil, "compatibility_level"), ".")
	n, _ := strconv.Atoi(major)
	return n
}

// seconds reads a time as Postfix writes it, such as "30s" or "5m". The unit of a bare number is a second where we look.
func seconds(text string) (int, bool) {
	units := map[byte]int{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}
	unit := 1
	if n := len(text); n > 0 {
		if u, ok := units[text[n-1]]; ok {
			unit, text = u, text[:n-1]
		}
	}
	n, err := strconv.Atoi(text)
	return n * unit, err == nil
}
