package postfix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// looked are the parameters that are looked at, and those which usual values of them refer to.
var looked = []string{
	"alias_database", "alias_maps", "canonical_classes", "canonical_maps", "cleanup_service_name", "compatibility_level",
	"config_directory", "content_filter", "data_directory", "default_verp_delimiters", "inet_interfaces", "local_recipient_maps",
	"mail_owner", "mail_version", "masquerade_classes", "masquerade_domains", "milter_command_timeout", "milter_connect_timeout",
	"milter_content_timeout", "milter_default_action", "milter_protocol", "mydestination", "mydomain", "myhostname", "mynetworks",
	"myorigin", "non_smtpd_milters", "queue_directory", "receive_override_options", "recipient_canonical_classes",
	"recipient_canonical_maps", "recipient_delimiter", "relay_domains", "relay_recipient_maps", "sender_canonical_classes",
	"sender_canonical_maps", "sender_dependent_default_transport_maps", "sender_dependent_relayhost_maps", "smtp_generic_maps",
	"smtp_sasl_password_maps", "smtp_sender_dependent_authentication", "smtpd_client_restrictions", "smtpd_command_filter",
	"smtpd_data_restrictions", "smtpd_end_of_data_restrictions", "smtpd_helo_restrictions", "smtpd_milter_maps", "smtpd_milters",
	"smtpd_proxy_filter", "smtpd_recipient_restrictions", "smtpd_relay_restrictions", "smtpd_restriction_classes",
	"smtpd_sender_restrictions", "transport_maps", "virtual_alias_domains", "virtual_alias_maps", "virtual_mailbox_domains",
	"virtual_mailbox_maps", "virtual_maps",
}

// Locate returns the configuration directory that path names, or that of the Postfix of this host if path is empty. path
// may also name main.cf. It returns "" if there is none. searchPath is a PATH in which postconf must be.
func Locate(path, searchPath string) string {
	if path != "" {
		if filepath.Base(path) == "main.cf" {
			path = filepath.Dir(path)
		}
		return withMain(path)
	}
	for _, dir := range filepath.SplitList(searchPath) {
		postconf := filepath.Join(dir, "postconf")
		if _, err := exec.LookPath(postconf); err != nil || !filepath.IsAbs(postconf) {
			continue
		}
		if out, err := exec.Command(postconf, "-h", "config_directory").Output(); err == nil {
			return withMain(strings.TrimSpace(string(out)))
		}
	}
	return ""
}

func withMain(dir string) string {
	if info, err := os.Stat(filepath.Join(dir, "main.cf")); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return dir
}

// run runs a command of Postfix and returns what it prints.
func run(ctx context.Context, name string, args ...string) (string, error) {
	return answer(ctx, "", name, args...)
}

// answer is run with something to read for the command.
func answer(ctx context.Context, input, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil // warnings about our parameters are on the standard error
}

// saysNothing says whether a command failed without a message: postmap -q did not find the key.
func saysNothing(err error) bool { return strings.HasSuffix(err.Error(), ": ") }

// query asks a table, such as "pcre:/etc/postfix/x.pcre", for keys, and returns the value of each that is in it.
func query(ctx context.Context, dir, table string, keys []string) (map[string]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	out, err := answer(ctx, strings.Join(keys, "\n")+"\n", "postmap", "-c", dir, "-q", "-", table)
	var none *exec.ExitError
	if err != nil && !(errors.As(err, &none) && saysNothing(err)) {
		return nil, err
	}
	values := map[string]string{}
	for line := range strings.Lines(out) {
		if key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); found {
			values[key] = value
		}
	}
	return values, nil
}

// What one look waits for: at a socket, and at the tables of a list.
const (
	patience      = 2 * time.Second
	tablePatience = 10 * time.Second
)

// Read reads the configuration in dir and looks at what it leads to.
func Read(ctx context.Context, dir string, site mta.Site) (*Config, error) {
	c, err := readFiles(ctx, dir)
	if err != nil {
		return nil, err
	}
	types, err := run(ctx, "postconf", "-m")
	if err != nil {
		return nil, err
	}
	c.Types = strings.Fields(types)
	c.Instances = otherInstances(ctx, c)
	c.Local = c.lookup(ctx, "mydestination", site.Domains)
	for _, class := range hostingLists {
		c.Hosted = append(c.Hosted, c.lookup(ctx, class, site.Domains)...)
	}
	c.Sockets = map[string]Socket{}
	for _, l := range site.Listeners {
		c.Sockets[plainAddress(l)] = c.probe(ctx, plainAddress(l))
	}
	return c, nil
}

