package events

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter"
)

// Version is that of the form of an [Event]. It changes when a field changes its meaning or is gone.
const Version = 1

// Event says what became of one recipient of a message that was sent from here. deploy/manual.md has the meaning of each field for those
// who read them; all texts are those of the report, cut to the limits of package bounce, and may be made up by its author.
type Event struct {
	Version           int       `json:"version"`
	Type              string    `json:"type"` // always "bounce"
	ID                string    `json:"id"`   // of this event; the same if it is delivered again
	Time              time.Time `json:"time"` // when the bounce came, to the second, in UTC
	Node              string    `json:"node"`
	Domain            string    `json:"domain"`             // ours, as configured
	Sender            string    `json:"sender"`             // of the message that bounced, without tag
	Recipient         string    `json:"recipient"`          // as the report has it (RFC 3464 section 2.3.2)
	OriginalRecipient string    `json:"original_recipient"` // RFC 3464 section 2.3.1; empty if it is recipient or is not said
	Kind              string    `json:"kind"`               // dsn or bounce, see [bounce.Kind]
	Action            string    `json:"action"`             // failed or delayed (RFC 3464 section 2.3.3); empty if the report does not say
	Status            string    `json:"status"`             // RFC 3463, the most exact one of the report; may be empty
	Code              int       `json:"code"`               // SMTP reply code; 0 if there is none
	Diagnostic        string    `json:"diagnostic"`         // the words of the remote server (RFC 3464 section 2.3.6)
	RemoteMTA         string    `json:"remote_mta"`         // RFC 3464 section 2.3.5
	ReportingMTA      string    `json:"reporting_mta"`      // RFC 3464 section 2.2.2
	MessageID         string    `json:"message_id"`         // of the message that bounced, without angle brackets
	EnvelopeID        string    `json:"envelope_id"`        // its ENVID (RFC 3461 section 4.4)
	BounceMessageID   string    `json:"bounce_message_id"`  // of the bounce itself
	QueueID           string    `json:"queue_id"`           // of the bounce at our MTA
	Method            string    `json:"method"`             // what proves the bounce, see [filter.Method]
}

// maxRecipients is how many recipients of one bounce become events. A message has 50 or so at most on its way to one server (Postfix'
// default_destination_recipient_limit), which one bounce reports together.
const maxRecipients = 100

// eventsOf returns what a bounce reports, one event for each recipient that did not get the message, and how many recipients were left
// out beyond maxRecipients.
func eventsOf(g filter.Genuine, node string) (events []Event, left int) {
	r := g.Report
	original := r.Original()
	for i := range r.Recipients {
		to := &r.Recipients[i]
		if to.Address == "" || !to.Undelivered() {
			continue
		}
		if len(events) == maxRecipients {
			left++
			continue
		}
		events = append(events, Event{
			Version: Version, Type: "bounce", ID: "evt_" + rand.Text(), Time: g.Time.UTC().Truncate(time.Second), Node: node,
			Domain: g.Domain, Sender: g.Sender, Recipient: to.Address, OriginalRecipient: to.Original,
			Kind: string(r.Kind), Action: to.Action, Status: cmp.Or(to.Exact, to.Status), Code: to.Code, Diagnostic: to.Diagnostic,
			RemoteMTA: to.RemoteMTA, ReportingMTA: r.ReportingMTA,
			MessageID: original.MessageID, EnvelopeID: original.EnvelopeID, BounceMessageID: r.MessageID,
			QueueID: g.QueueID, Method: string(g.Method),
		})
	}
	return events, left
}

// line returns an event as one line of JSON, with its end. JSON in Go writes control characters, U+2028 and what is no UTF-8 so that
// every reader of lines and of JSON takes it.
func (e *Event) line() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write an event: %w", err)
	}
	return append(b, '\n'), nil
}

// idOf returns the ID of an event on a line.
func idOf(line []byte) (string, error) {
	var e struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return "", fmt.Errorf("read an event: %w", err)
	}
	if !strings.HasPrefix(e.ID, "evt_") {
		return "", fmt.Errorf("read an event: its ID is %q", e.ID)
	}
	return e.ID, nil
}
