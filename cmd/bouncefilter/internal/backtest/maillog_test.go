package backtest

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logfile"
)

// postfixLog is what Postfix writes about: mail of a user who has logged in, which is returned by the own MTA; mail in the name of that user
// from outside, through a content filter; two bounces from outside, of which one comes from where the user wrote; and one that is refused.
const postfixLog = `Nov 20 10:00:00 mx postfix/submission/smtpd[11]: 4AAAAA1: client=dsl.example.net[198.51.100.20], sasl_method=PLAIN, sasl_username=user
Nov 20 10:00:00 mx postfix/cleanup[12]: 4AAAAA1: message-id=<m1@example.com>
Nov 20 10:00:00 mx postfix/qmgr[13]: 4AAAAA1: from=<user@example.com>, size=500, nrcpt=2 (queue active)
Nov 20 10:00:02 mx postfix/smtp[14]: 4AAAAA1: to=<friend@remote.example>, relay=mx.remote.example[203.0.113.9]:25, delay=2, delays=1/0/1/0, dsn=2.0.0, status=sent (250 ok)
Nov 20 10:00:03 mx postfix/smtp[14]: 4AAAAA1: to=<nobody@other.example>, relay=mx.other.example[203.0.113.7]:25, delay=3, delays=1/0/1/0, dsn=5.1.1, status=bounced (host said: 550 no)
Nov 20 10:00:03 mx postfix/bounce[15]: 4AAAAA1: sender non-delivery notification: 4BBBBB2
Nov 20 10:00:03 mx postfix/cleanup[12]: 4BBBBB2: message-id=<20261120100003.4BBBBB2@mx.example.com>
Nov 20 10:00:03 mx postfix/qmgr[13]: 4BBBBB2: from=<>, size=900, nrcpt=1 (queue active)
Nov 20 10:00:03 mx postfix/qmgr[13]: 4AAAAA1: removed
Nov 20 10:00:04 mx postfix/lmtp[16]: 4BBBBB2: to=<user@example.com>, relay=mx.example.com[private/lmtp], delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (ok)
Nov 20 10:00:04 mx postfix/qmgr[13]: 4BBBBB2: removed
Nov 20 11:00:00 mx postfix/smtpd[17]: 4CCCCC3: client=bot.example[198.51.100.7]
Nov 20 11:00:00 mx postfix/cleanup[12]: 4CCCCC3: message-id=<forged@bot.example>
Nov 20 11:00:00 mx postfix/qmgr[13]: 4CCCCC3: from=<user@example.com>, size=500, nrcpt=1 (queue active)
Nov 20 11:00:01 mx postfix/smtpd[17]: 4DDDDD4: client=localhost[127.0.0.1]
Nov 20 11:00:01 mx postfix/cleanup[12]: 4DDDDD4: message-id=<forged@bot.example>
Nov 20 11:00:01 mx postfix/qmgr[13]: 4DDDDD4: from=<user@example.com>, size=500, nrcpt=1 (queue active)
Nov 20 11:00:01 mx postfix/smtp[14]: 4CCCCC3: to=<user@example.com>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 queued as 4DDDDD4)
Nov 20 11:00:01 mx postfix/qmgr[13]: 4CCCCC3: removed
Nov 20 11:00:02 mx postfix/lmtp[16]: 4DDDDD4: to=<user@example.com>, relay=mx.example.com[private/lmtp], delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (ok)
Nov 20 11:00:02 mx postfix/qmgr[13]: 4DDDDD4: removed
Nov 21 09:00:00 mx postfix/smtpd[17]: 4EEEEE5: client=mx.remote.example[203.0.113.9]
Nov 21 09:00:00 mx postfix/cleanup[12]: 4EEEEE5: message-id=<dsn1@mx.remote.example>
Nov 21 09:00:00 mx postfix/qmgr[13]: 4EEEEE5: from=<>, size=900, nrcpt=1 (queue active)
Nov 21 09:00:01 mx postfix/lmtp[16]: 4EEEEE5: to=<box@mail.example.com>, orig_to=<user@example.com>, relay=mx.example.com[private/lmtp], delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (ok)
Nov 21 09:00:01 mx postfix/qmgr[13]: 4EEEEE5: removed
Nov 21 09:30:00 mx postfix/smtpd[17]: 4FFFFF6: client=unknown[198.51.100.99]
Nov 21 09:30:00 mx postfix/cleanup[12]: 4FFFFF6: message-id=<dsn2@far.example>
Nov 21 09:30:00 mx postfix/qmgr[13]: 4FFFFF6: from=<>, size=900, nrcpt=1 (queue active)
Nov 21 09:30:01 mx postfix/lmtp[16]: 4FFFFF6: to=<user@example.com>, relay=mx.example.com[private/lmtp], delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (ok)
Nov 21 09:30:01 mx postfix/qmgr[13]: 4FFFFF6: removed
Nov 21 09:40:00 mx postfix/smtpd[17]: NOQUEUE: reject: RCPT from unknown[198.51.100.99]: 554 5.7.1 no; from=<> to=<user@example.com> proto=ESMTP helo=<x>
Nov 21 09:50:00 mx postfix/smtpd[17]: 4GGGGG7: client=unknown[198.51.100.98]
Nov 21 09:50:00 mx postfix/cleanup[12]: 4GGGGG7: milter-reject: END-OF-MESSAGE from unknown[198.51.100.98]: 5.7.1 spam; from=<> to=<user@example.com> proto=ESMTP helo=<x>
Nov 21 09:50:00 mx CRON[99]: (root) CMD (true)
`

