package policy

import (
	"fmt"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// TraceTag puts into words where the decision about a recipient in one of our domains begins: what the domain and the tag say.
func (v *Verdict) TraceTag(revoked *Revocations) []string {
	steps := []string{fmt.Sprintf("The recipient's domain %s is ours%s, in mode %s.", v.Domain.Name, v.otherName(), v.Domain.Mode), v.tagSentence()}
	if v.Tag.Status != prvs.Valid {
		return steps
	}
	if by := revoked.Of(&v.Tag); by != nil {
		steps = append(steps, fmt.Sprintf("It is revoked, since %s: %s.", by.At.UTC().Format(time.RFC3339), by))
	}
	return steps
}

// otherName says how the recipient's domain is written if that is not the name in the configuration: an alias, or one below.
func (v *Verdict) otherName() string {
	if d := v.Tag.Original.Domain; d != "" && prvs.FoldDomain(d) != v.Domain.Name {
		return ", which " + d + " belongs to"
	}
	return ""
}

func (v *Verdict) tagSentence() string {
	t := &v.Tag
	switch t.Status {
	case prvs.Untagged:
		if isSRS(t.Original.Local) {
			return "The recipient is an SRS address, whose own hash is for the server to check that forwards mail."
		}
		return "The recipient carries no tag."
	case prvs.Valid:
		return fmt.Sprintf("The recipient carries a tag for <%s> with a right signature of key %d, valid until the end of %s (UTC).", t.Original, t.Number, t.Expiry)
	case prvs.Expired:
		return fmt.Sprintf("The recipient carries a tag for <%s> with a right signature of key %d, which expired at the end of %s (UTC).", t.Original, t.Number, t.Expiry)
	case prvs.BadSignature:
		return fmt.Sprintf("The recipient carries a tag whose signature is not that of key %d.", t.Number)
	case prvs.UnknownKey:
		return fmt.Sprintf("The recipient carries a tag of key %d, which is not in use.", t.Number)
	case prvs.Unverifiable:
		return fmt.Sprintf("The recipient carries a tag of key %d, whose secret is missing here, so that it cannot be verified.", t.Number)
	}
	return "The recipient carries something like a tag that we never issue."
}

// TraceDecision puts into words how the decision ends: the reason for which the bounce would be refused, the cause for which it is not,
// and the verdict.
func (v *Verdict) TraceDecision() []string {
	var steps []string
	if v.Would != NoReason && v.Would != v.Reason {
		steps = append(steps, fmt.Sprintf("It would be %s: %s", v.Would, v.Would.Sentence()))
	}
	if v.Cause != NoCause {
		steps = append(steps, fmt.Sprintf("Cause: %s. %s", v.Cause, v.Cause.Sentence()))
	}
	if v.Spent {
		steps = append(steps, "The allowance of the recipient for such messages is used up for today.")
	}
	return append(steps, fmt.Sprintf("Verdict: %s, %s. %s", v.Reason, v.Action, v.Reason.Sentence()))
}

// Outcome returns how the client is answered for the verdict: [Refuse] or [Defer] if it refuses.
func (v *Verdict) Outcome() Outcome {
	switch v.Action {
	case ActionReject:
		return Refuse
	case ActionDefer:
		return Defer
	case ActionNone:
		return NoOpinion
	}
	return Accept
}
