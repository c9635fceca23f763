package redis

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// What is stored, each name behind the prefix:
//
//	records:PERIOD:BITS:BUCKET  hash: the 16 octets of a key → count. It expires as a whole.
//	state                  hash: since when the record is complete, and where records are, see below.
//	domains                hash: "first:DOMAIN" → day number of the first record, signed; "last:DOMAIN" → that of the last one.
//	counters:YYYY-MM-DD    hash: names (see package counterkey) → count of the day. It expires as a whole.
//	counters:YYYY-MM-DDTHH likewise, of the hour
//	notes                  hash: "SLOT|NODE" → day of the note, space, text. It expires as a whole; readers remove old fields.
//	nodes                  hash: name of a node → its heartbeat, in JSON (see store.Node), or when it left; signed. It expires as a whole.
//	broadcasts:TOPIC       hash: name of a broadcast → last day, space, value; signed. Readers remove expired fields.
//
// What is signed (see seal.go and store.Hasher.Sign) has 22 characters and a space before it.
//
// A cluster has the first three for each of its 256 shards, with "{SHARD}:" before their names: a cluster places keys by the text in
// braces (hash tags).
//
// The fields of state are such that nodes may set them at the same time in any order without losing anything, because scripts and
// transactions are not available everywhere:
//
//	start            → when the first record was made, in milliseconds since 1970, signed; set once
//	gap:FROM:UNTIL   → empty: records from that time may be lost; FROM is 0 if that has no beginning
//	run              → identity of the server process that answered last, signed
//	kept:RUN_ID      → a time in milliseconds since 1970, signed: what the process RUN_ID has acknowledged until then is here, see [Store.keep]
//	p:PERIOD:BITS    → empty: there may be records in PERIOD in 2^BITS buckets, see [layer]
//
// Without a start the record is empty.
type layout struct {
	prefix string
	shards bool
}

// clusterShards is the number of shards in a cluster: enough for tens of servers to have about as many each.
const clusterShards = 256

// shardOf returns the shard that a key belongs to.
func (l layout) shardOf(k store.Key) int {
	if l.shards {
		return int(k[0])
	}
	return 0
}

// within is how the names of a shard begin.
func (l layout) within(shard int) string {
	if !l.shards {
		return l.prefix
	}
	return l.prefix + "{" + hex.EncodeToString([]byte{byte(shard)}) + "}:"
}

func (l layout) state(shard int) string         { return l.within(shard) + "state" }
func (l layout) domains(shard int) string       { return l.within(shard) + "domains" }
func (l layout) nodes() string                  { return l.prefix + "nodes" }
func (l layout) broadcasts(topic string) string { return l.prefix + "broadcasts:" + topic }
func (l layout) notes() string                  { return l.prefix + "notes" }

// counters returns the key of the counters of an hour, or of the day of it.
func (l layout) counters(by store.Resolution, h store.Hour) string {
	if by == store.ByDay {
		return l.prefix + "counters:" + h.Day().String()
	}
	return l.prefix + "counters:" + h.String()
}

const (
	fieldStart  = "start"
	fieldGap    = "gap:"
	fieldKept   = "kept:"
	fieldRun    = "run"
	fieldPeriod = "p:"
	fieldFirst  = "first:"
	fieldLast   = "last:"
)

// formatTime rounds up to a millisecond: later is always safe.
func formatTime(t time.Time) string {
	return strconv.FormatInt(t.Add(time.Millisecond-time.Nanosecond).UnixMilli(), 10)
}

// lastTime is the end of the year 9999 in milliseconds since 1970: JSON, in which a completeness is remembered, has no later time (RFC 3339).
const lastTime = 253_402_300_799_999

func parseTime(s string) (time.Time, error) {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	if ms < 0 || ms > lastTime {
		return time.Time{}, fmt.Errorf("%d is not a time of the years 1970 to 9999", ms)
	}
	return time.UnixMilli(ms).UTC(), nil
}

// gapField returns the name of the field of a gap. It rounds to whole milliseconds: a longer gap is always safe.
func gapField(g store.Gap) string {
	from := "0"
	if !g.From.IsZero() {
		from = strconv.FormatInt(g.From.UnixMilli(), 10)
	}
	return fieldGap + from + ":" + formatTime(g.Until)
}