// sendmailLog is the same as far as Sendmail has it.
const sendmailLog = `Nov 20 10:00:00 mx sm-mta[11]: AUTH=server, relay=dsl.example.net [198.51.100.20], authid=user, mech=PLAIN, bits=0
Nov 20 10:00:00 mx sm-mta[11]: 4AKA00aa000011: from=<user@example.com>, size=500, class=0, nrcpts=2, msgid=<m1@example.com>, proto=ESMTPSA, daemon=MTA, relay=dsl.example.net [198.51.100.20]
Nov 20 10:00:02 mx sm-mta[14]: 4AKA00aa000011: to=<friend@remote.example>, ctladdr=<user@example.com> (1000/1000), delay=00:00:02, xdelay=00:00:02, mailer=esmtp, pri=1, relay=mx.remote.example. [203.0.113.9], dsn=2.0.0, stat=Sent (ok)
Nov 20 10:00:03 mx sm-mta[14]: 4AKA00aa000011: to=<nobody@other.example>, delay=00:00:03, mailer=esmtp, pri=1, relay=mx.other.example. [203.0.113.7], dsn=5.1.1, stat=User unknown
Nov 20 10:00:03 mx sm-mta[14]: 4AKA00aa000011: 4AKA03aa000014: DSN: User unknown
Nov 20 10:00:04 mx sm-mta[14]: 4AKA03aa000014: to=<user@example.com>, delay=00:00:01, mailer=local, pri=1, dsn=2.0.0, stat=Sent
Nov 20 11:00:00 mx sm-mta[17]: 4AKB00aa000017: from=<user@example.com>, size=500, class=0, nrcpts=1, msgid=<forged@bot.example>, proto=ESMTP, daemon=MTA, relay=bot.example [198.51.100.7]
Nov 20 11:00:01 mx sm-mta[18]: 4AKB00aa000017: to=<user@example.com>, delay=00:00:01, mailer=local, pri=1, dsn=2.0.0, stat=Sent
Nov 21 09:00:00 mx sm-mta[19]: 4AL900aa000019: from=<>, size=900, class=0, nrcpts=1, msgid=<dsn1@mx.remote.example>, proto=ESMTP, daemon=MTA, relay=mx.remote.example [203.0.113.9]
Nov 21 09:00:01 mx sm-mta[20]: 4AL900aa000019: to=<user@example.com>, delay=00:00:01, mailer=local, pri=1, dsn=2.0.0, stat=Sent
Nov 21 09:30:00 mx sm-mta[21]: 4AL930aa000021: from=<>, size=900, class=0, nrcpts=1, msgid=<dsn2@far.example>, proto=ESMTP, daemon=MTA, relay=[198.51.100.99]
Nov 21 09:30:01 mx sm-mta[22]: 4AL930aa000021: to=<user@example.com>, delay=00:00:01, mailer=local, pri=1, dsn=2.0.0, stat=Sent
`

// parse reads a line of syslog.
func parse(text string) logfile.Line {
	return logfile.Clock{Now: now(), Zone: time.UTC}.Parse(strings.TrimRight(text, "\n"))
}

