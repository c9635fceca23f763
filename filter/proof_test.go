package filter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// The message that the tests send before they answer it.
const (
	sentID   = "1.letter@mail.example.com"
	sentText = "Message-ID: <" + sentID + ">\nFrom: A User <user@example.com>\nSubject: letter\n\nHello\n"
)

// sendMail lets an authenticated client send mail on the test day.
func (f *fixture) sendMail(from, to, text string) reply {
	f.t.Helper()
	f.setClock(testDay)
	return f.sendMailNow(from, to, text)
}

// sendMailNow is sendMail on the day that the clock shows.
func (f *fixture) sendMailNow(from, to, text string) reply {
	f.t.Helper()
	m := f.dial()
	m.auth = "user"
	m.connect(outsider, 40123)
	_, r := m.deliver(from, to, text)
	if r.code != 'a' {
		f.t.Fatalf("outbound mail: %c %s", r.code, r.text)
	}
	return r
}

// dsnText is a delivery status notification that returns the header of a message.
func dsnText(messageID string) string {
	return `From: MAILER-DAEMON@mx.example.org
To: user@example.com
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; friend@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 user unknown
--b
Content-Type: text/rfc822-headers

Message-ID: <` + messageID + `>
From: user@example.com
--b--
`
}

const (
	mdnText = `From: friend@example.org
To: user@example.com
Subject: Read: letter
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="b"

--b
Content-Type: text/plain

Your message was read.
--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; friend@example.org
Original-Message-ID: <%s>
Disposition: manual-action/MDN-sent-manually; displayed
--b--
`
	awayText = `From: friend@example.org
To: user@example.com
Subject: Automatic reply: letter
Auto-Submitted: auto-replied
In-Reply-To: <%s>

I am away.
`
	awayTextWithoutReference = `From: friend@mail.example.org
To: user@example.com
Subject: Out of office
Auto-Submitted: auto-replied

I am away.
`
)

func nested(messageID string) string {
	return `From: MAILER-DAEMON@mx.example.net
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="outer"

--outer
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; list-owner@example.net
Action: failed
Status: 5.0.0
--outer
Content-Type: message/rfc822

Message-ID: <outer@mx.example.org>
` + dsnText(messageID) + "--outer--\n"
}

// explain explains what deliver is about to do.
func (f *fixture) explain(from, to, text string) *judge.Explanation {
	return judge.Explain(judge.Message{
		Policy: f.server.state.Load().policy, Hasher: f.server.hasher, Record: f.server.view, Now: f.now(),
	}, judge.Delivery{Sender: from, Recipient: to, Content: func(bodyBytes int) *bounce.Report {
		limits := bounce.DefaultLimits()
		limits.BodyBytes = bodyBytes
		report, err := bounce.Read(strings.NewReader("Return-Path: <"+from+">\n"+text), limits)
		if err != nil {
			f.t.Fatal(err)
		}
		return report
	}})
}

