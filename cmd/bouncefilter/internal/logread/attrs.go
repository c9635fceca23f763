package logread

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// attrs are the attributes of a line, as text.
type attrs map[string]string

// content is what a line is.
type content int

const (
	other      content = iota // none of ours
	attributes                // a line of the daemon
	broken                    // it begins like one, and cannot be read
)

// begins says whether a line begins as the daemon writes one.
func begins(line string) bool {
	return strings.HasPrefix(line, "level=") || strings.HasPrefix(line, "time=") || strings.HasPrefix(line, "{")
}

// parse reads a line without what is in front of it.
func parse(line string) (attrs, content) {
	switch {
	case !begins(line):
		return nil, other
	case line[0] == '{':
		return parseJSON(line)
	}
	a, ok := parseLogfmt(line)
	if !ok {
		return nil, broken
	}
	return a, attributes
}

// parseJSON reads an object of JSON.
func parseJSON(line string) (attrs, content) {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(line), &object) != nil {
		return nil, broken
	}
	a := attrs{}
	for name, raw := range object {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw) // a number, true or false
		}
		a[name] = text
	}
	return a, attributes
}

// parseLogfmt reads a line of slog's TextHandler: NAME=VALUE with spaces between, of which values are quoted that need it.
func parseLogfmt(line string) (attrs, bool) {
	a := make(attrs, 32) // a verdict has about 20
	for rest := line; rest != ""; {
		name, behind, found := strings.Cut(rest, "=")
		if !found || name == "" || strings.ContainsAny(name, " \"") {
			return nil, false
		}
		value := ""
		if strings.HasPrefix(behind, `"`) {
			quoted, err := strconv.QuotedPrefix(behind)
			if err != nil {
				return nil, false
			}
			if value, err = strconv.Unquote(quoted); err != nil {
				return nil, false
			}
			behind = behind[len(quoted):]
			if behind != "" && behind[0] != ' ' {
				return nil, false
			}
			behind = strings.TrimPrefix(behind, " ")
		} else {
			value, behind, _ = strings.Cut(behind, " ")
		}
		a[name], rest = value, behind
	}
	return a, true
}

// isVerdict says whether the line is about a verdict.
func (a attrs) isVerdict() bool {
	switch a["msg"] {
	case "bounce", "outbound", "inbound":
		_, has := a["reason"]
		return has || a["level"] == "INFO" || a["level"] == "DEBUG"
	}
	return false
}

// observation returns the observation of a verdict.
func (a attrs) observation(at time.Time) (*figures.Observation, error) {
	if at.IsZero() {
		return nil, fmt.Errorf("no time")
	}
	if _, err := policy.ParseReason(a["reason"]); err != nil {
		return nil, err
	}
	if a["action"] == "" {
		return nil, fmt.Errorf("no action")
	}
	failures, err := figures.ParseFailures(a["failures"])
	if err != nil {
		return nil, err
	}
	o := &figures.Observation{
		At: at, Message: a["msg"], Domain: a["domain"],
		Reason: a["reason"], Action: a["action"], Cause: a["cause"], Would: a["would_be"],
		Kind: a["report"], Family: a["family"], Sign: figures.Sign(a["sign"]), ReportingMTA: a["reporting_mta"],
		Failures: failures, OwnHost: a["own_host"], LeftThrough: a["left_through"], LeftOn: a["left_on"], Route: a["other_route"],
		QueueID: a["queue_id"], Sender: address(a["sender"]), Recipient: address(a["recipient"]),
	}
	if o.Client, err = netip.ParseAddr(a["client"]); err != nil {
		o.Client, o.Local = netip.Addr{}, a["client"] == "local"
	}
	if o.Reason == policy.Signed.String() {
		o.Destinations = destinations(a["destinations"], o.Recipient)
	}
	for _, text := range []string{o.Domain, o.Cause, o.Would, o.Kind, o.Family, string(o.Sign), o.LeftThrough, o.LeftOn, o.Route} {
		if !utf8.ValidString(text) || len(text) > 512 {
			return nil, fmt.Errorf("%q is no word", text)
		}
	}
	return o, nil
}

// address removes the angle brackets of an address.
func address(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">") }

// destinations returns the domains of the recipients of a signed message: those that the line lists, or that of its only recipient.
func destinations(list, recipient string) []string {
	if list != "" {
		all := strings.Split(list, ",")
		return all[:min(len(all), figures.MaxDestinations)]
	}
	if d := figures.Destination(recipient[strings.LastIndexByte(recipient, '@')+1:]); d != "" {
		return []string{d}
	}
	return nil
}
