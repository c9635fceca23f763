package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/postfix"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/sendmail"
)

// mailServer is a mail server that check and setup know.
type mailServer struct {
	name  string // as in --mta and setup NAME
	title string

	// locate returns the configuration that path names, or that of this host if path is empty; "" if there is none. It
	// looks for the server's commands in searchPath, a PATH.
	locate func(path, searchPath string) string
	// find reads the configuration and says what is missing or dangerous.
	find func(ctx context.Context, configuration string, site mta.Site) ([]mta.Finding, error)
	// setup works out what has to be changed in it.
	setup func(ctx context.Context, configuration string, site mta.Site) (*mta.Change, error)
	// verify lets the server itself look at what was changed.
	verify func(ctx context.Context, configuration string) error
	// reload returns the commands that make a change take effect.
	reload func(configuration string) []string
}

var mailServers = []mailServer{
	{"postfix", "Postfix", postfix.Locate, postfix.Find, postfix.Setup, postfix.Verify, postfix.Reload},
	{"sendmail", "Sendmail", sendmail.Locate, sendmail.Find, sendmail.Setup, sendmail.Verify, sendmail.Reload},
}

// Values of --mta besides the names of mail servers.
const (
	anyMTA = "auto"
	noMTA  = "none"
)

// mtaFlags say which mail server is meant.
type mtaFlags struct {
	MTA string `name:"mta" default:"auto" placeholder:"NAME" help:"Mail server whose configuration is read: auto (the one that is installed), postfix, sendmail, or none."`
	mtaConfigFlag
}

type mtaConfigFlag struct {
	MTAConfig string `name:"mta-config" type:"path" placeholder:"PATH" help:"Its configuration, such as /etc/postfix or /etc/mail/sendmail.cf, if it is another one than that of this host."`
}

// located is a configuration of a mail server.
type located struct {
	mailServer
	configuration string
}

// locate returns the mail server that the flags mean, nil for none.
func (f *mtaFlags) locate(a *app) (*located, error) {
	switch f.MTA {
	case noMTA:
		return nil, nil
	case anyMTA:
		for _, s := range mailServers {
			if where := s.locate(f.MTAConfig, a.getenv("PATH")); where != "" {
				return &located{s, where}, nil
			}
		}
		if f.MTAConfig != "" {
			return nil, usageError{fmt.Errorf("--mta-config: %s is not a configuration of a mail server that is known here (%s)", f.MTAConfig, strings.Join(mailServerNames(), ", "))}
		}
		return nil, nil
	}
	return f.locateNamed(a, "--mta", f.MTA)
}

// locateNamed returns a mail server that somebody named, in the flag or argument what.
func (f *mtaConfigFlag) locateNamed(a *app, what, name string) (*located, error) {
	i := slices.IndexFunc(mailServers, func(s mailServer) bool { return s.name == name })
	if i < 0 {
		return nil, usageError{fmt.Errorf("%s: %q is not a mail server that is known here (%s)", what, name, strings.Join(mailServerNames(), ", "))}
	}
	where := mailServers[i].locate(f.MTAConfig, a.getenv("PATH"))
	if where == "" {
		at := "on this host: its commands are not in PATH, or it has no configuration"
		if f.MTAConfig != "" {
			at = "in " + f.MTAConfig
		}
		return nil, usageError{fmt.Errorf("there is no configuration of %s %s", mailServers[i].title, at)}
	}
	return &located{mailServers[i], where}, nil
}

func mailServerNames() []string {
	var names []string
	for _, s := range mailServers {
		names = append(names, s.name)
	}
	return names
}

// mtaSite returns what a mail server's configuration has to fit.
func mtaSite(c *config.Config) mta.Site {
	site := mta.Site{Networks: c.Settings.Outbound.Networks}
	if !c.Socketmap.IsZero() {
		site.Socketmap = c.Socketmap.Postfix()
	}
	for _, d := range c.Settings.Domains {
		site.Domains = append(site.Domains, strings.ToLower(d.Name))
		if form := d.Form.String(); !slices.Contains(site.Forms, form) {
			site.Forms = append(site.Forms, form)
		}
	}
	for _, l := range c.Listeners {
		site.Listeners = append(site.Listeners, mta.Listener{Address: l.Address, Sign: l.Role.Signs(), Verify: l.Role.Verifies()})
	}
	return site
}
