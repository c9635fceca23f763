package check

import (
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/store"
)

// recordFindings reports that the record is not complete, and what that means. embedded says that the store is part of the daemon, and not
// a server.
func recordFindings(s *status.Status, embedded bool) []mta.Finding {
	const means = "Bounces of such mail are judged by the signature, and accepted where the record might have proven them, and so are bounces that name a message and do not tell when it was sent."
	var domains []string
	until := ""
	for _, d := range s.Domains {
		if d.Incomplete {
			domains, until = append(domains, d.Name), d.IncompleteUntil
		}
	}
	why, keep := "the store was restarted, wiped or replaced, or did not take records for longer than the journal has room", "keep Redis from losing records: appendonly yes, a replica, no FLUSHALL"
	if embedded {
		why, keep = "the file of the store was removed, replaced or damaged, or the disk did not take records", "keep state_dir on a disk that has room"
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
			Cure: []string{"nothing: it begins with the next signed message", keep}}}
	}
	when := "before " + s.Since.UTC().Format(time.RFC3339)
	if len(s.Gaps) > 0 {
		when = "at these times may be missing on the record: " + store.Completeness{Gaps: s.Gaps}.GapsText() + ". The cause: "
	} else {
		when += " may be missing on the record: "
	}
	return []mta.Finding{{Level: mta.LevelWarning, Name: "record-incomplete", Where: "store",
		What: "What " + mta.Names(domains) + " signed " + when + why + ". " + means,
		Cure: []string{"nothing: it ends after " + until, keep}}}
}
