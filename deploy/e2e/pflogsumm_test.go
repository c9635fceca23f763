package e2e

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// pflogsumm adds up what Postfix logs of refusals by their reason, whoever the recipient is and at whatever stage they were given.
func TestPflogsumm(t *testing.T) {
	t.Parallel()
	pflogsumm := needProgram(t, "pflogsumm", "pflogsumm")
	s := newSite(t, siteOptions{top: "bad_tag = \"rcpt\""})
	original := newMessage("user@virt.example", "friend@remote.example").text
	for _, user := range []string{"user@virt.example", "other@virt.example"} {
		for _, to := range []string{
			user, // at the end of the message
			s.daemon.sign(t, user, time.Now().AddDate(0, 0, -30)), // expired, likewise
			forge(s.daemon.sign(t, user, time.Now())),             // at RCPT
		} {
			s.attempt(t, "", to, newBounce(to, original))
		}
		to := forge(s.daemon.sign(t, user, time.Now())) // ordinary mail
		s.attempt(t, "friend@remote.example", to, newMessage("friend@remote.example", to))
	}
	for range 2 { // at DATA
		s.attempt(t, "", "user@early.example", newBounce("user@early.example", original))
	}
	// QUIRK: pflogsumm 1.1.5 leaves out what a milter refuses at RCPT and DATA. It gets such lines as refusals by Postfix itself.
	summary := exec.Command(pflogsumm)
	summary.Stdin = strings.NewReader(regexp.MustCompile(`(smtpd\[\d+\]: \w+: )milter-(reject: (?:RCPT|DATA) )`).ReplaceAllString(s.postfix.log(), "$1$2"))
	out, err := summary.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		`(?m)^  +2 +from \S+\[\S+\]: 5\.7\.1 No tag: `,
		`(?m)^  +2 +from \S+\[\S+\]: 5\.7\.1 Expired tag: `,
		`(?m)^    this bounce to an invalid tag answers no message sent from here \(total: 2\)`,
		`(?m)^    the tag of the recipient is invalid \(total: 2\)`,
		`(?m)^    this bounce to an address without a tag answers .* \(total: 2\)`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no line like %s", want)
		}
	}
	if t.Failed() {
		t.Logf("%s\n%s", out, s.postfix.log())
	}
}
