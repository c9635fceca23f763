package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// DefaultPrefix is what the names of all keys begin with if the URL has no option prefix.
const DefaultPrefix = "bouncefilter:"

const (
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
	defaultHost         = "localhost"
)

// config is a parsed URL.
type config struct {
	network        string
	addrs          []string // one; or several of Sentinels, or of servers of a cluster
	user, password string
	master         string // the name by which Sentinels know the master; "" without Sentinels
	cluster        bool

	sentinelUser, sentinelPassword string
	db                             int
	prefix                         string
	tls                            *tls.Config
}

// errNotURL takes the place of an error of net/url, which quotes parts of the text, perhaps the password.
var errNotURL = errors.New("this is not a URL: " +
	"write redis://user:password@host:6379/0, and special characters of the password as %XX")

// schemes are those of the URLs of this package.
var schemes = []string{"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"}

// IsScheme says whether [Open] takes URLs with this scheme.
func IsScheme(scheme string) bool { return slices.Contains(schemes, scheme) }

// parseURL parses a URL. Its errors hold no part of the URL but host names, paths and the names of options.
func parseURL(raw string) (config, error) {
	single, hosts := SplitHosts(raw)
	u, err := url.Parse(single)
	if err != nil {
		return config{}, errNotURL
	}
	c := config{prefix: DefaultPrefix, user: u.User.Username()}
	c.password, _ = u.User.Password()
	if c.user != "" && c.password == "" {
		return config{}, errors.New("the URL has a user without a password: write user:password@, or :password@")
	}
	if u.Fragment != "" {
		return config{}, errors.New("the URL has a #: write it as %23")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return config{}, errNotURL
	}
	base, kind, _ := strings.Cut(u.Scheme, "+")
	switch {
	case !IsScheme(u.Scheme):
		return config{}, errors.New("the URL begins with none of redis://, rediss://, unix:/, redis+sentinel:// and redis+cluster://")
	case kind == "" && len(hosts) > 1:
		return config{}, errors.New("the URL names several hosts: write redis+sentinel:// or redis+cluster://")
	case base == "unix":
		err = c.socket(u)
	default:
		err = c.servers(u, kind, hosts, q)
	}
	if err != nil {
		return config{}, err
	}
	return c, c.options(q)
}

// SplitHosts returns a URL with the first of its hosts only, and all of its hosts. [url.Parse] does not take a URL with several hosts.
func SplitHosts(raw string) (single string, hosts []string) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw, nil
	}
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	at := strings.LastIndexByte(authority, '@') + 1
	hosts = strings.Split(authority[at:], ",")
	return scheme + "://" + authority[:at] + hosts[0] + tail, hosts
}

// servers reads the part before the options in URLs of all schemes but unix:.
func (c *config) servers(u *url.URL, kind string, hosts []string, q url.Values) error {
	if u.Opaque != "" || strings.ContainsRune(u.Path, '@') || strings.ContainsRune(u.RawQuery, '@') {
		return errNotURL // the path may hold part of a password
	}
	if hosts == nil {
		return errors.New("the URL lacks the // behind its first colon: write redis://host:6379/0")
	}
	c.network, c.cluster = "tcp", kind == "cluster"
	port := defaultPort
	if kind == "sentinel" {
		port = defaultSentinelPort
	}
	for _, host := range hosts {
		addr, err := address(host, port)
		if err != nil {
			return err
		}
		c.addrs = append(c.addrs, addr)
	}
	if strings.HasPrefix(u.Scheme, "rediss") {
		// Without a ServerName go-redis sets it to the host of each server.
		c.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	db := strings.Trim(u.Path, "/")
	switch kind {
	case "sentinel":
		if c.master, db, _ = strings.Cut(db, "/"); c.master == "" {
			return errors.New("the URL names no master: write redis+sentinel://host:26379/mymaster")
		}
	case "cluster":
		if db != "" || q.Has("db") {
			return errors.New("the URL names a database, and a cluster has none")
		}
	}
	if db == "" {
		return nil
	}
	if q.Has("db") {
		return errors.New("the URL names the database twice")
	}
	return c.setDB(db)
}

// address returns host:port for a host of a URL, which may have a port.
func address(host, port string) (string, error) {
	u, err := url.Parse("redis://" + host)
	if err != nil || u.Host != host || strings.ContainsFunc(host, notInHost) {
		return "", errNotURL
	}
	if u.Port() != "" {
		port = u.Port()
	}
	name := u.Hostname()
	if name == "" {
		name = defaultHost
	}
	return net.JoinHostPort(name, port), nil
}

// notInHost says whether a character is in no host name, no address and no port. A name of other letters is written as the DNS has it.
func notInHost(r rune) bool {
	return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune("-._:[]", r))
}

// socket reads the part before the options in a URL of the scheme unix:.
func (c *config) socket(u *url.URL) error {
	if u.Host != "" {
		return errors.New("unix: takes a path, not a host: write unix:/run/redis/redis.sock")
	}
	path := u.Path
	if u.Opaque != "" {
		var err error
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return errNotURL
		}
	}
	if path == "" {
		return errors.New("unix: takes the path of a socket: write unix:/run/redis/redis.sock")
	}
	if strings.ContainsRune(path, '@') && !strings.HasPrefix(u.Path, "/") {
		return errNotURL
	}
	c.network, c.addrs = "unix", []string{path}
	return nil
}

// options reads the options, behind the question mark.
func (c *config) options(q url.Values) error {
	var own certificate
	for name, values := range q {
		if len(values) != 1 {
			return fmt.Errorf("the URL has the option %s more than once", name)
		}
		var err error
		switch value := values[0]; name {
		case "db":
			err = c.setDB(value)
		case "prefix":
			c.prefix = value
		case "ca":
			err = c.trust(value)
		case "cert":
			own.cert = value
		case "key":
			own.key = value
		case "sentinel_user", "sentinel_password":
			if c.master == "" {
				err = fmt.Errorf("the option %s is for redis+sentinel: only", name)
			} else if name == "sentinel_user" {
				c.sentinelUser = value
			} else {
				c.sentinelPassword = value
			}
		default:
			// The error does not show even its name: it may be the end of a password with a question mark.
			err = errors.New("the URL has an option other than db, prefix, ca, cert, key, sentinel_user and sentinel_password")
		}
		if err != nil {
			return err
		}
	}
	if own != (certificate{}) {
		if err := own.set(c.tls); err != nil {
			return err
		}
	}
	if c.cluster && strings.ContainsAny(c.prefix, "{}") {
		return errors.New("the option prefix has a brace, by which a cluster would place keys: leave it out")
	}
	return nil
}

func (c *config) setDB(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return errors.New("the URL's database is not a number")
	}
	c.db = n
	return nil
}

// trust makes the certificates in a file (PEM) the only trusted authorities.
func (c *config) trust(path string) error {
	if c.tls == nil {
		return errors.New("the option ca is for rediss: only")
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("option ca: %w", err)
	}
	c.tls.RootCAs = x509.NewCertPool()
	if !c.tls.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("option ca: %s holds no certificate in PEM form", path)
	}
	return nil
}
