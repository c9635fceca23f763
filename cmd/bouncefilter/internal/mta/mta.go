// Package mta holds what is common to the mail servers that bouncefilter is set up in: what an operator should know about a
// live configuration ([Finding]), and how its files are changed and changed back ([Change]).
//
// Package postfix is for Postfix, package sendmail for Sendmail. They read a configuration, say what is missing or
// dangerous in it, and work out the change that sets it up; nothing here knows what a mail server's options mean.
package mta

import (
	"net/netip"
	"slices"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
)

// Site is what the configuration of a mail server has to fit: bouncefilter's own.
type Site struct {
	Domains    []string       // that are signed for, with their aliases, in each spelling and in lower case; "*.example.com" for all below one
	Listeners  []Listener     // of the milter
	Forms      []string       // of the tags that are made: "standard", "sub-address", or both
	Networks   []netip.Prefix // whose mail is signed without a login; nil if that is not known
	Delimiters string         // that begin an extension, each of them
	Socketmap  string         // address of the lookup service as Postfix writes it, such as "inet:127.0.0.1:8768"; "" for none
}

// Signs says whether mail that goes out is signed on this host.
func (s Site) Signs() bool {
	return slices.ContainsFunc(s.Listeners, func(l Listener) bool { return l.Sign })
}

// Verifies says whether bounces that come in are judged on this host.
func (s Site) Verifies() bool {
	return slices.ContainsFunc(s.Listeners, func(l Listener) bool { return l.Verify })
}

// Listener is one address on which the mail server finds the milter.
type Listener struct {
	Address listener.Address
	Sign    bool // mail that goes out is signed there
	Verify  bool // bounces that come in are judged there
}

// Level says how bad a finding is.
type Level string

// The levels. A configuration with an error is not ready: mail would be lost, refused wrongly, or leave unsigned.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning" // works, until something happens
	LevelNote    Level = "note"    // good to know
)

// Errors says whether one of the findings is an error.
func Errors(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == LevelError })
}

// Finding is one thing that an operator should know about a live configuration.
type Finding struct {
	Level Level    `json:"level"`
	Name  string   `json:"name"`  // stable, for programs: "milter-missing"
	Where string   `json:"where"` // file, and line or option: "/etc/postfix/main.cf: smtpd_milters"
	What  string   `json:"what"`  // what is the case, and what happens because of it; whole sentences
	Cure  []string `json:"cure"`  // the lines to add or the commands to give; none if there is nothing to do
}
