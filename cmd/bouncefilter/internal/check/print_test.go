package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
)

// Very many domains share lines with those in the same state.
func TestDomainLines(t *testing.T) {
	var domains []status.Domain
	for i := range 20_000 {
		d := status.Domain{Name: fmt.Sprintf("d%d.example", i), Mode: "auto"}
		if i == 7 {
			d.Mode = "monitor"
		}
		domains = append(domains, d)
	}
	if lines := domainLines(domains[:3]); len(lines) != 3 || lines[0] != "d0.example: auto, monitored; enforced one lifetime after its first signed message" {
		t.Errorf("few domains: %q", lines)
	}
	lines := domainLines(domains)
	if len(lines) != 2 || !strings.Contains(lines[0], " and 19989 others: auto, monitored") || lines[1] != "d7.example: monitor" {
		t.Errorf("very many domains: %q", lines)
	}
	for i := range domains { // each in a state of its own
		domains[i].SigningSince, domains[i].EnforcedFrom = fmt.Sprint(i), fmt.Sprint(i)
	}
	if lines := domainLines(domains); len(lines) != maxDomainLines+1 || !strings.HasSuffix(lines[maxDomainLines], "other states; check --json lists all domains") {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}
