package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/routes"
)

// routeFindings reports senders whose mail seems to leave another way: one finding for each, with the option that suspends
// enforcement for it. exempt is what that option is now.
func routeFindings(routes []routes.Route, exempt []string) []mta.Finding {
	var fs []mta.Finding
	var reported []string
	for _, r := range routes {
		if slices.Contains(reported, r.Sender) {
			continue
		}
		reported = append(reported, r.Sender)
		var ways []string
		for _, o := range routes {
			if o.Sender == r.Sender {
				since := o.Since.UTC().Format(time.RFC3339)
				ways = append(ways, fmt.Sprintf("%s (%d bounces of mail sent since %s)", o.Source, o.Bounces, since))
			}
		}
		fs = append(fs, mta.Finding{Level: mta.LevelWarning, Name: "other-route", Where: "sender " + r.Sender,
			What: "It seems to send through another route, where nothing is signed or recorded: " + strings.Join(ways, ", ") +
				". Untagged bounces to it, which are refused or would be, may be genuine. " +
				"Send its mail through bouncefilter, or suspend enforcement for it:",
			Cure: []string{"[exempt]", "recipients = " + tomlList(append(exempt[:len(exempt):len(exempt)], r.Sender))}})
	}
	return fs
}

// tomlList writes strings as the configuration has them.
func tomlList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = mta.Quoted(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