// What a bounce without a usable tag proves by what it answers.
func TestProof(t *testing.T) {
	away, mdn := fmt.Sprintf(awayText, sentID), fmt.Sprintf(mdnText, sentID)
	for _, tt := range []struct {
		name   string
		from   string // <> unless set
		to     string
		text   string
		after  int // days
		change func(*policy.Settings)
		code   byte
		reply  string
		log    string
	}{
		{name: "DSN", to: "user@example.com", text: dsnText(sentID), code: 'a', log: "reason=valid-message action=accept"},
		{name: "read receipt", to: "user@example.com", text: mdn, code: 'a', log: "reason=valid-message action=accept report=mdn"},
		{name: "out of office", to: "user@example.com", text: away, code: 'a', log: "reason=valid-message action=accept report=auto-reply"},
		{name: "bounce of a bounce", to: "user@example.com", text: nested(sentID), code: 'a', log: "reason=valid-message"},
		{name: "case folded on the way", to: "USER@Example.com", text: dsnText(strings.ToUpper(sentID)), code: 'a', log: "reason=valid-message"},
		{name: "expired tag, 20 days later", to: "prvs=178773a1ad=user@example.com", after: 20, text: dsnText(sentID), code: 'a', log: "reason=valid-message"},
		{name: "on the last day", to: "user@example.com", after: 30, text: dsnText(sentID), code: 'a', log: "reason=valid-message"},
		{name: "mangled tag", to: "prvs=367a5aa7f=user@example.com", text: dsnText(sentID), code: 'a', log: "reason=valid-message"},
		{name: "reply without reference, from below a domain written to", to: "user@example.com", text: awayTextWithoutReference, code: 'a', log: "reason=valid-correspondent action=accept"},

		{name: "Message-ID that is not on record", to: "user@example.com", text: dsnText("another@mail.example.com"), code: 'y', reply: untagged, log: "reason=untagged action=reject report=dsn"},
		{name: "Message-ID of another sender's mail", to: "other@example.com", text: dsnText(sentID), code: 'y', reply: untagged, log: "reason=untagged"},
		{name: "read receipt for another sender's mail", to: "other@example.com", text: mdn, code: 'y', reply: untagged, log: "reason=untagged"},
		{name: "after the retention", to: "user@example.com", after: 31, text: dsnText(sentID), code: 'y', reply: untagged, log: "reason=untagged"},
		{name: "reply with a reference that is not on record", to: "user@example.com", text: fmt.Sprintf(awayText, "x@example.net"), code: 'y', reply: untagged, log: "reason=untagged"},
		{name: "reply without reference, to a recipient who never wrote there", to: "other@example.com", text: awayTextWithoutReference, code: 'a',
			log: "reason=grace action=tag would_be=untagged cause=allowance"},
		{name: "reply that names another message, and returns one on record", to: "user@example.com",
			text: "From: friend@example.org\nSubject: Automatic reply: Hello\nAuto-Submitted: auto-replied\nIn-Reply-To: <relay@example.net>\nMIME-Version: 1.0\n" +
				"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nI am away.\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <" + sentID + ">\nFrom: user@example.com\nSubject: Hello\n\nHi\n--b--\n",
			code: 'a', log: "reason=valid-message"},
		{name: "DSN that names a message on record behind what is read", to: "user@example.com",
			text: strings.Replace(dsnText(sentID), "\n\n", "\n\n"+strings.Repeat("preamble of the multipart\n", 25_000), 1), code: 'a', log: "would_be=untagged cause=unread-content"},
		{name: "DSN that names no message", to: "user@example.com", text: strings.ReplaceAll(dsnText(sentID), "Message-ID", "X-Id"), code: 'y', reply: untagged, log: "reason=untagged"},
		{name: "expired tag without proof", to: "prvs=178773a1ad=user@example.com", after: 20, text: dsnText("another@mail.example.com"), code: 'y',
			reply: "550 5.7.1 Expired tag: this bounce to an expired tag comes too late", log: "reason=expired"},
		{name: "content not wanted", change: func(s *policy.Settings) { s.Domains[0].RefuseUntaggedAtData = true }, to: "user@example.com", text: mdn, code: 'y', reply: untagged, log: "reason=untagged"},

		{name: "from mailer-daemon, marked", from: "MAILER-DAEMON@mx.example.org", to: "user@example.com", text: dsnText("another@mail.example.com"), code: 'a', log: "msg=bounce queue_id=4ZQUEUEID client=203.0.113.7 sender=<MAILER-DAEMON@mx.example.org> recipient=<user@example.com> reason=untagged action=tag"},
		{name: "from mailer-daemon, proven", from: "MAILER-DAEMON@mx.example.org", to: "user@example.com", text: dsnText(sentID), code: 'a', log: "reason=valid-message"},
		{name: "from mailer-daemon, refused if configured", change: func(s *policy.Settings) { s.MailerDaemons.Refuse = true }, from: "mailer-daemon@mx.example.org", to: "user@example.com", text: dsnText("another@mail.example.com"), code: 'y', reply: untagged, log: "reason=untagged action=reject"},
		{name: "from postmaster, but a letter", change: func(s *policy.Settings) { s.MailerDaemons.Refuse = true }, from: "postmaster@example.org", to: "user@example.com", text: "From: postmaster@example.org\nSubject: your question\n\nYes, it is.\n", code: 'a'},
		{name: "from postmaster, a letter to a tagged address", from: "postmaster@example.org", to: "prvs=178773a1ad=user@example.com", text: "From: postmaster@example.org\nSubject: your question\n\nYes, it is.\n", code: 'a', log: "msg=inbound"},
		{name: "from another sender, not read", from: "sender@example.org", to: "user@example.com", text: dsnText("another@mail.example.com"), code: 'a'},
		{name: "from another sender, if mail of all is read", change: func(s *policy.Settings) { s.MailerDaemons.Senders = []string{"*"} }, from: "sender@example.org", to: "user@example.com", text: dsnText("another@mail.example.com"), code: 'a', log: "reason=untagged action=tag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, tt.change)
			f.server.view.RefreshRecord(t.Context())
			f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
			for day := range tt.after {
				f.setClock(testDay.AddDate(0, 0, day+1))
				f.server.view.RefreshRecord(t.Context())
			}
			explained := f.explain(tt.from, tt.to, tt.text)
			_, r := f.outsideMTA().deliver("<"+tt.from+">", "<"+tt.to+">", tt.text)
			if reply := explained.Reply.String(); explained.Reply.Code != 0 && reply != r.text || explained.Reply.Code == 0 && r.text != "" {
				t.Errorf("explained as %q, done as %q", explained.Steps, r.text)
			}
			if reason := explained.Verdict.Reason; reason != policy.NoReason && !strings.Contains(f.log.String(), "reason="+reason.String()+" ") {
				t.Errorf("explained as %v:\n%s", reason, f.log)
			}
			if r.code != tt.code || r.text != tt.reply {
				t.Errorf("%c %q, want %c %q", r.code, r.text, tt.code, tt.reply)
			}
			wantLog(t, f, tt.log)
		})
	}
}

