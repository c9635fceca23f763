package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/inspect"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// verifyCmd verifies the tag of an address.
type verifyCmd struct {
	keyFlags
	JSON    bool   `name:"json" help:"Print one JSON object."`
	Address string `arg:"" help:"The address to verify."`
}

// Help is shown by verify --help.
func (verifyCmd) Help() string {
	return `The exit status is 0 for a valid tag, 1 for anything else. The reason is one of valid, untagged, expired, bad-signature,
unknown-key and malformed. With --json, key is null and expires "" if the address has no tag that can be read; else they are what the
tag says, which only a valid or an expired tag can be trusted for. Whether a tag was issued and recorded is not looked up.`
}

// verdict is what verify --json prints.
type verdict struct {
	Valid   bool   `json:"valid"`
	Reason  string `json:"reason"`
	Address string `json:"address"` // without the tag
	Key     *int   `json:"key"`
	Expires string `json:"expires"` // YYYY-MM-DD
}

// Run implements the command.
func (cmd *verifyCmd) Run(a *app) error {
	ring, domains, _, err := cmd.keys(a)
	if err != nil {
		return err
	}
	address, parseErr := prvs.ParseAddress(cmd.Address)
	v, line := verdict{Reason: prvs.Malformed.String()}, ""
	if parseErr == nil {
		r := domains.Verify(ring, address, cmd.today(a))
		v, line = newVerdict(r), inspect.TagLine(r)
	}
	switch {
	case cmd.JSON:
		err = printJSON(a.stdout, v)
	case parseErr == nil:
		_, err = fmt.Fprintln(a.stdout, line)
	}
	switch {
	case parseErr != nil:
		return negative{errors.Join(parseErr, err)}
	case err != nil:
		return err
	case !v.Valid:
		return errNo
	}
	return nil
}

func newVerdict(r prvs.Result) verdict {
	v := verdict{Valid: r.Status == prvs.Valid, Reason: r.Status.String(), Address: r.Original.String()}
	if r.Status != prvs.Untagged && r.Status != prvs.Malformed {
		n := int(r.Number)
		v.Key, v.Expires = &n, r.Expiry.String()
	}
	return v
}

// printJSON writes a value as JSON on one line.
func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false) // an address may hold "&"
	return out.Encode(v)
}
