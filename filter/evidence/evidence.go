// Package evidence is both sides of the record of sent mail: what a message that leaves puts on record ([Sent]), and what is looked up
// about a bounce that comes ([Inquiry]). They are in one place so that they agree.
package evidence

import (
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Named is what a bounce names that may be on record.
type Named struct {
	Messages []string // Message-IDs of what it answers, the innermost first; see foldID
	Domains  []string // the domain of an automatic reply that names no message, and the domains above it
}

// Of finds what a report names. A bounce of a bounce names both; the innermost is what was sent first.
func Of(r *bounce.Report) Named {
	var e Named
	for end := len(r.Originals); end > 0; {
		begin := end - 1
		for begin > 0 && r.Originals[begin-1].Depth == r.Originals[begin].Depth {
			begin--
		}
		for _, o := range r.Originals[begin:end] {
			if id := foldID(o.MessageID); id != "" && !slices.Contains(e.Messages, id) {
				e.Messages = append(e.Messages, id)
			}
		}
		end = begin
	}
	if len(e.Messages) == 0 && (r.Kind == bounce.AutoReply || r.Kind == bounce.MDN) {
		e.Domains = domainsAbove(Domain(r.From))
	}
	return e
}

// foldID makes of a Message-ID what is recorded of it. Relays and reports have been seen to change its case.
func foldID(id string) string { return strings.ToLower(id) }

// Domain returns the domain of an address, folded: a correspondent is the same in both spellings.
func Domain(address string) string {
	return prvs.FoldDomain(strings.TrimSuffix(address[strings.LastIndexByte(address, '@')+1:], "."))
}

// maxLabels bounds how many domains above one are looked for.
const maxLabels = 5

// domainsAbove returns a domain and those above it that have at least two labels: mail to user@example.com may be
// answered from mail.example.com.
func domainsAbove(domain string) []string {
	var list []string
	for strings.IndexByte(domain, '.') > 0 && len(list) < maxLabels {
		list = append(list, domain)
		_, domain, _ = strings.Cut(domain, ".")
	}
	return list
}

// maxFailed is how many recipients that a bounce names as failed are looked up and recorded. Most name one.
const maxFailed = 20

// failedRecipients returns the first recipients that a report names as failed, each of them once.
func failedRecipients(r *bounce.Report) []string {
	if r == nil {
		return nil
	}
	var failed []string
	for i := range r.Recipients {
		to := &r.Recipients[i]
		if address := strings.ToLower(to.Address); to.Action == "failed" && address != "" && !slices.Contains(failed, address) {
			if failed = append(failed, address); len(failed) == maxFailed {
				break
			}
		}
	}
	return failed
}
