package filter

import (
	"strconv"
	"strings"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// header returns the value of the header that an accepted bounce gets, in the style of Authentication-Results
// (RFC 8601):
//
//	mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30
//	mx.example.com; batv=neutral reason=grace would-be=untagged cause=new-domain
//
// The result is pass, fail, neutral or none. would-be and cause say for what it would have been refused and why it was not. method says
// what decided: the record of tags ("tag"), the signature alone while the store could not be asked ("signature"), the record of sent
// mail ("message-id") or of correspondents ("correspondent").
func header(hostname string, v *policy.Verdict) string {
	var b strings.Builder
	b.WriteString(hostname)
	b.WriteString("; batv=")
	b.WriteString(v.Reason.Result())
	b.WriteString(" reason=")
	b.WriteString(v.Reason.String())
	if v.Would != policy.NoReason && v.Would != v.Reason {
		b.WriteString(" would-be=")
		b.WriteString(v.Would.String())
	}
	if v.Cause != policy.NoCause {
		b.WriteString(" cause=")
		b.WriteString(v.Cause.String())
	}
	s := v.Tag.Status
	tagged := s == prvs.Valid || s == prvs.Expired
	switch {
	case v.Reason == policy.ValidMessage:
		b.WriteString(" method=message-id")
	case v.Reason == policy.ValidCorrespondent:
		b.WriteString(" method=correspondent")
	case tagged && v.BySignature:
		b.WriteString(" method=signature")
	case tagged:
		b.WriteString(" method=tag")
	}
	if tagged {
		b.WriteString(" key=")
		b.WriteString(strconv.Itoa(int(v.Tag.Number)))
		b.WriteString(" expires=")
		b.WriteString(v.Tag.Expiry.String())
	}
	return b.String()
}
