package filter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// What becomes of mail with the null sender, by kind: the table in the manual. Each sample of such mail belongs to one row, by the beginning
// of its name; the longest beginning counts. None of them names a message on record.
var nullSenderRows = []struct {
	kind    string
	samples string
	// For a recipient who has written to the domain of the author lately, and for another one.
	known, stranger outcomeOfKind
}{
	{"one-time codes, confirmations of an address, notices about a login", "one-time-code verify- confirm- password- new-device login-", passes, passes},
	{"orders, bookings, invoices, parcels", "order- booking invoice payment- reminder parcel- delivery-notification-", passes, passes},
	{"web forms, comments, surveys, social networks, newsletters", "web-form- comment- survey social newsletter ticket-", passes, passes},
	{"voicemail, fax, scanner, printer, SMS, doorbell", "voicemail missed-call fax- scanner printer- sms- doorbell", passes, passes},
	{"monitoring, cron, logs, backups, certificates, forges", "monitoring- cron logwatch pflogsumm backup- certificate ups ci- jira merge-request test-message", passes, passes},
	{"quota, quarantine and virus notices", "quota- quarantine- virus- spam-", passes, passes},
	{"reports about DMARC, TLS and abuse", "dmarc- tls- feedback- abuse-", passes, passes},
	{"invitations, and answers to them", "calendar-", passes, passes},
	{"list mail, also as Exchange expands it", "list-", passes, passes},
	{"mail of a person, forwarded mail, notices of Sieve, mail to the postmaster", "person- forwarded- sieve- to-postmaster not-a-receipt", passes, passes},
	{"Exchange's copies for an archive, whatever they contain", "journal-", passes, passes},
	{"what is perhaps a receipt: it says so in words alone", "receipt-", fromCorrespondent, unclear},
	{"what is perhaps an automatic reply: it says so in words alone, or names some message", "reply-", fromCorrespondent, unclear},
	{"what is perhaps a challenge", "challenge-", fromCorrespondent, unclear},
	{"what is perhaps a bounce: it says so in words alone", "bounce-", fromCorrespondent, unclear},
	{"forwarded bounces, and notices in the words of a bounce", "like-bounce-", fromCorrespondent, unclear},
	{"notices in the words of an automatic reply", "like-reply-", fromCorrespondent, unclear},
	{"automatic replies and challenges that say so in their header, and name no message", "reply-marked reply-ticket reply-exchange challenge-tmda", fromCorrespondent, allowed},
	{"the same, and they name a message that is not on record", "reply-marked-other", refused, refused},
	{"bounces of a mail system that name no message", "bounce-encrypted", refused, refused},
}

type outcomeOfKind struct {
	reason policy.Reason
	cause  policy.Cause
	action policy.Action
	words  string
}

var (
	passes            = outcomeOfKind{policy.NoBounce, policy.NoCause, policy.ActionAccept, "`no-bounce`: delivered"}
	fromCorrespondent = outcomeOfKind{policy.ValidCorrespondent, policy.NoCause, policy.ActionAccept, "`valid-correspondent`: delivered, 200 a day"}
	unclear           = outcomeOfKind{policy.Grace, policy.Allowance, policy.ActionTag, "`allowance`: delivered and marked, 50 a day, then refused"}
	allowed           = outcomeOfKind{policy.Grace, policy.Allowance, policy.ActionTag, "`allowance`: delivered and marked, 3 a day, then refused"}
	refused           = outcomeOfKind{policy.Untagged, policy.NoCause, policy.ActionReject, "`untagged`: refused"}
)

