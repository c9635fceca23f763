package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/sources"
)

// maxSources is how many sources of one sort of mail are named.
const maxSources = 10

// sourceFindings reports who sends mail with the null sender that is no bounce, or that nothing proves: a note for each sort of mail, which
// names the largest sources.
func sourceFindings(list []sources.Source) []mta.Finding {
	var fs []mta.Finding
	for _, sort := range []struct{ word, what, remedy string }{
		{policy.NoBounce.String(), "Mail with the null sender that is no bounce comes from ",
			"Nothing needs to be done; to have such mail refused, set actions.no-bounce."},
		{policy.Allowance.String(), "What may be automatic replies or bounces, and nothing proves them, comes from ",
			"Nothing needs to be done; proof.unproven_per_day, unproven_bounces_per_day and unclear_per_day say how much of it a recipient gets in a day."},
	} {
		if named := nameSources(list, sort.word); named != "" {
			fs = append(fs, mta.Finding{Level: mta.LevelNote, Name: "null-sender-source", Where: sort.word, What: sort.what + named + ". " + sort.remedy})
		}
	}
	return fs
}

// nameSources names the largest sources of a sort of mail, each with all its clients; "" if there is none.
func nameSources(list []sources.Source, sort string) string {
	var named []string
	var others uint64 // messages of sources that are not named
	for i := range list {
		s := &list[i]
		same := func(o sources.Source) bool { return o.Sort == sort && o.Name() == s.Name() }
		switch {
		case s.Sort != sort || slices.ContainsFunc(list[:i], same):
			continue // it is named by the first of the same name
		case len(named) == maxSources:
			for _, o := range list[i:] {
				if same(o) {
					others += o.Count
				}
			}
			continue
		}
		named = append(named, nameSource(list[i:], same))
	}
	if others > 0 {
		named = append(named, fmt.Sprintf("other sources (%d)", others))
	}
	return strings.Join(named, ", ")
}

// nameSource names one source: how many messages it has sent, how many of these were refused, and through which clients.
func nameSource(list []sources.Source, same func(sources.Source) bool) string {
	var count, refused uint64
	var clients []string
	for _, s := range list {
		if !same(s) {
			continue
		}
		count, refused = count+s.Count, refused+s.Refused
		if s.Client != "" && s.Client != s.Name() {
			clients = append(clients, s.Client)
		}
	}
	text := fmt.Sprintf("%s (%d", list[0].Name(), count)
	if refused > 0 {
		text += fmt.Sprintf(", %d of them refused", refused)
	}
	if len(clients) > 0 {
		text += ", from " + strings.Join(clients, " and ")
	}
	return text + ")"
}
