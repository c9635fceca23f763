package daemon

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/limit"
)

func TestCeilingsFitMemoryAndDescriptors(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name                  string
		connections           int
		lookups               bool
		memory                int64
		files                 uint64
		messages              int64
		mta, perPeer, answers int
		logged                string // the limits that were lowered
	}{
		{"no limits", 10_000, true, 0, 1 << 40, 0, 10_000, 9000, 5000, ""},
		{"the unit as it is shipped", 10_000, true, 460 * mib, 16384, 206 * mib, 10_000, 9000, 5000, ""},
		{"memory for all connections and no more", 1000, false, programMemory + 3*1000*connectionMemory, 1 << 20, 3 * 1000 * connectionMemory / 2, 1000, 900, 5000, ""},
		{"an octet less", 1000, false, programMemory + 3*1000*connectionMemory - 1, 1 << 20, (3*1000*connectionMemory - 1) / 2, 999, 900, 5000, "connections"},
		{"little memory", 10_000, false, 64 * mib, 1 << 20, 8 * mib, 455, 410, 5000, "connections"},
		{"hardly any", 10_000, false, 1, 1 << 20, leastMessageMemory, 1, 1, 5000, "connections"},
		{"descriptors for all", 1000, false, 0, 1000 + reservedFiles, 0, 1000, 900, 5000, ""},
		{"one less", 1000, false, 0, 999 + reservedFiles, 0, 999, 900, 5000, "connections"},
		{"descriptors for lookups, too", 10_000, true, 0, 15_000 + reservedFiles, 0, 10_000, 9000, 5000, ""},
		{"one less, with lookups", 10_000, true, 0, 14_999 + reservedFiles, 0, 9999, 9000, 5000, "connections"},
		{"1024 descriptors", 10_000, true, 0, 1024, 0, 512, 461, 256, "connections lookup-connections"},
		{"little memory, and fewer descriptors", 10_000, false, 64 * mib, 444 + reservedFiles, 8 * mib, 444, 400, 5000, "connections connections"},
		{"none", 10_000, true, 0, 3, 0, 1, 1, 1, "connections lookup-connections"},
	} {
		var log bytes.Buffer
		c := newCeilings(filter.Limits{Connections: tt.connections, ConnectionsPerPeer: limit.Share(tt.connections)}, tt.lookups, tt.memory, tt.files,
			slog.New(slog.NewTextHandler(&log, nil)))
		if c.mta.Memory != tt.messages || c.mta.Connections != tt.mta || c.mta.ConnectionsPerPeer != tt.perPeer || c.lookups.Connections != tt.answers {
			t.Errorf("%s: %d octets, %d connections, %d of a peer, %d of lookups", tt.name, c.mta.Memory, c.mta.Connections, c.mta.ConnectionsPerPeer, c.lookups.Connections)
		}
		var logged []string
		for line := range strings.Lines(log.String()) {
			_, after, _ := strings.Cut(line, " limit=")
			fields := strings.Fields(after)
			if want := fmt.Sprintf("configured=%d", tt.connections); fields[0] == "connections" && fields[1] != want {
				t.Errorf("%s: %s, want %s", tt.name, fields[1], want)
			}
			logged = append(logged, fields[0])
		}
		if got := strings.Join(logged, " "); got != tt.logged {
			t.Errorf("%s: lowered %q, want %q", tt.name, got, tt.logged)
		}
	}
}
