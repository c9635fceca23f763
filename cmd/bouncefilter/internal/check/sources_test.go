package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/sources"
)

func TestSourceFindings(t *testing.T) {
	if fs := sourceFindings(nil); len(fs) != 0 {
		t.Errorf("without a source: %+v", fs)
	}
	fs := sourceFindings([]sources.Source{
		{Sort: "no-bounce", Domain: "shop.example", Client: "203.0.113.0/24", Count: 12, Refused: 3},
		{Sort: "allowance", Domain: "shop.example", Client: "203.0.113.0/24", Count: 8},
		{Sort: "no-bounce", Domain: "shop.example", Client: "2001:db8::/64", Count: 2},
		{Sort: "no-bounce", Client: "192.0.2.0/24", Count: 1},
		{Sort: "no-bounce", Domain: "local.example", Count: 1},
	})
	want := []string{
		"no bounce comes from shop.example (14, 3 of them refused, from 203.0.113.0/24 and 2001:db8::/64), 192.0.2.0/24 (1), local.example (1). Nothing needs to be done; ",
		"nothing proves them, comes from shop.example (8, from 203.0.113.0/24). Nothing needs to be done; ",
	}
	if len(fs) != len(want) {
		t.Fatalf("%d findings: %+v", len(fs), fs)
	}
	for i, f := range fs {
		if f.Level != mta.LevelNote || f.Name != "null-sender-source" || !strings.Contains(f.What, want[i]) {
			t.Errorf("%+v does not say %q", f, want[i])
		}
	}

	var many []sources.Source
	for i := range 2 * (maxSources + 5) {
		many = append(many, sources.Source{Sort: "no-bounce", Domain: fmt.Sprintf("x%d.example", i%(maxSources+5)), Count: 2})
	}
	if fs = sourceFindings(many); len(fs) != 1 || strings.Count(fs[0].What, ".example (4)") != maxSources || !strings.Contains(fs[0].What, ", other sources (20). ") {
		t.Errorf("many sources: %+v", fs)
	}
}
