package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
	"github.com/bouncefilter/bouncefilter/store/memory"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// envelope says how the messages came, for the verdict that the daemon would reach about them.
type envelope struct {
	siteFlags
	Recipient string    `placeholder:"ADDRESS" help:"Tell the verdict for this envelope recipient, and each step to it."`
	Sender    *string   `placeholder:"ADDRESS" help:"With --recipient: the envelope sender, <> for the null sender (default: the Return-Path, or <>)."`
	At        time.Time `placeholder:"RFC3339" help:"With --recipient: the verdict as at that time, such as 2026-11-23T12:00:00Z (default: now)."`
}

// judge tells what the daemon would do with messages.
type judge struct {
	envelope *envelope
	policy   *filter.Policy
	hasher   *store.Hasher
	record   filter.Record
	close    func() error
	now      time.Time
}

// judge opens what a verdict needs. Without a recipient there is none: nil.
func (e *envelope) judge(ctx context.Context, a *app) (*judge, error) {
	if e.Recipient == "" {
		if e.Sender != nil || !e.At.IsZero() {
			return nil, usageError{errors.New("--sender and --at belong to --recipient")}
		}
		return nil, nil
	}
	if e.Config == "" {
		return nil, usageError{errors.New("--recipient needs the configuration: add --config FILE")}
	}
	c, problems := e.load(a)
	if unread(c, problems) {
		return nil, problems
	}
	s, problems := loadSite(c, append(problems, c.NeedDomain()...))
	if len(problems) > 0 {
		return nil, problems
	}
	j := &judge{envelope: e, policy: s.policy, now: e.At}
	if j.now.IsZero() {
		j.now = a.now()
	}
	var err error
	j.hasher, j.record, j.close, err = openRecord(ctx, c)
	return j, err
}

// openRecord finds the record of sent mail and what is needed to read it, and makes none.
func openRecord(ctx context.Context, c *config.Config) (h *store.Hasher, r filter.Record, closeRecord func() error, err error) {
	secret, problems := readHashSecret(c)
	switch {
	case len(problems) == 0:
	case !exists(c.HashSecret) && !c.HashSecretChosen:
		secret = keyring.NewSecret() // nothing was recorded under another one yet
	default:
		return nil, nil, nil, problems
	}
	r, closeRecord, err = openStore(ctx, c)
	return store.NewHasher(secret), r, closeRecord, err
}

func openStore(ctx context.Context, c *config.Config) (r filter.Record, closeRecord func() error, err error) {
	nothing := func() error { return nil }
	if path, embedded := strings.CutPrefix(c.Store, "bolt:"); embedded && !exists(path) {
		return memory.New(), nothing, nil // which has recorded nothing either
	}
	if c.Store == "memory:" && c.HTTP != "" {
		return daemonRecord{c.HTTP, daemonNotices{c.ControlSocket()}}, nothing, nil // nobody else knows it
	}
	st, err := open.Open(ctx, c.Store, open.LeaveDamaged())
	switch {
	case errors.Is(err, bolt.ErrInUse) && c.HTTP != "":
		return daemonRecord{c.HTTP, daemonNotices{c.ControlSocket()}}, nothing, nil
	case errors.Is(err, bolt.ErrInUse):
		return nil, nothing, hinted{storeProblem(c, err), "the daemon could tell what is on record if its http option were set"}
	case err != nil:
		return nil, nothing, storeProblem(c, err)
	}
	return st, st.Close, nil
}

// explain tells the verdict about one message.
func (j *judge) explain(ctx context.Context, r *bounce.Report) *filter.Explanation {
	sender := r.Sender
	if j.envelope.Sender != nil {
		sender = strings.Trim(*j.envelope.Sender, "<>")
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return filter.Explain(ctx, j.policy, j.record, j.hasher, filter.Delivery{
		Report: r, Sender: sender, Recipient: strings.Trim(j.envelope.Recipient, "<>"), Time: j.now,
	})
}

// explanationWords adds the steps to what is said about a message.
func explanationWords(recipient string, x *filter.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  for <%s>:\n", strings.Trim(oneLine(recipient), "<>"))
	for i, step := range x.Steps {
		fmt.Fprintf(&b, "    %d. %s\n", i+1, oneLine(step))
	}
	return b.String()
}

// explanationJSON is an explanation as inspect --json prints it.
type explanationJSON struct {
	Reason string   `json:"reason"`
	Action string   `json:"action"`
	Reply  string   `json:"reply,omitempty"` // if the message is refused or deferred
	Steps  []string `json:"steps"`
}

// withVerdict adds the verdict to a report in JSON.
func withVerdict(report []byte, x *filter.Explanation) ([]byte, error) {
	v := explanationJSON{Reason: x.Verdict.Reason.String(), Action: x.Verdict.Action.String(), Steps: x.Steps}
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
