package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/routes"
)

func TestRouteFindings(t *testing.T) {
	since := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	fs := routeFindings([]routes.Route{
		{Sender: "user@example.com", Source: "203.0.113.0/24", Bounces: 7, Since: since},
		{Sender: `"a b"@example.com`, Source: "web.shop.example", Bounces: 5, Since: since},
		{Sender: "user@example.com", Source: "2001:db8::/64", Bounces: 9, Since: since},
	}, []string{"postmaster"})
	if len(fs) != 2 {
		t.Fatalf("got %+v", fs)
	}
	for i, want := range []struct{ where, what, cure string }{
		{"sender user@example.com", "203.0.113.0/24 (7 bounces of mail sent since 2026-11-20T08:00:00Z), 2001:db8::/64 (9 bounces of mail", `recipients = ["postmaster", "user@example.com"]`},
		{`sender "a b"@example.com`, "web.shop.example (5 bounces", `recipients = ["postmaster", "\"a b\"@example.com"]`},
	} {
		f := fs[i]
		if f.Level != mta.LevelWarning || f.Name != "other-route" || f.Where != want.where || !strings.Contains(f.What, want.what) || !slices.Equal(f.Cure, []string{"[exempt]", want.cure}) {
			t.Errorf("got %+v", f)
		}
	}
}
