package figures

import "time"

// Note is what is kept of one refusal or would-be refusal, for people who look for a reason.
type Note struct {
	Time         time.Time `json:"time"`
	Node         string    `json:"node"`
	QueueID      string    `json:"queue_id,omitempty"`
	Client       string    `json:"client"` // address, "local" or "unknown"
	Sender       string    `json:"sender"` // masked: the first letter of the local part, and the domain; "" for the null sender
	Recipient    string    `json:"recipient"`
	Domain       string    `json:"domain"`
	Outcome      Outcome   `json:"outcome"`
	Reason       string    `json:"reason"`
	Would        string    `json:"would_be,omitempty"`
	Cause        string    `json:"cause,omitempty"`
	Action       string    `json:"action"`
	Sign         Sign      `json:"sign,omitempty"`
	OwnHost      string    `json:"own_host,omitempty"`
	Kind         string    `json:"kind,omitempty"`
	Family       string    `json:"family,omitempty"`
	ReportingMTA string    `json:"reporting_mta,omitempty"`
}