// A bounce or receipt may come to the author in the header instead of the envelope sender.
func TestProofForAuthors(t *testing.T) {
	f := start(t, nil)
	f.server.view.RefreshRecord(t.Context())
	f.sendMail("<login@example.com>", "<friend@example.org>", "Message-ID:\n <"+sentID+">\nFrom: =?utf-8?q?A?= <User@Example.com>\nReply-To: desk@example.com, other@example.net\nErrors-To: errors@example.org\nDisposition-Notification-To: receipts@example.com\n\n\n")
	for _, to := range []string{"login", "user", "receipts", "desk"} {
		if _, r := f.outsideMTA().deliver("<>", "<"+to+"@example.com>", dsnText(sentID)); r.code != 'a' {
			t.Errorf("%s: %c %s", to, r.code, r.text)
		}
	}
	if _, r := f.outsideMTA().deliver("<>", "<other@example.com>", dsnText(sentID)); r.text != untagged {
		t.Errorf("other: %c %s", r.code, r.text)
	}
}

// Mail that leaves unsigned is recorded as well: it may be answered to an address of ours in its header.
func TestProofOfMailLeftUnsigned(t *testing.T) {
	for _, tt := range []struct{ name, from, to, reason string }{
		{"foreign sender", "<bounces@crm.example.net>", "<friend@example.org>", "foreign-domain"},
		{"recipient not to be tagged", "<login@example.com>", "<list@lists.example.org>", "do-not-tag"},
		{"excluded sender", "<news@example.com>", "<friend@example.org>", "excluded-sender"},
		{"no room for a tag", "<" + strings.Repeat("a", 49) + "@example.com>", "<friend@example.org>", "too-long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, func(s *policy.Settings) {
				s.DoNotTag = policy.DoNotTagLists{Recipients: []string{"@lists.example.org"}, Senders: []string{"news@example.com"}}
			})
			f.server.view.RefreshRecord(t.Context())
			if r := f.sendMail(tt.from, tt.to, sentText); len(r.mods) != 0 {
				t.Errorf("modifications: %v", r.mods)
			}
			wantLog(t, f, "reason="+tt.reason)
			for to, want := range map[string]string{"<user@example.com>": "", "<other@example.com>": untagged} {
				if _, r := f.outsideMTA().deliver("<>", to, fmt.Sprintf(awayText, sentID)); r.text != want {
					t.Errorf("automatic reply to %s: %c %s", to, r.code, r.text)
				}
			}
		})
	}
}

