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
// The result is pass, fail, neutral or none. method says what decided: the record ("tag"), or the signature alone while
// the store could not be asked ("signature").
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
	if s := v.Tag.Status; s == prvs.Valid || s == prvs.Expired {
		if v.BySignature {
			b.WriteString(" method=signature")
		} else {
			b.WriteString(" method=tag")
		}
		b.WriteString(" key=")
		b.WriteString(strconv.Itoa(int(v.Tag.Number)))
		b.WriteString(" expires=")
		b.WriteString(v.Tag.Expiry.String())
	}
	return b.String()
}
