// Package figures counts what the milter decides, and what is needed to judge whether it decides well: by hour and by day, by node, domain,
// reason and what else a report is about. A [Recorder] takes an [Observation] for each verdict, beside the mail path a node writes what it has
// recorded to the store, and [Read] adds it up again. A log holds the same observations, so that a report of it has the same figures.
//
// What outsiders can make up (networks, names of hosts, destinations) is counted under a bounded number of names, see [maxNames].
package figures

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// Topic is a sort of figures. The comment of each says which fields of [Key] its figures have, in the order of their stored form.
type Topic string

// The topics.
const (
	// Verdicts are all verdicts about mail of ours: Domain, Reason, Action, Cause, Would, Kind.
	Verdicts Topic = "verdict"
	// Families are bounces and replies by the software that wrote them: Family, Outcome.
	Families Topic = "family"
	// Signs are bounces that are or would be refused, by the sign that speaks for them, NoSign as well: Domain, Outcome, Sign.
	Signs Topic = "sign"
	// Sources are refusals and would-be refusals by the network of the client: Domain, Outcome, Name.
	Sources Topic = "source"
	// Reporters are refusals and would-be refusals by the registrable domain of the MTA that reports: Domain, Outcome, Name.
	Reporters Topic = "reporter"
	// Routes are bounces of mail that seems to leave another way: Domain, Name (the host or network that it seems to leave through).
	Routes Topic = "route"
	// Sent is signed mail by the domain of its recipients: Domain, Name.
	Sent Topic = "sent"
	// Failures are failed and delayed recipients of own mail that accepted bounces report: Domain, Name (the domain of the recipient),
	// Status (such as "5.1.1"; "5", "4" or "" if the report has no more), Sign ([BecauseOfTag] or none).
	Failures Topic = "failure"
)

// Topics are all topics.
var Topics = [...]Topic{Verdicts, Families, Signs, Sources, Reporters, Routes, Sent, Failures}

// Key says what a figure counts. Which fields it has depends on the Topic; the others are empty. Domain is the name of one of our domains
// as it is configured; it, Reason, Action, Cause, Would, Kind and Family are words of the log.
type Key struct {
	Topic                        Topic
	Domain                       string
	Reason, Action, Cause, Would string
	Kind, Family                 string
	Outcome                      Outcome
	Sign                         Sign
	Name, Status                 string
}

// Other is the Name of what is not counted on its own.
const Other = "other"

// Outcome is what became of a message, or of some of its recipients.
type Outcome string

// The outcomes.
const (
	Signed    Outcome = "signed"
	Accepted  Outcome = "accepted"     // delivered, and nothing spoke against it
	WouldBe   Outcome = "would-refuse" // delivered, and it would have been refused, were there not a cause
	Refused   Outcome = "refused"
	Deferred  Outcome = "deferred"
	Discarded Outcome = "discarded"
	Ordinary  Outcome = "ordinary" // mail that the milter has no opinion about
)

// Sign says what speaks for a bounce that is or would be refused, or in a failure, why it failed.
type Sign string

// The signs.
const (
	NoSign       Sign = ""            // nothing says that it may be genuine
	NoBounce     Sign = "no-bounce"   // it is no bounce at all
	OwnHost      Sign = "own-host"    // it names a host of ours
	Repeats      Sign = "repeats"     // its source comes again and again
	NeverSends   Sign = "never-sends" // its recipient has sent nothing through us of late
	BecauseOfTag Sign = "tag"         // of a failure: the destination refuses or holds mail because of the tag
)

// MayBeGenuine says whether the sign is one of mail that may be genuine.
func (s Sign) MayBeGenuine() bool { return s == OwnHost || s == Repeats || s == NeverSends }

// maxFields is how many fields a topic has at most.
const maxFields = 6

// fields returns the n fields that a topic has.
func (k *Key) fields() (fields [maxFields]*string, n int) {
	switch k.Topic {
	case Verdicts:
		return [maxFields]*string{&k.Domain, &k.Reason, &k.Action, &k.Cause, &k.Would, &k.Kind}, 6
	case Families:
		return [maxFields]*string{&k.Family, (*string)(&k.Outcome)}, 2
	case Signs:
		return [maxFields]*string{&k.Domain, (*string)(&k.Outcome), (*string)(&k.Sign)}, 3
	case Sources, Reporters:
		return [maxFields]*string{&k.Domain, (*string)(&k.Outcome), &k.Name}, 3
	case Routes, Sent:
		return [maxFields]*string{&k.Domain, &k.Name}, 2
	case Failures:
		return [maxFields]*string{&k.Domain, &k.Name, &k.Status, (*string)(&k.Sign)}, 4
	}
	return fields, 0
}

// index returns the place of a topic in [Topics]; that of the first for one that is not there.
func (t Topic) index() int {
	for i := range Topics {
		if Topics[i] == t {
			return i
		}
	}
	return 0
}

// format returns the stored form of the key, without its topic.
func (k *Key) format() string {
	fields, n := k.fields()
	texts := make([]string, n)
	for i, f := range fields[:n] {
		texts[i] = url.QueryEscape(*f)
	}
	return strings.Join(texts, "|")
}

// parseKey reads the stored form of a key.
func parseKey(topic, name string) (k Key, err error) {
	k.Topic = Topic(topic)
	fields, n := k.fields()
	texts := strings.Split(name, "|")
	if n != len(texts) || n == 0 {
		return Key{}, fmt.Errorf("figure %q of %q: want %d fields", name, topic, n)
	}
	for i, f := range fields[:n] {
		if *f, err = url.QueryUnescape(texts[i]); err != nil {
			return Key{}, fmt.Errorf("figure %q of %q: %w", name, topic, err)
		}
	}
	return k, nil
}

// Figure is a count.
type Figure struct {
	Begin time.Time // of the hour or the day, in UTC
	Node  string
	Key
	Count int64
}

// Reader is the part of [store.Counters] that reads.
type Reader interface {
	Counters(ctx context.Context, by store.Resolution, from, to store.Hour) ([]store.Counter, error)
}

// maxCount is the largest count that is believed: more than mail servers do in a year, and so few that a million of them can be added up.
const maxCount = 1 << 40

// Read returns the figures of the hours or days that begin in the time from from until to, in no order. It leaves out what a later
// version has written, and counts that no daemon writes: others may write to a server of Redis.
func Read(ctx context.Context, st Reader, by store.Resolution, from, to time.Time) ([]Figure, error) {
	first := store.HourOf(from.Add(time.Hour - time.Nanosecond))
	cs, err := st.Counters(ctx, by, first, store.HourOf(to.Add(-time.Nanosecond)))
	if err != nil {
		return nil, err
	}
	figures := make([]Figure, 0, len(cs))
	for _, c := range cs {
		if k, err := parseKey(c.Topic, c.Name); err == nil && c.Count > 0 {
			c.Count = min(c.Count, maxCount)
			figures = append(figures, Figure{c.Hour.Time(), c.Node, k, c.Count})
		}
	}
	return figures, nil
}