// A fault in the reader costs no mail: what cannot be read may have been a proof.
func TestBounceThatCannotBeRead(t *testing.T) {
	f := start(t, nil)
	f.server.view.RefreshRecord(t.Context())
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	p := f.server.state.Load().policy
	for _, tt := range []struct {
		to            string
		reason, would policy.Reason
		cause         policy.Cause
	}{
		{"<user@example.com>", policy.Grace, policy.Untagged, policy.UnreadContent},
		{signedUser, policy.Valid, policy.NoReason, policy.NoCause},
	} {
		s := &session{server: f.server, msg: &message{}}
		s.msg.state = f.server.state.Load()
		s.msg.judged.Message = judge.Message{Policy: p, Hasher: f.server.hasher, Record: f.server.view, Now: testDay, Sender: "<>"}
		rcpt := judge.Recipient{Raw: tt.to, Address: address(t, tt.to)}
		if s.msg.judged.Rcpt(&rcpt, true) || s.msg.judged.Data() != judge.Continue {
			t.Fatalf("%s: refused before its content is read", tt.to)
		}
		s.readBounce(func() *bounce.Report { panic("a bug") })
		if outcome := s.msg.judged.End(); outcome != judge.Delivered {
			t.Errorf("%s: outcome %d", tt.to, outcome)
		}
		if v := s.msg.judged.Recipients[0].Verdict; v.Reason != tt.reason || v.Would != tt.would || v.Cause != tt.cause || v.Action != policy.ActionAccept {
			t.Errorf("%s: %v (would be %v, cause %q) %v", tt.to, v.Reason, v.Would, v.Cause, v.Action)
		}
		if judge.IsBounce(s.msg.judged.Report) {
			t.Errorf("%s: mail of a mailer daemon that cannot be read passes for a bounce", tt.to)
		}
	}
	wantLog(t, f, "a bounce cannot be read")
	if n := f.server.stats.panics.Load(); n != 2 {
		t.Errorf("%d faults counted", n)
	}
}

func TestProofIsUsedUp(t *testing.T) {
	f := start(t, func(s *policy.Settings) {
		s.Proofs.BouncesAtLeast, s.Proofs.BouncesPerRecipient, s.Proofs.RepliesPerDay = 40, 5, 3
	})
	f.server.view.RefreshRecord(t.Context())
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	delivered := func(text string) (n int) {
		t.Helper()
		for range 100 {
			_, r := f.outsideMTA().deliver("<>", "<user@example.com>", text)
			if r.code != 'a' {
				if r.text != "450 4.7.1 Too many bounces: this address gets no further bounces for now, try again later" {
					t.Errorf("after %d: %c %s", n, r.code, r.text)
				}
				return n
			}
			f.server.view.Flush()
			n++
		}
		return n
	}
	if n := delivered(dsnText(sentID)); n != 45 {
		t.Errorf("one message to one recipient has proven %d bounces", n)
	}
	if n := delivered(awayTextWithoutReference); n != 3 {
		t.Errorf("%d automatic replies without a reference were believed", n)
	}
	f.setClock(testDay.AddDate(0, 0, 1))
	if n := delivered(awayTextWithoutReference); n != 3 {
		t.Errorf("%d automatic replies without a reference were believed on the next day", n)
	}
	wantLog(t, f, "reason=over-budget action=defer")
}

