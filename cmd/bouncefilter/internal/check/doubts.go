package check

import (
	"fmt"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/store"
)

// doubtFindings reports what the store holds that is not believed.
func doubtFindings(d store.Doubts) []mta.Finding {
	if d.Unbelieved() == 0 {
		return nil
	}
	return []mta.Finding{{Level: mta.LevelError, Name: "store-unbelieved", Where: "store",
		What: fmt.Sprintf("It holds what was not written under the hash secret of this host, or was changed or moved: %d broadcasts, %d heartbeats, %d first-signed days, %d starts of the record, %d counters. Nothing of it is believed.",
			d.Broadcasts, d.Heartbeats, d.FirstSigned, d.Starts, d.Counters),
		Cure: []string{"give all hosts the same hash secret; if they have it, find out who else writes to the store: see deploy/security.md"}}}
}
