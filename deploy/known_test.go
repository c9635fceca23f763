package deploy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// The manual lists the known destinations as the policy has them, and no others.
func TestKnownDestinationsInTheManual(t *testing.T) {
	_, chapter, _ := strings.Cut(read(t, manual), "\n### Destinations that compare the envelope sender\n")
	chapter, _, _ = strings.Cut(chapter, "\n#")
	var rows, want []string
	for line := range strings.Lines(chapter) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	for _, d := range policy.KnownDestinations() {
		want = append(want, fmt.Sprintf("| `%s` | %s | <%s> | %s |", d.Recipients, d.What, d.Source, d.Seen))
	}
	if got, want := strings.Join(rows, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}
