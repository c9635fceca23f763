package main

import (
	"errors"
	"fmt"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/remedy"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// keyFlags say which keys sign and verify use: the site's, or one in a file.
type keyFlags struct {
	siteFlags
	SecretFile string `type:"path" placeholder:"FILE" help:"Use the secret in this file instead of the site's keys."`
	KeyNumber  *int   `placeholder:"K" help:"With --secret-file: its number, 0 to 9 (default 0)."`
	Lifetime   *int   `placeholder:"DAYS" help:"With --secret-file: days a tag lives (default 7)."`
	At         moment `placeholder:"RFC3339" help:"Do it as at that time, such as 2026-11-23T12:00:00Z (default: now)."`
}

// keys returns the ring to use, the domains, and which form of tags each domain has.
func (f *keyFlags) keys(a *app) (*prvs.Ring, *policy.Domains, func(domain string) prvs.Form, error) {
	if f.SecretFile == "" {
		if f.KeyNumber != nil || f.Lifetime != nil {
			return nil, nil, nil, usageError{errors.New("--key-number and --lifetime belong to --secret-file")}
		}
		c, _, ring, err := f.loadRing(a, keyring.Load)
		if err != nil {
			return nil, nil, nil, err
		}
		return ring, c.Domains(), func(domain string) prvs.Form {
			d, ours := c.Domain(domain)
			if !ours && len(c.Settings.Domains) > 0 {
				fmt.Fprintf(a.stderr, "hint: %q is not one of the domains configured; serve leaves its mail alone\n", domain)
			}
			return d.Form
		}, nil
	}
	ring, err := f.oneKey()
	return ring, policy.NewDomains(nil), func(string) prvs.Form { return prvs.Standard }, err
}

// oneKey returns a ring with the key in the file alone.
func (f *keyFlags) oneKey() (*prvs.Ring, error) {
	key, o := prvs.Key{State: prvs.StateSign}, prvs.Options{}
	if n := f.KeyNumber; n != nil {
		if *n < 0 || *n > 9 {
			return nil, usageError{fmt.Errorf("--key-number: %d is not a digit from 0 to 9", *n)}
		}
		key.Number = uint8(*n)
	}
	if d := f.Lifetime; d != nil {
		if *d < 1 {
			return nil, usageError{fmt.Errorf("--lifetime: %d days are too few", *d)}
		}
		o.Lifetime = *d
	}
	var err error
	if key.Secret, err = keyring.ReadSecret(f.SecretFile); err != nil {
		return nil, err
	}
	ring, err := prvs.NewRing([]prvs.Key{key}, o)
	if err != nil {
		return nil, usageError{err}
	}
	return ring, nil
}

// today returns the day to do it on.
func (f *keyFlags) today(a *app) prvs.Day {
	if f.At.IsZero() {
		return prvs.DayOf(a.now())
	}
	return prvs.DayOf(f.At.Time)
}

// signCmd prints the signed form of an address.
type signCmd struct {
	keyFlags
	Form    string `enum:",standard,sub-address" default:"" placeholder:"FORM" help:"standard or sub-address (default: as configured)."`
	To      string `placeholder:"ADDRESS" help:"Sign it as for mail to this recipient: not at all if [do_not_tag] or [[skip]] says so."`
	Address string `arg:"" help:"The address to sign."`
}

// Run implements the command.
func (cmd *signCmd) Run(a *app) error {
	ring, domains, formOf, err := cmd.keys(a)
	if err != nil {
		return err
	}
	address, err := prvs.ParseAddress(cmd.Address)
	if err != nil {
		return negative{err}
	}
	if cmd.To != "" {
		switch reason, err := cmd.reason(a, address); {
		case err != nil:
			return err
		case reason == policy.DoNotTag, reason == policy.ExcludedSender:
			fmt.Fprintln(a.stdout, address)
			fmt.Fprintf(a.stderr, "hint: mail of %s to %s leaves unsigned, for reason %v\n", address, cut(cmd.To), reason)
			return nil
		}
	}
	form := formOf(address.Domain)
	if cmd.Form != "" {
		if form, err = prvs.ParseForm(cmd.Form); err != nil {
			return usageError{err}
		}
	}
	signed, err := domains.Sign(ring, address, form, cmd.today(a))
	if errors.Is(err, prvs.ErrNoKey) {
		return negative{remedy.With(err, "bouncefilter key list shows the keys; key activate lets one sign")}
	}
	if err != nil {
		return negative{fmt.Errorf("sign %q: %w", cut(cmd.Address), err)}
	}
	fmt.Fprintln(a.stdout, signed.Address)
	return nil
}

// reason returns why mail of the sender to the recipient of --to is signed or left unsigned.
func (cmd *signCmd) reason(a *app, sender prvs.Address) (policy.Reason, error) {
	if cmd.SecretFile != "" {
		return policy.NoReason, usageError{errors.New("--to needs the configuration, which --secret-file replaces")}
	}
	if err := isMailbox(cmd.To); err != nil {
		return policy.NoReason, usageError{fmt.Errorf("--to: %w; use user@example.com", err)}
	}
	to, err := prvs.ParseAddress(cmd.To)
	if err != nil {
		return policy.NoReason, usageError{fmt.Errorf("--to: %w", err)}
	}
	c, problems := cmd.load(a)
	s, problems := site.Load(c, append(problems, c.NeedDomain()...))
	if len(problems) > 0 {
		return policy.NoReason, problems
	}
	return s.Policy.Sender(policy.SenderFacts{Sender: sender, DoNotTag: s.Policy.DoNotTag(sender, to)}).Reason, nil
}

// cut shortens an argument that is shown in an error.
func cut(s string) string {
	const most = 320 // octets; the longest address RFC 5321 allows (sections 4.5.3.1.1 and 4.5.3.1.2)
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
