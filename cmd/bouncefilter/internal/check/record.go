package check

import (
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
)

// recordFindings reports that the record is not complete, and what that means.
func recordFindings(s *status.Status) []mta.Finding {
	const means = "Bounces are judged by the signature, and accepted where the record might have proven them."
	var domains []string
	until := ""
	for _, d := range s.Domains {
		if d.Incomplete {
			domains, until = append(domains, d.Name), d.IncompleteUntil
		}
	}
	switch {
	case s.SinceReason != "":
		return []mta.Finding{{Level: mta.LevelError, Name: "record-unreliable", Where: "store",
			What: "It cannot vouch for its record: " + s.SinceReason + ". " + means, Cure: []string{s.SinceRemedy}}}
	case len(domains) == 0:
		return nil
	case s.Since.IsZero():
		return []mta.Finding{{Level: mta.LevelWarning, Name: "record-incomplete", Where: "store",
			What: "The record of what " + mta.Names(domains) + " signed is gone. " + means,
			Cure: []string{"nothing: it begins with the next signed message", "keep Redis from losing it: appendonly yes, a replica, no FLUSHALL"}}}
	}
	return []mta.Finding{{Level: mta.LevelWarning, Name: "record-incomplete", Where: "store",
		What: "What " + mta.Names(domains) + " signed before " + s.Since.UTC().Format(time.RFC3339) + " may be missing on the record: the store was restarted, wiped or replaced. " + means,
		Cure: []string{"nothing: it ends after " + until, "keep Redis from losing records: appendonly yes, a replica"}}}
}
