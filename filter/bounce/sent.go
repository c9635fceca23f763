package bounce

import (
	"strings"
	"time"
)

// promptly is how soon most bounces are written.
const promptly = time.Hour

// ahead is how much later than the time of a server the Date may be, since clocks differ.
const ahead = 10 * time.Minute

// maxTimes is how many fields with a time are read of one returned message.
const maxTimes = 30

// Sent returns between which times a message in Originals was sent, by what the report tells of its way: the Date field of the returned
// header, its Received fields, and the arrival at the reporting MTA (Arrival-Date, RFC 3464 section 2.2.5).
//
// The Date is by the clock of the sender's program, which may be wrong by hours: ok is false unless a server tells a time as well. The Date
// of the report itself is such a time if it is at most an hour later, as of most bounces: then the message was sent between the two. A
// message that is named in another place than the one that returns it was sent when that one was; what it answers itself was not.
func (r *Report) Sent(o *Original) (from, until time.Time, ok bool) {
	var all span
	for i := range r.Originals {
		returned := &r.Originals[i]
		if returned.Depth != o.Depth || len(returned.header) == 0 || o.refers() && o.MessageID != returned.MessageID {
			continue
		}
		if !returned.sent.known() {
			return time.Time{}, time.Time{}, false
		}
		all.addSpan(returned.sent)
	}
	return all.from, all.until, all.known()
}

// refers says whether it is named in a field that may name another message than the one that is returned.
func (o *Original) refers() bool {
	return o.Source == InReplyTo || o.Source == References || o.Source == OriginalReferences
}

// span is from the first of some times to the last; the zero span if there are none.
type span struct{ from, until time.Time }

func (s span) known() bool { return !s.from.IsZero() }

// add takes in a time. The zero time adds nothing.
func (s *span) add(t time.Time) {
	switch {
	case t.IsZero():
	case !s.known():
		s.from, s.until = t, t
	case t.Before(s.from):
		s.from = t
	case t.After(s.until):
		s.until = t
	}
}

// addSpan takes in both ends of another span.
func (s *span) addSpan(o span) {
	s.add(o.from)
	s.add(o.until)
}

// sent returns between which times a returned message was sent. Its Date is the beginning, unless the clock of the sender's program was ahead:
// then it is later than what a server tells, and how long the message was on its way before is not known. A Date that cannot be read, or that is
// missing, tells nothing either: of servers alone, that of the sender may not be among them, and the message may have waited there for days.
func (r *Report) sent(w *work, o *Original) span {
	var written, served span
	fields := 0
	for _, f := range o.header {
		value := f.value
		told := &written
		switch f.name {
		case "date", "resent-date":
		case "received":
			at := strings.LastIndexByte(value, ';')
			if at < 0 {
				continue
			}
			told, value = &served, strings.TrimSpace(value[at+1:])
		default:
			continue
		}
		if fields++; fields > maxTimes {
			return span{}
		}
		w.items(dateItems)
		t := date(value)
		if t.IsZero() && told == &written {
			return span{}
		}
		told.add(t)
	}
	if o.Depth == 1 {
		served.add(r.ArrivalDate) // alone, it may be days later: the message may have waited for the server
	}
	if o.Depth == 1 && !served.known() && !written.until.After(r.Date) && r.Date.Sub(written.until) <= promptly {
		served.add(r.Date)
	}
	if !written.known() || !served.known() || written.until.After(served.from.Add(ahead)) {
		return span{}
	}
	written.addSpan(served)
	return written
}