// countingStore holds what is recorded.
type countingStore struct {
	storetest.Fake
	calls   int
	records []store.Record
}

func (s *countingStore) Record(_ context.Context, _ store.Day, _ string, rs ...store.Record) error {
	s.calls++
	s.records = append(s.records, rs...)
	return nil
}

// All that a message leaves behind is one call of the store.
func TestWhatIsRecorded(t *testing.T) {
	st := &countingStore{}
	f := startWith(t, st, nil, nil)
	m := f.dial()
	m.auth = "user"
	m.connect(outsider, 40123)
	m.mail("<user@example.com>")
	for _, to := range []string{"<a@example.org>", "<b@EXAMPLE.org>", "<c@example.net>"} {
		m.rcpt(to)
	}
	m.data()
	m.header("Message-ID", "<"+sentID+">")
	if r := m.end(); r.code != 'a' {
		t.Fatalf("%c %s", r.code, r.text)
	}
	h := f.server.hasher
	today := store.DayOf(testDay)
	want := []store.Record{
		{Key: h.Message("user@example.com", sentID), Expires: today + 30, Count: 3},
		{Key: h.Correspondent("user@example.com", "example.org"), Expires: today + 30},
		{Key: h.Correspondent("user@example.com", "example.net"), Expires: today + 30},
		{Key: h.Tag("user@example.com", today+7, 1), Expires: today + 7, Count: 3},
	}
	if st.calls != 1 || !slices.Equal(st.records, want) {
		t.Errorf("%d calls with\n%v, want\n%v", st.calls, st.records, want)
	}
}

// A bounce is read as far as it is needed, and no further.
func TestContentIsReadAsFarAsNeeded(t *testing.T) {
	const chunk = 65535
	body := dsnText(sentID) + strings.Repeat(strings.Repeat("x", 76)+"\n", 5<<20/77)
	for _, tt := range []struct {
		name, from, to string
		change         func(*policy.Settings)
		chunks         int
	}{
		{name: "outbound mail", from: "<user@example.com>", to: "<friend@example.org>", chunks: 1},
		{name: "proven by its tag, for the log", from: "<>", to: signedUser, chunks: judge.DetailBytes/chunk + 1},
		{name: "proven by its tag, not read", from: "<>", to: signedUser, change: func(s *policy.Settings) { s.ReadAll = false }, chunks: 1},
		{name: "in need of a proof", from: "<>", to: "<user@example.com>", chunks: bounce.DefaultLimits().BodyBytes/chunk + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, tt.change)
			f.record("user@example.com", testDay.AddDate(0, 0, 7))
			m := f.dial()
			if tt.from != "<>" {
				m.auth = "user"
			}
			m.connect(outsider, 40123)
			m.deliver(tt.from, tt.to, body)
			if m.body != tt.chunks {
				t.Errorf("%d pieces of the body were sent, want %d", m.body, tt.chunks)
			}
		})
	}
}

// An MTA that cannot be asked to stop sends all of a body; the rest is not read.
func TestBodyFromAnMTAWithoutSkip(t *testing.T) {
	f := start(t, nil)
	f.server.view.RefreshRecord(t.Context())
	m := f.dialAs(6, allActions, allProtocol&^milter.OptSkip)
	m.connect(outsider, 40123)
	body := dsnText(sentID) + strings.Repeat(strings.Repeat("x", 76)+"\n", 1<<20/77)
	if _, r := m.deliver("<>", "<user@example.com>", body); r.text != untagged {
		t.Errorf("%c %s", r.code, r.text)
	}
	if m.body != len(strings.ReplaceAll(body, "\n", "\r\n"))/65535+1 {
		t.Errorf("%d pieces", m.body)
	}
	if _, r := m.deliver("<>", "<user@example.com>", dsnText(sentID)); r.text != untagged {
		t.Errorf("next message: %c %s", r.code, r.text)
	}
}

