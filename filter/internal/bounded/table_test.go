package bounded

import (
	"net/netip"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func keys(t *Table[int, string], now time.Time) (list []int) {
	for e := range t.Latest(now) {
		list = append(list, e.Key)
	}
	return list
}

func TestTable(t *testing.T) {
	table := New[int, string](3, time.Hour)
	table.See(1, noon).Value = "one"
	table.See(2, noon.Add(time.Minute))
	if e := table.See(1, noon.Add(2*time.Minute)); e.Count != 2 || e.Value != "one" || !e.Since.Equal(noon) || !e.Seen.Equal(noon.Add(2*time.Minute)) {
		t.Errorf("%+v", e)
	}
	if got := keys(table, noon.Add(62*time.Minute)); len(got) != 1 || got[0] != 1 {
		t.Errorf("an hour later: %v", got)
	}
	if e := table.See(1, noon.Add(4*time.Hour)); e.Count != 1 || e.Value != "" || !e.Since.Equal(noon.Add(4*time.Hour)) {
		t.Errorf("after it was forgotten: %+v", e)
	}
}

// However many keys come, some are held; those that come again are among them.
func TestMadeUpKeysPushOutNoneThatComesAgain(t *testing.T) {
	const most = 100
	table := New[int, string](most, 24*time.Hour)
	table.See(0, noon)
	table.See(0, noon)
	for i := range 10_000 {
		table.See(i+1, noon.Add(time.Duration(i)*time.Second))
	}
	if table.Len() != most || len(table.known) != most {
		t.Errorf("%d and %d are held", table.Len(), len(table.known))
	}
	if e := table.See(0, noon.Add(3*time.Hour)); e.Count != 3 {
		t.Errorf("%+v", e)
	}
	// What is forgotten goes first, however often it was seen.
	table = New[int, string](2, time.Hour)
	for range 9 {
		table.See(1, noon)
	}
	table.See(2, noon.Add(2*time.Hour))
	table.See(3, noon.Add(2*time.Hour))
	if got := keys(table, noon.Add(2*time.Hour)); len(got) != 2 || got[0] != 3 || got[1] != 2 {
		t.Errorf("held: %v", got)
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{"203.0.113.77": "203.0.113.0/24", "::ffff:203.0.113.77": "203.0.113.0/24", "2001:db8:0:1:2::3": "2001:db8:0:1::/64",
		"fe80::1%eth0": "fe80::/64"} {
		if got := Network(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := Network(netip.Addr{}); got.IsValid() {
		t.Errorf("no address: %s", got)
	}
}
