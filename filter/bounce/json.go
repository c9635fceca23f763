package bounce

import "encoding/json"

// jsonReport is the printed form of a report, one object on a line. Users of the command rely on the names of its fields.
type jsonReport struct {
	Kind         Kind            `json:"kind"`
	Weak         bool            `json:"weak"`
	Family       string          `json:"family"`
	ReportingMTA string          `json:"reporting_mta"`
	Original     jsonOriginal    `json:"original"`
	Quoted       []string        `json:"quoted"`
	Recipients   []jsonRecipient `json:"recipients"`
	HeldBy       string          `json:"held_by,omitempty"`
	Problems     []string        `json:"problems"`
}

type jsonOriginal struct {
	MessageID  string `json:"message_id"`
	From       string `json:"from"`
	EnvelopeID string `json:"envelope_id"`
}

type jsonRecipient struct {
	Address     string `json:"address"`
	Action      string `json:"action"`
	Status      string `json:"status"`
	ExactStatus string `json:"exact_status"`
	Diagnostic  string `json:"diagnostic"`
	BlamesTag   bool   `json:"blames_tag,omitempty"`
}

// MarshalJSON prints the report with the message that it answers directly. Lists are never null.
func (r *Report) MarshalJSON() ([]byte, error) {
	o := r.Original()
	j := jsonReport{
		Kind:         r.Kind,
		Weak:         r.Weak,
		Family:       r.Family,
		ReportingMTA: r.ReportingMTA,
		Original:     jsonOriginal{MessageID: o.MessageID, From: first(o.From, o.Sender), EnvelopeID: o.EnvelopeID},
		Quoted:       append(make([]string, 0, len(r.Quoted)), r.Quoted...),
		Recipients:   make([]jsonRecipient, 0, len(r.Recipients)),
		HeldBy:       r.HeldBy,
		Problems:     append(make([]string, 0, len(r.Problems)), r.Problems...),
	}
	for _, rcpt := range r.Recipients {
		j.Recipients = append(j.Recipients, jsonRecipient{rcpt.Address, rcpt.Action, rcpt.Status, rcpt.Exact, rcpt.Diagnostic, rcpt.BlamesTag})
	}
	return json.Marshal(j)
}
