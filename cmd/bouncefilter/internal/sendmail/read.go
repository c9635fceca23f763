package sendmail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// Locate returns the sendmail.cf that path names, or that of the Sendmail of this host if path is empty. path may also
// name the folder, or sendmail.mc. It returns "" if there is none. searchPath is a PATH in which the sendmail command may be.
func Locate(path, searchPath string) string {
	if path != "" {
		switch {
		case strings.HasSuffix(path, ".mc"):
			path = strings.TrimSuffix(path, ".mc") + ".cf"
		case !strings.HasSuffix(path, ".cf"):
			path = filepath.Join(path, "sendmail.cf")
		}
		return regular(path)
	}
	if program(searchPath) == "" {
		return ""
	}
	for _, usual := range []string{"/etc/mail/sendmail.cf", "/etc/sendmail.cf"} {
		if found := regular(usual); found != "" {
			return found
		}
	}
	return ""
}

// regular returns the path if it is that of a file of Sendmail: main.cf of Postfix ends alike.
func regular(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || filepath.Base(path) == "main.cf" || filepath.Base(path) == "master.cf" {
		return ""
	}
	return path
}

// patience bounds what one look at a socket waits for.
const patience = 2 * time.Second

// lookPatience bounds what check waits for the sendmail command, which sleeps for a minute on a host without a full name.
const lookPatience = 10 * time.Second

// Read reads the configuration at path and looks at what it leads to.
func Read(ctx context.Context, path string, site mta.Site) (*Config, error) {
	c, err := readFiles(path)
	if err != nil {
		return nil, err
	}
	if c.Host, err = os.Hostname(); err != nil {
		return nil, err
	}
	c.Sockets = map[string]Socket{}
	for _, l := range site.Listeners {
		c.Sockets[l.Address.String()] = c.probe(ctx, l)
	}
	if sendmail := program(os.Getenv("PATH")); sendmail != "" {
		ctx, cancel := context.WithTimeout(ctx, lookPatience)
		defer cancel()
		t, err := runTest(ctx, sendmail, path, testedDomains(inASCII(site).Domains))
		var failed *exec.ExitError
		switch {
		case err == nil:
			c.Program, c.Untags, c.Takes = t.version, t.untags(), t.takes()
		case errors.As(err, &failed) && ctx.Err() == nil:
			c.Fault = err.Error()
		default: // a command that does not answer in time leaves it to what the files say
		}
	}
	return c, nil
}

// readFiles reads sendmail.cf, submit.cf and class files.
func readFiles(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := parse(path, string(text))
	c.readClasses()
	if err := c.readSource(); err != nil {
		return nil, err
	}
	submit := filepath.Join(filepath.Dir(path), "submit.cf")
	switch text, err := os.ReadFile(submit); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		c.Submit = parse(submit, string(text))
	}
	return c, nil
}

// readClasses reads the class files. The words of those that are no files, or cannot be read, are unknown.
func (c *Config) readClasses() {
	c.Files = map[string][]string{}
	for _, parts := range c.Classes {
		for _, part := range parts {
			if !strings.HasPrefix(part.File, "/") {
				continue
			}
			text, err := os.ReadFile(part.File)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				c.Files[part.File] = classWords(string(text))
			}
		}
	}
}

// readSource looks for sendmail.mc.
func (c *Config) readSource() error {
	source := strings.TrimSuffix(c.Path, ".cf") + ".mc"
	mc, err := os.Stat(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	cf, err := os.Stat(c.Path)
	if err != nil {
		return err
	}
	c.Source, c.Stale = source, mc.ModTime().After(cf.ModTime())
	return nil
}

// Find reads a configuration and checks it.
func Find(ctx context.Context, path string, site mta.Site) ([]mta.Finding, error) {
	c, err := Read(ctx, path, site)
	if err != nil {
		return nil, err
	}
	return Check(c, site), nil
}

// Reload returns the commands that make a change take effect.
func Reload(path string) []string {
	c, err := readFiles(path)
	if err != nil {
		c = parse(path, "")
	}
	return []string{reload(c)}
}

// reload sends the daemon of this very configuration the signal at which it reads it again. That works under every system
// that starts daemons, and systemd's unit for Sendmail has no reload everywhere.
func reload(c *Config) string {
	pidFile := c.option("PidFile").Value
	if pidFile == "" {
		pidFile = "/var/run/sendmail.pid"
	}
	return fmt.Sprintf("kill -HUP $(head -n 1 %s)", pidFile)
}
