// Package mailserver finds the mail server of a host, and lets check and setup treat Postfix and Sendmail alike.
package mailserver

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

// Software is a mail server that is known here.
type Software struct {
	Name  string // for commands: "postfix"
	Title string // for people: "Postfix"

	// locate returns the configuration that path names, or that of this host if path is empty; "" if there is none. It looks for the
	// server's commands in searchPath, a PATH.
	locate func(path, searchPath string) string
	find   func(ctx context.Context, configuration string, site mta.Site) ([]mta.Finding, error)
	setup  func(ctx context.Context, configuration string, site mta.Site) (*mta.Change, error)
	verify func(ctx context.Context, configuration string) error
	reload func(configuration string) []string
}

// known returns all that are known, in the order in which they are looked for.
func known() []Software {
	return []Software{
		{"postfix", "Postfix", postfix.Locate, postfix.Find, postfix.Setup, postfix.Verify, postfix.Reload},
		{"sendmail", "Sendmail", sendmail.Locate, sendmail.Find, sendmail.Setup, sendmail.Verify, sendmail.Reload},
	}
}

// Names returns the names of all mail servers that are known, for people.
func Names() string {
	var names []string
	for _, s := range known() {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// Server is a mail server with its configuration.
type Server struct {
	Software
	Configuration string // path
}

// Any returns the mail server whose configuration is at path, or that of this host if path is empty; nil if there is none. It looks for
// commands in searchPath, a PATH.
func Any(path, searchPath string) *Server {
	for _, s := range known() {
		if found := s.locate(path, searchPath); found != "" {
			return &Server{s, found}
		}
	}
	return nil
}

// Named is Any for the mail server of a name. what is the flag or argument that has the name, for the error.
func Named(what, name, path, searchPath string) (*Server, error) {
	all := known()
	i := slices.IndexFunc(all, func(s Software) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%s: %q is not a mail server that is known here (%s)", what, name, Names())
	}
	found := all[i].locate(path, searchPath)
	if found == "" {
		at := "on this host: its commands are not in PATH, or it has no configuration"
		if path != "" {
			at = "in " + path
		}
		return nil, fmt.Errorf("there is no configuration of %s %s", all[i].Title, at)
	}
	return &Server{all[i], found}, nil
}

// Find reads the configuration and returns what is missing or dangerous in it.
func (s *Server) Find(ctx context.Context, site mta.Site) ([]mta.Finding, error) {
	return s.find(ctx, s.Configuration, site)
}

// Setup returns the change that sets the server up.
func (s *Server) Setup(ctx context.Context, site mta.Site) (*mta.Change, error) {
	return s.setup(ctx, s.Configuration, site)
}

// Verify lets the server itself check the changed configuration.
func (s *Server) Verify(ctx context.Context) error { return s.verify(ctx, s.Configuration) }

// Reload returns the commands that make a change take effect.
func (s *Server) Reload() []string { return s.reload(s.Configuration) }

// TagsUnknown says whether a configuration with these findings refuses, or loses, bounces to tagged recipients.
func TagsUnknown(findings []mta.Finding) bool {
	names := []string{"tagged-refused", "tags-to-luser", "own-bounces-lost", "sub-address-unknown", "delimiter-missing", "recipe-incomplete", "defaults-not-written"}
	return slices.ContainsFunc(findings, func(f mta.Finding) bool { return slices.Contains(names, f.Name) })
}

// SiteOf returns what the configuration of a mail server has to fit.
func SiteOf(c *config.Config) mta.Site {
	site := mta.Site{Networks: c.Settings.Outbound.Networks, Delimiters: c.Ring.Delimiters}
	if !c.Socketmap.IsZero() {
		site.Socketmap = c.Socketmap.Postfix()
	}
	for _, d := range c.Settings.Domains {
		for _, name := range append([]string{d.Name}, d.Aliases...) {
			site.Domains = append(site.Domains, mta.Spellings(name)...)
		}
		if form := d.Form.String(); !slices.Contains(site.Forms, form) {
			site.Forms = append(site.Forms, form)
		}
	}
	for _, l := range c.Listeners {
		site.Listeners = append(site.Listeners, mta.Listener{Address: l.Address, Sign: l.Role.Signs(), Verify: l.Role.Verifies()})
	}
	return site
}
