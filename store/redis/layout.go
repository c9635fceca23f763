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
//	records:PERIOD:BUCKET  hash: the 16 octets of a key → count. It expires as a whole.
//	memory                 hash: what store.Memory says and where records lie, see below.
//	domains                hash: "first:DOMAIN", "last:DOMAIN" → day number of the first and the last record.
//	counters:YYYY-MM-DD    hash: names (see package counterkey) → count. It expires as a whole.
//	nodes                  hash: name of a node → what it said, in JSON (see store.Node). It expires as a whole.
//	notices:TOPIC          hash: name of a notice → last day, space, value. Fields that are over are removed by readers.
//
// The fields of memory are such that nodes may set them at the same time in any order without losing anything, for
// scripts and transactions are not to be had everywhere:
//
//	start        → when the first record was made, in milliseconds since 1970; set once
//	forget:TIME  → nothing: records from before TIME may be lost. The latest counts.
//	run          → run_id of the server process that was seen last
//	p:PERIOD     → nothing: there may be records in PERIOD
//
// The memory starts at the latest of start and all forget; without any of them there is none.
type layout struct{ prefix string }

func (l layout) memory() string                { return l.prefix + "memory" }
func (l layout) domains() string               { return l.prefix + "domains" }
func (l layout) nodes() string                 { return l.prefix + "nodes" }
func (l layout) notices(topic string) string   { return l.prefix + "notices:" + topic }
func (l layout) counters(day store.Day) string { return l.prefix + "counters:" + day.String() }

const (
	fieldStart  = "start"
	fieldForget = "forget:"
	fieldRun    = "run"
	fieldPeriod = "p:"
	fieldFirst  = "first:"
	fieldLast   = "last:"
)

// periodDays is the length of a period, the time whose records expire together. A lookup does not know when its keys
// expire and asks all periods that are not over: days would be many commands, and longer periods keep records for
// longer than needed.
const periodDays = 8

// period is a period's number: those periods that begin with day 0, 8, 16 and so on.
type period int32

func periodOf(d store.Day) period {
	p := d / periodDays
	if d%periodDays < 0 {
		p--
	}
	return period(p)
}

// end is when the records of the period are removed. The day added lets clocks differ.
func (p period) end() time.Time { return (store.Day(p+1)*periodDays + 1).Time() }

func (p period) field() string { return fieldPeriod + strconv.Itoa(int(p)) }

// bucketBits sets the number of buckets of a period. Redis stores a hash of up to 128 fields in 24 octets a field, a
// larger one in 83 (hash-max-listpack-entries, which is not ours to set). With 2^14 buckets that limit is reached at
// about 200,000 records a day; below some thousand a day each record has a bucket to itself, at about 150 octets, of
// which there are few then.
const bucketBits = 14

// bucket names the hash that holds k if it expires in p.
func (l layout) bucket(p period, k store.Key) string {
	number := (uint16(k[0])<<8 | uint16(k[1])) >> (16 - bucketBits)
	name := make([]byte, 0, 64)
	name = append(name, l.prefix...)
	name = append(name, "records:"...)
	name = strconv.AppendInt(name, int64(p), 10)
	name = append(name, ':')
	name = hex.AppendEncode(name, []byte{byte(number >> 8), byte(number)})
	return string(name)
}

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

func forgetField(at time.Time) string { return fieldForget + formatTime(at) }

// memory is what the hash of that name says.
type memory struct {
	since    time.Time // zero: none
	run      string
	last     period   // the last that may hold records
	periods  []period // all that may
	outdated []string // fields that a later one has made pointless
}

// parseMemory reads the fields. Fields of later versions are passed over.
func parseMemory(fields map[string]string) (memory, error) {
	m := memory{run: fields[fieldRun]}
	var forget time.Time
	forgetName := ""
	for name, value := range fields {
		var err error
		if rest, ok := strings.CutPrefix(name, fieldForget); ok {
			var at time.Time
			if at, err = parseTime(rest); err == nil {
				if forgetName == "" || at.After(forget) {
					forget, name, forgetName = at, forgetName, name
				}
				if name != "" {
					m.outdated = append(m.outdated, name)
				}
			}
		} else if rest, ok := strings.CutPrefix(name, fieldPeriod); ok {
			var p int64
			if p, err = strconv.ParseInt(rest, 10, 32); err == nil {
				m.periods = append(m.periods, period(p))
				m.last = max(m.last, period(p))
			}
		} else if name == fieldStart {
			m.since, err = parseTime(value)
		}
		if err != nil {
			return memory{}, fmt.Errorf("the memory's field %q: %w", name, err)
		}
	}
	if forget.After(m.since) {
		m.since = forget
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