// parseGap reads the name of a field behind "gap:".
func parseGap(s string) (g store.Gap, err error) {
	from, until, _ := strings.Cut(s, ":")
	if g.Until, err = parseTime(until); err != nil || from == "0" {
		return g, err
	}
	g.From, err = parseTime(from)
	return g, err
}

// shardState is what a shard's hash "state" holds.
type shardState struct {
	complete store.Completeness // Since is zero if it is empty or unreadable
	run      string
	kept     map[string]time.Time // by the run_id of a process
	layers   []layer              // that may hold records, in no order
	gapNames []string             // of the fields that the gaps were read from
	unknown  string               // a layer that this version cannot read
	foreign  bool                 // there is a start that was not signed under this hash secret
	crowded  bool                 // there are more fields than daemons write
	doubtful int                  // values that were not signed under this hash secret, and gaps that are none
}

// fault says why the shard's record cannot be relied upon, or "", and what to do about it.
func (m shardState) fault() (reason, remedy string) {
	switch {
	case m.crowded:
		return fmt.Sprintf("the state of the record has more than %d fields, which no daemon writes", maxState),
			"keep others from writing to Redis, and remove the key \"state\""
	case m.foreign:
		return "the start of the record was not written under the hash secret of this host",
			"give all hosts the same hash secret; if they have it, keep others from writing to Redis, and remove the key \"state\""
	case m.unknown != "":
		return "a later version has written records that this one cannot read (" + m.unknown + ")", ""
	}
	return "", ""
}

// parseState reads the fields. It skips those of later versions. If a layer is among them, the record is unreadable, because this version
// does not look there. verify returns the value of a field that was signed.
func parseState(fields map[string]string, verify func(field, stored string) (string, bool)) (shardState, error) {
	if len(fields) > maxState {
		return shardState{crowded: true}, nil
	}
	m := shardState{kept: map[string]time.Time{}}
	signed := func(field string) (value string, ok bool) {
		if value, ok = verify(field, fields[field]); !ok {
			m.doubtful++
		}
		return value, ok
	}
	var start time.Time
	var gaps []store.Gap
	for name := range fields {
		var err error
		if rest, ok := strings.CutPrefix(name, fieldGap); ok {
			g, err := parseGap(rest)
			if err != nil { // no daemon writes it, and an error would let whoever did put the store out of reach
				m.doubtful++
				continue
			}
			gaps = store.AddGap(gaps, g)
			m.gapNames = append(m.gapNames, name)
		} else if id, ok := strings.CutPrefix(name, fieldKept); ok {
			if value, ok := signed(name); ok {
				m.kept[id], err = parseTime(value)
			}
		} else if rest, ok := strings.CutPrefix(name, fieldPeriod); ok {
			l, ok := parseLayer(rest)
			if !ok {
				m.unknown = max(m.unknown, name) // always the same one
				continue
			}
			m.layers = append(m.layers, l)
		} else if name == fieldStart {
			if value, ok := signed(name); ok {
				start, err = parseTime(value)
			} else {
				m.foreign = true
			}
		} else if name == fieldRun {
			m.run, _ = signed(name)
		}
		if err != nil {
			return shardState{}, fmt.Errorf("field %q of the state: %w", name, err)
		}
	}
	m.complete = store.Completed(start, gaps)
	if m.unknown != "" || start.IsZero() {
		m.complete.Since = time.Time{}
	}
	return m, nil
}

// tidyGaps returns the fields to be set, and then those to be removed, so that each gap has one.
func (m shardState) tidyGaps() (set, remove []string) {
	if len(m.gapNames) == len(m.complete.Gaps) {
		return nil, nil
	}
	for _, g := range m.complete.Gaps {
		if name := gapField(g); !slices.Contains(m.gapNames, name) {
			set = append(set, name)
		}
	}
	for _, name := range m.gapNames {
		if !slices.ContainsFunc(m.complete.Gaps, func(g store.Gap) bool { return gapField(g) == name }) {
			remove = append(remove, name)
		}
	}
	return set, remove
}
