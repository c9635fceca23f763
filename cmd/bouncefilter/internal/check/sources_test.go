package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/sources"
)

func TestSourceFindings(t *testing.T) {
	since := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	exempt := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	fs := sourceFindings([]sources.Source{
		{Sort: "no-bounce", Domain: "shop.example", Client: "203.0.113.0/24", Count: 12, Since: since, Refused: 3},
		{Sort: "allowance", Domain: "shop.example", Client: "203.0.113.0/24", Count: 8, Since: since},
		{Sort: "no-bounce", Domain: "shop.example", Client: "2001:db8::/64", Count: 2, Since: since},
		{Sort: "no-bounce", Client: "192.0.2.0/24", Count: 1, Since: since},
		{Sort: "no-bounce", Domain: "local.example", Count: 1, Since: since},
	}, exempt)
	for i, want := range []struct {
		where, what string
		cure        []string
	}{
		{"source shop.example", "This source sends mail with the null sender that is no bounce: 203.0.113.0/24 (12 since 2026-11-20T08:00:00Z, 3 of them refused), 2001:db8::/64 (2 since",
			[]string{"[exempt]", `networks = ["192.0.2.0/24", "203.0.113.0/24", "2001:db8::/64"]`}},
		{"source shop.example", "This source sends automatic replies or bounces that name no message: 203.0.113.0/24 (8 since 2026-11-20T08:00:00Z). Nothing needs to be done; ",
			[]string{"[exempt]", `networks = ["192.0.2.0/24", "203.0.113.0/24"]`}},
		{"source 192.0.2.0/24", "192.0.2.0/24 (1 since", nil},
		{"source local.example", "no bounce: 1 since 2026-11-20T08:00:00Z. Nothing", nil},
	} {
		f := fs[i]
		if f.Level != mta.LevelNote || f.Name != "null-sender-source" || f.Where != want.where || !strings.Contains(f.What, want.what) || !slices.Equal(f.Cure, want.cure) {
			t.Errorf("%d: %+v", i, f)
		}
	}
	if len(fs) != 4 {
		t.Errorf("%d findings", len(fs))
	}
	var many []sources.Source
	for i := range maxSources + 5 {
		many = append(many, sources.Source{Sort: "no-bounce", Domain: fmt.Sprintf("x%d.example", i), Count: 2, Since: since})
	}
	fs = sourceFindings(many, nil)
	if last := fs[len(fs)-1]; len(fs) != maxSources+1 || last.Where != "other sources" || last.What != "They have sent 10 more such messages." {
		t.Errorf("%d findings, the last is %+v", len(fs), last)
	}
}
