package inspect

import (
	"fmt"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// TagLine says in a line what the verification of an address has shown: the status, the address without its tag, and key number and expiry
// as the tag has them.
func TagLine(r prvs.Result) string {
	line := r.Status.String()
	if address := r.Original.String(); address != "" {
		line += " " + address
	}
	if r.Status != prvs.Untagged && r.Status != prvs.Malformed {
		line += fmt.Sprintf(", key %d, expires %s", r.Number, r.Expiry)
	}
	return line
}
