package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// DefaultPrefix is what the names of all keys begin with unless the URL says otherwise.
const DefaultPrefix = "bouncefilter:"

const (
	defaultPort = "6379"
	defaultHost = "localhost"
)

// config is what a URL says.
type config struct {
	network, addr  string
	user, password string
	db             int
	prefix         string
	tls            *tls.Config
}

// errNotURL is all that is said about text that is no URL: net/url quotes parts of it, and among them the password.
var errNotURL = errors.New("this is not a URL: " +
	"write redis://user:password@host:6379/0, and special characters of the password as %XX")

// parseURL reads a URL. Its errors hold no part of the URL but host names, paths and the names of options.
func parseURL(raw string) (config, error) {
	u, err := url.Parse(raw)
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
	switch u.Scheme {
	case "redis", "rediss":
		err = c.server(u, q)
	case "unix":
		err = c.socket(u)
	default:
		return config{}, errors.New("the URL begins with none of redis://, rediss:// and unix:/")
	}
	if err != nil {
		return config{}, err
	}
	return c, c.options(q)
}

// server reads what comes before the options of redis: and rediss:.
func (c *config) server(u *url.URL, q url.Values) error {
	if u.Opaque != "" || strings.ContainsRune(u.Path, '@') || strings.ContainsRune(u.RawQuery, '@') {
		return errNotURL // It may hold part of a password.
	}
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = defaultHost
	}
	if port == "" {
		port = defaultPort
	}
	c.network, c.addr = "tcp", net.JoinHostPort(host, port)
	if db := strings.Trim(u.Path, "/"); db != "" {
		if q.Has("db") {
			return errors.New("the URL names the database twice")
		}
		if err := c.setDB(db); err != nil {
			return err
		}
	}
	if u.Scheme == "rediss" {
		c.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	}
	return nil
}

// socket reads what comes before the options of unix:.
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
	c.network, c.addr = "unix", path
	return nil
}

// options reads what comes after the question mark.
func (c *config) options(q url.Values) error {
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
		default:
			// Not even its name is shown: it may be the end of a password with a question mark.
			err = errors.New("the URL has an option other than db, prefix and ca")
		}
		if err != nil {
			return err
		}
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

// trust makes the certificates in a file the only authorities that are trusted.
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
