package redis

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/counterkey"
)

// What is stored, each name behind the prefix:
//
//	records:PERIOD:BITS:BUCKET  hash: the 16 octets of a key → count. It expires as a whole.
//	state                hash: what store.Completeness says and where records lie, see below.
//	domains                hash: "first:DOMAIN", "last:DOMAIN" → day number of the first and the last record.
//	counters:YYYY-MM-DD    hash: names (see package counterkey) → count. It expires as a whole.
//	nodes                  hash: name of a node → what it said, in JSON (see store.Node). It expires as a whole.
//	broadcasts:TOPIC          hash: name of a broadcast → last day, space, value. Fields that are over are removed by readers.
//
// In a cluster the first three stand once for each of 256 shards, with "{SHARD}:" before their names: that is what a cluster
// places keys by (hash tags). The first octet of a key, which depends on its sender alone, chooses the shard, so what one message leaves
// behind, and what is asked about a bounce, lies with one server and takes one round trip. Each shard has a memory of its own,
// because servers lose records one by one.
//
// The fields of memory are such that nodes may set them at the same time in any order without losing anything, for
// scripts and transactions are not to be had everywhere:
//
//	start         → when the first record was made, in milliseconds since 1970; set once
//	incomplete:TIME   → nothing: records from before TIME may be lost. The latest counts.
//	run           → run_id of the server process that was seen last
//	p:PERIOD:BITS → nothing: there may be records in PERIOD in 2^BITS buckets, see [layer]
//
// The memory starts at the latest of start and all forget; without any of them there is none.
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

// within is what names of a shard begin with.
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
func (l layout) counters(day store.Day) string  { return l.prefix + "counters:" + day.String() }

const (
	fieldStart      = "start"
	fieldIncomplete = "incomplete:"
	fieldRun        = "run"
	fieldPeriod     = "p:"
	fieldFirst      = "first:"
	fieldLast       = "last:"
)

// formatTime rounds up: later is always safe.
func formatTime(t time.Time) string {
	return strconv.FormatInt(t.Add(time.Millisecond-time.Nanosecond).UnixMilli(), 10)
}

func parseTime(s string) (time.Time, error) {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(ms).UTC(), nil
}

func incompleteField(at time.Time) string { return fieldIncomplete + formatTime(at) }

// memory is what the hash of that name says.
type shardState struct {
	since    time.Time // zero: none
	run      string
	layers   []layer  // that may hold records, in no order
	outdated []string // fields that a later one has made pointless
	unknown  string   // a layer that this version cannot read
}

// parseState reads the fields. Those of later versions are passed over; if there is a layer among them, in which nobody looks, there is
// no memory.
func parseState(fields map[string]string) (shardState, error) {
	m := shardState{run: fields[fieldRun]}
	var latest time.Time
	latestName := ""
	for name, value := range fields {
		var err error
		if rest, ok := strings.CutPrefix(name, fieldIncomplete); ok {
			var at time.Time
			if at, err = parseTime(rest); err == nil {
				if latestName == "" || at.After(latest) {
					latest, name, latestName = at, latestName, name
				}
				if name != "" {
					m.outdated = append(m.outdated, name)
				}
			}
		} else if rest, ok := strings.CutPrefix(name, fieldPeriod); ok {
			l, ok := parseLayer(rest)
			if !ok {
				m.unknown = max(m.unknown, name) // always the same one
				continue
			}
			m.layers = append(m.layers, l)
		} else if name == fieldStart {
			m.since, err = parseTime(value)
		}
		if err != nil {
			return shardState{}, fmt.Errorf("the memory's field %q: %w", name, err)
		}
	}
	if latest.After(m.since) {
		m.since = latest
	}
	if m.unknown != "" {
		m.since = time.Time{}
	}
	return m, nil
}

// parseDomains reads the fields of the hash domains: the first days, and the fields of domains whose last record is
// older than oldest.
func parseDomains(fields map[string]string, oldest store.Day) (first map[string]store.Day, gone []string, err error) {
	first = make(map[string]store.Day)
	for name, value := range fields {
		domain, ok := strings.CutPrefix(name, fieldFirst)
		if !ok {
			continue
		}
		f, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return nil, nil, fmt.Errorf("first day of %q: %w", domain, err)
		}
		last, ok := fields[fieldLast+domain]
		if !ok { // Its first record is being made at this moment.
			last = value
		}
		l, err := strconv.ParseInt(last, 10, 32)
		if err != nil {
			return nil, nil, fmt.Errorf("last day of %q: %w", domain, err)
		}
		if store.Day(l) < oldest {
			gone = append(gone, name, fieldLast+domain)
			continue
		}
		first[domain] = store.Day(f)
	}
	return first, gone, nil
}

// appendCounters reads the fields of one day's counters.
func appendCounters(cs []store.Counter, day store.Day, fields map[string]string) ([]store.Counter, error) {
	for name, value := range fields {
		c, err := counterkey.Parse(name)
		if err != nil {
			return nil, err
		}
		if c.Count, err = strconv.ParseInt(value, 10, 64); err != nil {
			return nil, fmt.Errorf("counter %q: %w", name, err)
		}
		c.Day = day
		cs = append(cs, c)
	}
	return cs, nil
}
