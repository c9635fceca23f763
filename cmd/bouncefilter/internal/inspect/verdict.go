package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// VerdictWords describes a verdict for people, in lines below those of [Words].
func VerdictWords(recipient string, x *judge.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  for <%s>:\n", strings.Trim(OneLine(recipient), "<>"))
	for i, step := range x.Steps {
		fmt.Fprintf(&b, "    %d. %s\n", i+1, OneLine(step))
	}
	return b.String()
}

// verdict is a verdict in JSON.
type verdict struct {
	Reason string   `json:"reason"`
	Would  string   `json:"would_be,omitempty"` // the reason for which the message would be refused, were there not the cause
	Cause  string   `json:"cause,omitempty"`
	Action string   `json:"action"`
	Reply  string   `json:"reply,omitempty"` // if the message is refused or deferred
	Steps  []string `json:"steps"`
}

// WithVerdict adds a verdict to a report in JSON.
func WithVerdict(report []byte, x *judge.Explanation) ([]byte, error) {
	v := verdict{Reason: x.Verdict.Reason.String(), Cause: x.Verdict.Cause.String(), Action: x.Verdict.Action.String(), Steps: x.Steps}
	if x.Verdict.Reason == policy.NotProtected {
		v.Reason = policy.NoReason.String() // as in the log
	}
	if w := x.Verdict.Would; w != policy.NoReason && w != x.Verdict.Reason {
		v.Would = w.String()
	}
	if x.Reply.Code != 0 {
		v.Reply = x.Reply.String()
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(report, []byte("}")))
	b.WriteString(`,"verdict":`)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the report is not made for HTML either
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return append(bytes.TrimSpace(b.Bytes()), '}'), nil
}
