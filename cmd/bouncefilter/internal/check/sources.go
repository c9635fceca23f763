package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/sources"
)

// maxSources is how many sources have a finding of their own.
const maxSources = 10

// sourceFindings reports who sends mail with the null sender that is no bounce, or that nothing proves: a note for each source and sort of
// mail, the largest first, with the option that exempts its clients. exempt is what that option is now.
func sourceFindings(list []sources.Source, exempt []netip.Prefix) []mta.Finding {
	var fs []mta.Finding
	var others uint64 // messages of sources without a note
	for len(list) > 0 {
		first := list[0]
		of := func(s sources.Source) bool { return s.Sort == first.Sort && s.Name() == first.Name() }
		same := slices.DeleteFunc(slices.Clone(list), func(s sources.Source) bool { return !of(s) })
		list = slices.DeleteFunc(slices.Clone(list), of)
		if len(fs) == maxSources {
			for _, s := range same {
				others += s.Count
			}
			continue
		}
		fs = append(fs, sourceFinding(same, exempt))
	}
	if others > 0 {
		fs = append(fs, mta.Finding{Level: mta.LevelNote, Name: "null-sender-source", Where: "other sources",
			What: fmt.Sprintf("They have sent %d more such messages.", others)})
	}
	return fs
}

// sourceFinding is the note about one source, from all its clients.
func sourceFinding(same []sources.Source, exempt []netip.Prefix) mta.Finding {
	first := &same[0]
	networks := []string{}
	for _, n := range exempt {
		networks = append(networks, n.String())
	}
	var clients []string
	for _, s := range same {
		text := fmt.Sprintf("%d since %s", s.Count, s.Since.UTC().Format(time.RFC3339))
		if s.Refused > 0 {
			text += fmt.Sprintf(", %d of them refused", s.Refused)
		}
		if s.Client == "" {
			clients = append(clients, text)
			continue
		}
		clients = append(clients, s.Client+" ("+text+")")
		if !slices.Contains(networks, s.Client) {
			networks = append(networks, s.Client)
		}
	}
	f := mta.Finding{Level: mta.LevelNote, Name: "null-sender-source", Where: "source " + first.Name(),
		What: sentence(first.What()) + ": " + strings.Join(clients, ", ") + ". " + sentence(first.Remedy()) + "."}
	if len(networks) > len(exempt) {
		f.Cure = []string{"[exempt]", "networks = " + tomlList(networks)}
	}
	return f
}

// sentence begins a text with a capital letter.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