func TestLogSaysWhatABounceReports(t *testing.T) {
	f := start(t, nil)
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	if _, r := f.outsideMTA().deliver("<>", signedUser, dsnText(sentID)); r.code != 'a' {
		t.Fatalf("%c %s", r.code, r.text)
	}
	wantLog(t, f, "reason=valid action=accept", "report=dsn family=other original=<"+sentID+"> reporting_mta=mx.example.org "+
		"reported_recipient=<friend@example.org> reported_action=failed reported_status=5.1.1")
	if n := f.server.stats.reported.all()[reportKey{"example.com", "failed", "5"}]; n != 1 {
		t.Errorf("%d failed recipients of class 5 counted", n)
	}
}

// The bounce of mail sent while the store was wiped or silent is not refused.
func TestProofAndAnIncompleteRecord(t *testing.T) {
	for _, tt := range []struct {
		name string
		st   *storetest.Fake
		log  string
	}{
		{"silent", &storetest.Fake{Err: store.ErrUnavailable}, "reason=grace action=accept would_be=untagged"},
		{"vouches for nothing", &storetest.Fake{Answer: storetest.NothingFound(time.Time{})}, "reason=grace action=accept would_be=untagged"},
		{"wiped two days ago", &storetest.Fake{Answer: storetest.NothingFound(testDay.Add(-48 * time.Hour)),
			First: map[string]store.Day{"example.com": store.DayOf(testDay) - 100}}, "reason=grace action=accept would_be=untagged"},
		{"complete", &storetest.Fake{Answer: storetest.NothingFound(testDay.AddDate(0, 0, -99)),
			First: map[string]store.Day{"example.com": store.DayOf(testDay) - 99}}, "reason=untagged action=reject"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := startWith(t, tt.st, nil, nil)
			f.server.view.RefreshRecord(t.Context())
			f.server.view.RefreshRecord(t.Context())
			f.outsideMTA().deliver("<>", "<user@example.com>", fmt.Sprintf(awayText, sentID))
			wantLog(t, f, tt.log)
		})
	}
}

