package report

import (
	"fmt"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
)

// failureLines say why own mail came back.
func (r *Report) failureLines() []string {
	f := &r.Failures
	if f.Count == 0 {
		return append(screen.Wrap("No bounce was accepted in this time that reports a failed or delayed recipient.", screen.Width), unseen()...)
	}
	const most = 10
	lines := []string{fmt.Sprintf("%s own recipients failed or are late.", screen.Short(f.Count)), ""}
	status := r.table("status")
	status.rows = status.rows[:min(len(status.rows), most)]
	lines = append(append(lines, status.lines()...), "")
	lines = append(lines, destinationTable(f.Destinations[:min(len(f.Destinations), most)]).lines()...)
	if len(f.Movers) > 0 {
		lines = append(lines, "", "Worse than in as long a time before:")
		lines = append(lines, destinationTable(f.Movers[:min(len(f.Movers), most)]).lines()...)
	}
	if len(f.BecauseOfTag) > 0 {
		lines = append(lines, "", "Refused or held because of the tag. Lines for the configuration:")
	}
	for i := range f.BecauseOfTag {
		t := &f.BecauseOfTag[i]
		why := "says so"
		if t.Evidence == "began" {
			why = "failures began with signing"
		}
		lines = append(lines, bullet(fmt.Sprintf("%s, mail of %s: %s since %s, %s", t.Destination, t.Domain, screen.Short(t.Count), t.Since, why))...)
		for _, l := range t.Config {
			lines = append(lines, "      "+screen.Printable(l))
		}
	}
	return append(lines, unseen()...)
}

// unseen says what no report of failures has.
func unseen() []string {
	return append([]string{""}, screen.Wrap("What another server refuses at once is here only if your MTA shows its own bounces to milters (Postfix: "+
		"internal_mail_filter_classes = bounce). Otherwise its log has it (status=bounced).", screen.Width)...)
}