func TestKindsOfMailWithTheNullSender(t *testing.T) {
	samples, err := filepath.Glob("bounce/testdata/null-sender/*.eml")
	if err != nil || len(samples) < 84 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	used := map[string]bool{}
	for _, sample := range samples {
		name := strings.TrimSuffix(filepath.Base(sample), ".eml")
		row, begins := -1, ""
		for i := range nullSenderRows {
			for _, start := range strings.Fields(nullSenderRows[i].samples) {
				if strings.HasPrefix(name, start) && len(start) > len(begins) {
					row, begins = i, start
				}
			}
		}
		if row < 0 {
			t.Errorf("%s has no row", name)
			continue
		}
		used[begins] = true
		message, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(string(message), "\n") // Return-Path
		for _, to := range []struct {
			address string
			want    outcomeOfKind
		}{{"user@example.com", nullSenderRows[row].known}, {"other@example.com", nullSenderRows[row].stranger}} {
			f := withRecord(t, nil)
			if from := authorDomain(text); from != "" {
				f.sendMail("<user@example.com>", "<friend@"+from+">", "Message-ID: <sent@example.com>\n\n\n")
			}
			x := f.explain("", to.address, text)
			if v := x.Verdict; v.Reason != to.want.reason || v.Cause != to.want.cause || v.Action != to.want.action {
				t.Errorf("%s to %s: %v (cause %q) %v, want %v (%q) %v\n%s", name, to.address, v.Reason, v.Cause, v.Action,
					to.want.reason, to.want.cause, to.want.action, strings.Join(x.Steps, "\n"))
			}
			// The same, as an MTA hands it over.
			f.outsideMTA().deliver("<>", "<"+to.address+">", strings.ReplaceAll(text, "\r\n", "\n"))
			if log := f.log.String(); !strings.Contains(log[strings.LastIndex(log, "msg=bounce"):], fmt.Sprintf(" reason=%s action=%s ", to.want.reason, to.want.action)) {
				t.Errorf("%s to %s: the milter has another verdict: %s", name, to.address, log[strings.LastIndex(log, "msg=bounce"):])
			}
		}
	}
	for i := range nullSenderRows {
		for _, start := range strings.Fields(nullSenderRows[i].samples) {
			if !used[start] {
				t.Errorf("no sample begins with %s", start)
			}
		}
	}
}

// authorDomain returns the domain in the From field.
func authorDomain(text string) string {
	for line := range strings.Lines(text) {
		if _, domain, ok := strings.Cut(strings.TrimRight(line, ">\r\n"), "@"); ok && strings.HasPrefix(strings.ToLower(line), "from:") {
			return domain
		}
	}
	return ""
}

// The manual's table says what the test above tests.
func TestManualHasTheKinds(t *testing.T) {
	manual, err := os.ReadFile("../deploy/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(manual), "<!-- kinds: held by a test -->\n")
	table, _, _ = strings.Cut(table, "\n\n")
	want := "| mail with the null sender | to a user who has written there lately | to another user |\n|---|---|---|"
	for _, row := range nullSenderRows {
		want += fmt.Sprintf("\n| %s | %s | %s |", row.kind, row.known.words, row.stranger.words)
	}
	if table != want {
		t.Errorf("deploy/manual.md has\n%s\nwant\n%s", table, want)
	}
}

// A storm of automatic replies uses the allowance up at once: the store need not have written what was counted.
func TestAllowance(t *testing.T) {
	f := withRecord(t, func(s *policy.Settings) { s.Proofs.UnprovenBouncesPerDay = 1 })
	f.setClock(testDay)
	send := func(to, text string) string {
		t.Helper()
		_, r := f.outsideMTA().deliver("<>", to, text)
		if r.code == 'a' {
			return ""
		}
		return r.text
	}
	if got := send("<user@example.com>", namelessBounce); got != "" {
		t.Errorf("a bounce within the allowance: %s", got)
	}
	if got := send("<user@example.com>", namelessBounce); got != untagged {
		t.Errorf("one more bounce: %q", got)
	}
	for n := range 2 {
		if got := send(fmt.Sprintf("<user+ext%d@example.com>", n), awayTextWithoutReference); got != "" {
			t.Errorf("reply %d: %s", n, got)
		}
	}
	if got := send("<user@example.com>", awayTextWithoutReference); got != untagged {
		t.Errorf("one more reply: %q", got)
	}
	if got := send("<other@example.com>", awayTextWithoutReference); got != "" {
		t.Errorf("a reply to another user: %s", got)
	}
	wantLog(t, f, "reason=grace action=tag would_be=untagged cause=allowance", "reason=untagged action=reject allowance=spent")
	if steps := strings.Join(f.explain("", "user@example.com", awayTextWithoutReference).Steps, "\n"); !strings.Contains(steps, "used up for today.") {
		t.Errorf("explained as\n%s", steps)
	}
	f.setClock(testDay.AddDate(0, 0, 1))
	if got := send("<user@example.com>", awayTextWithoutReference); got != "" {
		t.Errorf("a reply on the next day: %s", got)
	}
}

// The summary says how much mail was no bounce, and counts what was refused for a made-up tag.
func TestSummaryOfTheNullSender(t *testing.T) {
	f := start(t, nil)
	for range 2 {
		f.outsideMTA().deliver("<>", "<user@example.com>", "From: shop@shop.example\nSubject: Your code\n\n123456\n")
	}
	f.outsideMTA().message("<friend@example.org>", forged)
	f.server.logSummary()
	wantLog(t, f, "accepted=2 refused=1 deferred=0 discarded=0 would_refuse=0 no_bounce=2 refused_untagged=0 refused_invalid_tag=1")
}
