package filter

import (
	"strconv"
	"strings"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Header returns the value of the header that an accepted bounce gets, in the style of Authentication-Results
// (RFC 8601):
//
//	mx.example.com; batv=pass reason=valid method=tag key=1 expires=2026-11-30
//
// The result is pass, fail, neutral or none. method says what decided: the record of tags ("tag"), the signature alone while
// the store could not be asked ("signature"), the record of sent mail ("message-id") or of correspondents
// ("correspondent").
func (p *Policy) Header(v *Verdict) string {
	var b strings.Builder
	b.WriteString(p.set.Hostname)
	b.WriteString("; batv=")
	b.WriteString(reasons[v.Reason].header)
	b.WriteString(" reason=")
	b.WriteString(v.Reason.String())
	if v.Would != None && v.Would != v.Reason {
		b.WriteString(" would-be=")
		b.WriteString(v.Would.String())
	}
	s := v.Tag.Status
	tagged := s == prvs.Valid || s == prvs.Expired
	switch {
	case v.Reason == ValidMessage:
		b.WriteString(" method=message-id")
	case v.Reason == ValidCorrespondent:
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
