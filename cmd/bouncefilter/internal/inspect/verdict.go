package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/store"
)

// recordTimeout bounds what a verdict waits for the record.
const recordTimeout = 2 * time.Second

// Envelope says how messages came.
type Envelope struct {
	Sender    *string // nil for that of the Return-Path field, or the null sender
	Recipient string
	Time      time.Time
}

// Judge reaches the verdicts that the daemon would reach. It changes nothing.
type Judge struct {
	policy *filter.Policy
	hasher *store.Hasher
	record control.Store
}

// NewJudge opens the record of a site. The caller closes the Judge.
func NewJudge(ctx context.Context, s *site.Site, openStore control.Opener, now func() time.Time) (*Judge, error) {
	hasher, record, err := OpenRecord(ctx, s, openStore, now)
	if err != nil {
		return nil, err
	}
	return &Judge{s.Policy, hasher, record}, nil
}

// OpenRecord returns the record of a site and the hasher of its keys. It makes neither. The caller closes the record.
func OpenRecord(ctx context.Context, s *site.Site, openStore control.Opener, now func() time.Time) (*store.Hasher, control.Store, error) {
	secret, problems := site.HashSecret(s.Config)
	switch {
	case len(problems) == 0:
	case !site.Exists(s.Config.HashSecret) && !s.Config.HashSecretChosen:
		secret = keyring.NewSecret() // nothing was recorded under another one yet
	default:
		return nil, nil, problems
	}
	record, err := control.OpenRecord(ctx, s.Config, openStore, now)
	return store.NewHasher(secret), record, err
}

// Close closes the record.
func (j *Judge) Close() error { return j.record.Close() }

// Explain returns the verdict about one message, and how it is reached.
func (j *Judge) Explain(ctx context.Context, r *bounce.Report, e Envelope) *filter.Explanation {
	sender := r.Sender
	if e.Sender != nil {
		sender = strings.Trim(*e.Sender, "<>")
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	return filter.Explain(ctx, j.policy, j.record, j.hasher, filter.Delivery{
		Report: r, Sender: sender, Recipient: strings.Trim(e.Recipient, "<>"), Time: e.Time,
	})
}

// VerdictWords describes a verdict for people, in lines below those of [Words].
func VerdictWords(recipient string, x *filter.Explanation) string {
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
	Action string   `json:"action"`
	Reply  string   `json:"reply,omitempty"` // if the message is refused or deferred
	Steps  []string `json:"steps"`
}

// WithVerdict adds a verdict to a report in JSON.
func WithVerdict(report []byte, x *filter.Explanation) ([]byte, error) {
	v := verdict{Reason: x.Verdict.Reason.String(), Action: x.Verdict.Action.String(), Steps: x.Steps}
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