// exported turns lines of syslog into the export format of the journal.
func exported(t *testing.T, log string, binary bool) string {
	t.Helper()
	var b strings.Builder
	for text := range strings.Lines(log) {
		l := parse(text)
		if !isOfProgram(l) {
			t.Fatalf("%q", text)
		}
		fmt.Fprintf(&b, "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=%d\n_HOSTNAME=%s\nSYSLOG_IDENTIFIER=%s\n_PID=%s\n", l.Time.UnixMicro(), l.Host, l.Program, l.PID)
		if binary {
			fmt.Fprintf(&b, "MESSAGE\n%s\x00\x00\x00\x00\x00\x00%s\n\n", string([]byte{byte(len(l.Text)), byte(len(l.Text) >> 8)}), l.Text)
			continue
		}
		fmt.Fprintf(&b, "MESSAGE=%s\n\n", l.Text)
	}
	return b.String()
}

func TestLogs(t *testing.T) {
	iso := func(log string) string {
		var b strings.Builder
		for l := range strings.Lines(log) {
			at, _ := time.Parse("Jan _2 15:04:05", l[:15])
			b.WriteString(at.AddDate(2026, 0, 0).Format("2006-01-02T15:04:05.000000-0700") + l[15:])
		}
		return b.String()
	}
	toJSON := func(log string) string {
		var b strings.Builder
		for text := range strings.Lines(log) {
			l := parse(text)
			fmt.Fprintf(&b, `{"__REALTIME_TIMESTAMP":"%d","_HOSTNAME":%q,"SYSLOG_IDENTIFIER":%q,"_PID":%q,"MESSAGE":%s}`+"\n", l.Time.UnixMicro(), l.Host, l.Program, l.PID, strconv.Quote(l.Text))
		}
		return b.String()
	}
	lines := strings.SplitAfter(postfixLog, "\n")
	half := func(from, to int) string { return strings.Join(lines[from:to], "") }
	for name, files := range map[string]map[string]string{
		"postfix":                    {"mail.log": postfixLog},
		"postfix, times of RFC 3339": {"mail.log": iso(postfixLog)},
		"postfix, rotated":           {"mail.log": half(5, len(lines)), "mail.log.1.gz": compress(half(0, 5))},
		"postfix, rotated otherwise": {"a": half(0, 5), "b": half(5, len(lines))},
		"journal export":             {"journal": exported(t, postfixLog, false)},
		"journal export, binary":     {"journal": exported(t, postfixLog, true)},
		"journal json":               {"journal": toJSON(postfixLog)},
		"sendmail":                   {"maillog": sendmailLog},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, options(tree(t, files)))
			var got []string
			for _, m := range r.Messages {
				got = append(got, fmt.Sprintf("%s/%s/%s", m.Class, m.Why, m.Recipient))
			}
			want := "genuine/own-mta/user@example.com cannot-tell/log-known/user@example.com cannot-tell/log-unknown/user@example.com"
			if strings.Join(got, " ") != want {
				t.Errorf("%v", got)
			}
			rejected := 2
			if name == "sendmail" {
				rejected = 0
			}
			if c := r.Read; c.LogSent != 1 || c.Rejected != rejected || c.Unread != 0 || c.Logs != len(files) {
				t.Errorf("%+v %v", c, r.Unread)
			}
			if fmt.Sprint(r.Clients) != "[{198.51.100.99 1} {203.0.113.9 1}]" || fmt.Sprint(r.LogTo) != "[{user@example.com 2}]" {
				t.Errorf("from %v to %v", r.Clients, r.LogTo)
			}
			var text strings.Builder
			if err := Print(&text, r, 0); err != nil || !strings.Contains(text.String(), "\nAll of these by day, at most 2:\n  11-20 ▄█ 11-21\n") {
				t.Errorf("%v\n%s", err, &text)
			}
			if r.LogSince == nil || !r.LogSince.Equal(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)) {
				t.Errorf("since %v", r.LogSince)
			}
		})
	}
}