// Each step to a verdict is put into words.
func TestExplain(t *testing.T) {
	f := start(t, nil)
	f.server.view.RefreshRecord(t.Context())
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	for _, tt := range []struct {
		name, from, to, text string
		want                 []string
	}{
		{"proven", "", "user@example.com", dsnText(sentID), []string{
			"The envelope sender is the null sender <>, so this may be a bounce.",
			"The recipient's domain example.com is ours, in mode enforce.",
			"The recipient carries no tag.",
			"By its content it is a bounce, and answers <" + sentID + ">.",
			"The record is complete since ",
			"<" + sentID + "> is on record as sent by <user@example.com> to 1 recipient, and has proven 0 bounces of at most 510.",
			"Verdict: valid-message, accept. The message proves that it answers mail this recipient sent.",
		}},
		{"not proven", "", "other@example.com", dsnText(sentID), []string{
			"null sender", "ours", "no tag", "answers",
			"The record is complete since ",
			"None of what it answers is on record as sent by <other@example.com> since 2026-11-23T12:00:00Z.",
			"Verdict: untagged, reject.",
			"The client is answered at the end of the message: " + untagged,
		}},
		{"valid tag", "", strings.Trim(signedUser, "<>"), dsnText(sentID), []string{
			"null sender", "ours",
			"The recipient carries a tag for <user@example.com> with a right signature of key 1, valid until the end of 2026-11-30 (UTC).",
			"answers", "The record is complete", "The tag is on record.", "Verdict: valid, accept.",
		}},
		{"forged tag", "", strings.Trim(forged, "<>"), dsnText("x@example.net"), []string{
			"null sender", "ours", "The recipient carries a tag whose signature is not that of key 1.", "answers", "complete since", "None of what",
			"Verdict: bad-signature, reject.", "The client is answered at the end of the message: " + badTag,
		}},
		{"correspondent", "", "user@example.com", awayTextWithoutReference, []string{
			"null sender", "ours", "no tag", "By its content it is an automatic reply, and names no message that it answers; it comes from friend@mail.example.org.", "The record is complete",
			"<user@example.com> wrote to example.org lately, and got 0 of at most 200 automatic replies without a reference today.",
			"Verdict: valid-correspondent, accept.",
		}},
		{"SRS address", "", "SRS0=vGc4=TT=example.net=alice@example.com", dsnText(sentID), []string{
			"null sender", "ours", "The recipient is an SRS address, whose own hash is for the server to check that forwards mail.",
			"The record is complete", "Cause: never-signed. Mail of the recipient is never signed", "Verdict: exempt, accept."}},
		{"foreign recipient", "", "user@example.org", dsnText(sentID), []string{"null sender", `The recipient's domain "example.org" is none of ours: the MTA decides.`}},
		{"ordinary mail", "friend@example.org", strings.Trim(signedUser, "<>"), sentText, []string{
			"The envelope sender <friend@example.org> is not the null sender, so this is ordinary mail, of which only the recipient's tag is judged.",
			"The recipient's tag is removed: it is delivered to <user@example.com>.",
			"Verdict: untag, accept. Ordinary mail to a tagged address: the tag was removed."}},
		{"ordinary mail without a tag", "friend@example.org", "user@example.com", sentText, []string{
			"ordinary mail", "ours", "The recipient carries no tag.", "Verdict: none. Ordinary mail to an address without a tag is left to the MTA."}},
		{"ordinary mail of another site", "friend@example.org", "user@example.org", sentText, []string{
			"ordinary mail", "The recipient's domain is none of ours: the MTA decides."}},
		{"ordinary mail to a forged tag", "friend@example.org", strings.Trim(forged, "<>"), sentText, []string{
			"ordinary mail", "ours", "whose signature is not that of key 1.", "Verdict: invalid-tag, reject.",
			"The client is answered at DATA: 550 5.7.1 No such address: the tag of the recipient is invalid"}},
		{"no bounce", "", "other@example.com", sentText, []string{
			"null sender", "ours", "no tag", "By its content it is no bounce, and names no message that it answers; it comes from ", "complete since", "Verdict: no-bounce, accept."}},
		{"reply within the allowance", "", "other@example.com", awayTextWithoutReference, []string{
			"null sender", "ours", "no tag", "automatic reply", "complete since", "has not written there",
			"<other@example.com> got 0 of at most 3 messages today that nothing proves.",
			"It would be untagged", "Cause: allowance.", "Verdict: grace, tag."}},
		{"from a mailer daemon", "mailer-daemon@example.org", "other@example.com", dsnText(sentID), []string{
			"is one that bounces come from (mailer_daemons.senders), and this is one.", "ours", "no tag", "answers", "complete since", "None of what", "Cause: mailer-daemon.", "Verdict: untagged, tag."}},
		{"no address", "", "@", dsnText(sentID), []string{"The recipient <@> is not an address: it is left to the MTA."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := f.explain(tt.from, tt.to, tt.text).Steps
			if len(got) > len(tt.want) {
				t.Errorf("more steps than expected:\n%s", strings.Join(got, "\n"))
			}
			for i, want := range tt.want {
				if i >= len(got) || !strings.Contains(got[i], want) {
					t.Fatalf("step %d is not %q:\n%s", i, want, strings.Join(got, "\n"))
				}
			}
		})
	}
}