// readFiles reads main.cf, master.cf and tables.
func readFiles(ctx context.Context, dir string) (*Config, error) {
	c := &Config{Dir: dir}
	outputs := make([]string, 4)
	for i, args := range [][]string{{"-n"}, looked, {"-M"}, {"-P"}} {
		var err error
		if outputs[i], err = run(ctx, "postconf", append([]string{"-c", dir}, args...)...); err != nil {
			return nil, err
		}
	}
	c.Main, c.Defaults = parseParameters(outputs[0]), parseParameters(outputs[1])
	var conditional []string
	for name, value := range c.Defaults {
		if strings.Contains(value, "${{") { // a comparison of versions: postconf knows how it ends
			conditional = append(conditional, name)
		}
	}
	if len(conditional) > 0 {
		out, err := run(ctx, "postconf", append([]string{"-c", dir, "-x"}, conditional...)...)
		if err != nil {
			return nil, err
		}
		maps.Copy(c.Defaults, parseParameters(out))
	}
	c.Services = parseServices(outputs[2], outputs[3])
	return c, c.readTables()
}

// tableLists are the parameters whose pcre and regexp tables are looked into.
var tableLists = []string{"recipient_canonical_maps", "virtual_alias_maps", "smtp_generic_maps", "sender_dependent_relayhost_maps",
	"sender_dependent_default_transport_maps", "smtp_sasl_password_maps"}

// readTables reads the pcre and regexp tables that are in use.
func (c *Config) readTables() error {
	c.Tables = map[string]string{}
	for _, path := range c.tablePaths() {
		text, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			c.Tables[path] = string(text)
		}
	}
	return nil
}

// tablePaths returns the files of ours, and of all pcre and regexp tables that the lists name, also within a pipemap.
func (c *Config) tablePaths() []string {
	var paths []string
	for _, name := range []string{untagFile, localFile, extensionFile, recipientFile} {
		paths = append(paths, filepath.Join(c.Dir, name))
	}
	var look func(elements []string)
	look = func(elements []string) {
		for _, e := range elements {
			if path, ok := pcrePath(e); ok {
				paths = append(paths, path)
			}
			if _, inner, found := strings.Cut(e, ":{"); found {
				look(splitList(strings.TrimSuffix(inner, "}")))
			}
		}
	}
	for _, r := range c.restrictions() {
		look([]string{c.expand(r.service, r.table)})
	}
	for _, parameter := range tableLists {
		look(c.list(nil, parameter))
		for i := range c.Services {
			if hasOption(&c.Services[i], parameter) {
				look(c.list(&c.Services[i], parameter))
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// otherInstances returns the other configuration directories that postmulti knows.
func otherInstances(ctx context.Context, c *Config) []string {
	out, err := run(ctx, "postmulti", "-l")
	if err != nil {
		return nil // there is no postmulti, or no right to ask it
	}
	var others []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 4 && f[3] != c.Dir {
			others = append(others, f[3])
		}
	}
	// An instance that is no part of the set that postmulti manages is not one among several.
	if strings.Count(out, "\n") == len(others) {
		return nil
	}
	return others
}

// hostingLists name the domains for which a Postfix takes mail, besides mydestination.
var hostingLists = []string{"virtual_mailbox_domains", "virtual_alias_domains", "relay_domains"}

// lookup asks the tables and files that a list of domains names for ours. A table that cannot be asked counts as having
// all of them: a finding too many is better than one too few.
func (c *Config) lookup(ctx context.Context, parameter string, domains []string) []string {
	ctx, cancel := context.WithTimeout(ctx, tablePatience)
	defer cancel()
	var found []string
	for _, element := range c.list(nil, parameter) {
		switch {
		case strings.HasPrefix(element, "/"):
			text, _ := os.ReadFile(element) // one that cannot be read has nothing
			found = append(found, strings.Fields(string(text))...)
		case strings.Contains(element, ":"):
			keys := slices.Clone(domains)
			for _, d := range domains {
				if parent, below := mta.Below(d); below {
					keys = append(keys, parent, "."+parent, mta.SampleDomain(d))
				}
			}
			values, err := query(ctx, c.Dir, element, keys)
			for _, d := range domains {
				parent, below := mta.Below(d)
				if err != nil || values[d] != "" || below && values[parent]+values["."+parent]+values[mta.SampleDomain(d)] != "" {
					found = append(found, d)
				}
			}
		}
	}
	return found
}

// Find reads a configuration and checks it.
func Find(ctx context.Context, dir string, site mta.Site) ([]mta.Finding, error) {
	c, err := Read(ctx, dir, site)
	if err != nil {
		return nil, err
	}
	return Check(c, site), nil
}