// A log says of saved mail what was sent, and from which client it came.
func TestLogAndMail(t *testing.T) {
	genuine := dsn("m1@example.com", "x@remote.example", "", time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))
	genuine.header = "Message-ID: <dsn1@mx.remote.example>\n" + strings.Replace(genuine.header, "Message-ID", "X-Was", 1)
	back := dsn("x@example.com", "x@elsewhere.example", native, time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC))
	back.header = "Message-ID: <dsn2@far.example>\n" + strings.Replace(back.header, "Message-ID", "X-Was", 1)
	forged := dsn("forged@bot.example", "x@remote.example", foreign, ago(50), ago(49))
	const greeting = "Received: from mail.example.com (unknown [198.51.100.7]) by mx.remote.example; Mon, 23 Nov 2026 09:00:00 +0000\n"
	greeted := dsn("greeted@bot.example", "x@remote.example", greeting, ago(50), ago(48))
	dir := tree(t, map[string]string{"mail.log": strings.Replace(postfixLog, "Nov 20 10:00:00", "Nov 10 10:00:00", 3), "1": genuine.String(), "2": back.String(), "3": forged.String(), "4": greeted.String()})
	r := run(t, options(dir))
	var got []string
	for _, m := range r.Messages {
		got = append(got, fmt.Sprintf("%s/%s/%v/%s/%s", m.Class, m.Why, m.Sure, m.QueueID, m.Client))
	}
	want := "genuine/own-mta/true/4BBBBB2/ genuine/message/true/4EEEEE5/203.0.113.9 cannot-tell/own-host/false/4FFFFF6/198.51.100.99 backscatter/not-sent/true// backscatter/not-sent/true//"
	if strings.Join(got, " ") != want {
		t.Errorf("%v", got)
	}
	// The second one came from a host of the site, by the server that got it, whatever the log of another host says. Without the log, one that
	// came from a host which only called itself so may be genuine as well.
	for _, file := range []string{"2", "4"} {
		if r := run(t, options(filepath.Join(dir, file))); r.Classes[CannotTell] != 1 {
			t.Errorf("%s without the log: %v", file, r.Classes)
		}
	}
}

// A log on the standard input.
func TestLogOnStdin(t *testing.T) {
	o := options(Stdin)
	o.Stdin = strings.NewReader(postfixLog)
	if r := run(t, o); r.Total() != 3 || r.Read.Lines != strings.Count(postfixLog, "\n") {
		t.Errorf("%+v", r.Read)
	}
}

// However long a log is, so many messages are held.
func TestOpenMessagesAreBounded(t *testing.T) {
	ended := 0
	r := newLogReader(func(*logged) { ended++ }, func(time.Time) {}, func(string) {})
	at := now()
	for i := range maxOpen + 1 {
		r.line(logfile.Line{Time: at, Host: "mx", Program: "postfix/qmgr", PID: "1", Text: fmt.Sprintf("4%010d: from=<user@example.com>, size=1", i)})
		if i == maxOpen-1 && len(r.open) != maxOpen {
			t.Fatalf("%d are held, although so many may be", len(r.open))
		}
	}
	if len(r.open) > maxOpen/2+1 || ended+len(r.open) != maxOpen+1 {
		t.Errorf("%d are held, %d have ended", len(r.open), ended)
	}
	r.line(logfile.Line{Time: at.Add(sendmailQueue + time.Hour), Host: "mx", Program: "postfix/qmgr", PID: "1", Text: "4XXXXXX: from=<>, size=1"})
	if len(r.open) != 1 {
		t.Errorf("%d are held after as long as a queue holds them", len(r.open))
	}
	m := &logged{}
	for i := range maxLoggedTo + 1 {
		m.recipient(loggedRecipient{address: fmt.Sprint(i)})
	}
	if len(m.to) != maxLoggedTo {
		t.Errorf("%d recipients", len(m.to))
	}
}

func TestHostOf(t *testing.T) {
	for s, want := range map[string]string{
		"mx.example.com[192.0.2.1]:25":      "mx.example.com 192.0.2.1",
		"Mx.Example.com.[IPv6:2001:db8::1]": "mx.example.com 2001:db8::1",
		"unknown[unknown]":                  "unknown invalid IP",
		"mx.example.com[private/lmtp]":      "mx.example.com invalid IP",
		"none":                              "none invalid IP",
		"[192.0.2.1]":                       " 192.0.2.1",
	} {
		name, address := hostOf(s)
		if got := name + " " + address.String(); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]bool{"127.0.0.1": false, "::1": false, "10.1.2.3": false, "fe80::1": false, "192.0.2.1": true, "2001:db8::1": true} {
		if isOutside(netip.MustParseAddr(s)) != want {
			t.Errorf("%s: %v", s, !want)
		}
	}
}
