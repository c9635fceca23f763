package backtest

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logfile"
)

func TestSentFolders(t *testing.T) {
	for name, want := range map[string]bool{
		"Sent": true, ".Sent": true, "sent-mail": true, "Sent Items": true, ".INBOX.Sent Messages": true, "Sent.mbox": true, "sent-mail-nov-2026": true,
		"Gesendete Elemente": true, ".Gesendet": true, "&AMk-l&AOk-ments envoy&AOk-s": true, ".INBOX.Envoy&AOk-s": true, "Elementos enviados": true,
		".Archive.Sent": true, ".Sent.2025": true, "&kAFP4W4IMH8-": true, ".[Gmail]/Sent Mail": true, "sent-2026-11": true,
		"INBOX": false, ".Drafts": false, "Absent": false, ".Presents": false, "sentinel": false, "sent-by-mistake": false, ".Trash": false, "": false,
		"broken &AMk": false, "&&&": false,
	} {
		if isSentFolder(name) != want {
			t.Errorf("%s (%s): %v", name, decodeUTF7(name), !want)
		}
	}
}

func TestFromLine(t *testing.T) {
	for line, want := range map[string]bool{
		"From MAILER-DAEMON Mon Nov 23 10:00:00 2026":             true,
		"From a@example.com  Mon Nov  3 10:00:00 2026":            true,
		"From - Mon Nov 23 10:00:00 2026":                         true,
		"From a@example.com Mon Nov 23 10:00 CET 2026":            true,
		"From a@example.com Mon Nov 23 10:00:00 +0100 2026":       true,
		"From \"a b\"@example.com Mon Nov 23 10:00:00 2026":       true,
		"From here on, it is not a separator.":                    false,
		"From Mon to Fri, 10:00 is the time of our meeting 2026.": false,
		"From: a@example.com":                                     false,
		"from a@example.com Mon Nov 23 10:00:00 2026":             false,
		"": false,
	} {
		if isFromLine([]byte(line+"\nX: y\n")) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}

// pieces returns the messages of an mbox.
func pieces(t testing.TB, text string) []string {
	t.Helper()
	var list []string
	at := int64(0)
	err := splitMbox(strings.NewReader(text), int64(len(text)), func(int64) bool { return true }, func(begin, length int64) bool {
		if begin != at || length <= 0 {
			t.Fatalf("a message at %d with %d octets, after %d", begin, length, at)
		}
		at += length
		list = append(list, text[begin:begin+length])
		return true
	})
	if err != nil || at != int64(len(text)) {
		t.Fatalf("%v; %d of %d octets", err, at, len(text))
	}
	return list
}

const separator = "From a@example.com Mon Nov 23 10:00:00 2026\n"

func TestMbox(t *testing.T) {
	long := strings.Repeat("x", firstRead-len(separator)-2)
	for name, tt := range map[string][]string{
		"one":                       {separator + "A: b\n\ntext\n"},
		"two":                       {separator + "A: b\n\ntext\n\n", separator + "C: d\n\n"},
		"a quoted line":             {separator + "A: b\n\ntext\n\n>" + separator + "more\n"},
		"in the middle of a text":   {separator + "A: b\n\ntext\n" + separator + "more\n"},
		"no date":                   {separator + "A: b\n\ntext\n\nFrom here on\n\n", separator},
		"Content-Length":            {separator + "Content-Length: 51\n\ntext\n\n" + separator + "\n", separator + "A: b\n\n"},
		"a wrong Content-Length":    {separator + "Content-Length: 9\n\ntext\n\n", separator + "A: b\n\n"},
		"a huge Content-Length":     {separator + "Content-Length: 99999999999999999999\n\ntext\n\n", separator + "A: b\n\n"},
		"across the end of a chunk": {separator + "\n" + long + "\n\n", separator + "A: b\n\n"},
		"a blank line before it":    {separator + "\n" + long[1:] + "\n\n", separator + "A: b\n\n"},
	} {
		got := pieces(t, strings.Join(tt, ""))
		if len(got) != len(tt) {
			t.Errorf("%s: %d messages, want %d: %.200q", name, len(got), len(tt), got)
			continue
		}
		for i := range tt {
			if got[i] != tt[i] {
				t.Errorf("%s: %.100q, want %.100q", name, got[i], tt[i])
			}
		}
	}
}

// counter counts what is read.
type counter struct {
	r     io.ReaderAt
	octet int
}

func (c *counter) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.r.ReadAt(p, at)
	c.octet += n
	return n, err
}

// Of ordinary mail no more is read than its beginning, of other mail no more than the header, however large it is.
func TestHeaderIsReadAlone(t *testing.T) {
	body := "\n" + strings.Repeat("All is well here.\n", 100_000)
	received := strings.Repeat("Received: from a.example by b.example with ESMTP; Mon, 23 Nov 2026 10:00:00 +0000\n", 200)
	for name, tt := range map[string]struct {
		text string
		all  bool
		most int
	}{
		"ordinary":               {"Return-Path: <a@example.com>\n" + received + body, false, firstRead},
		"sent":                   {"From: a@example.com\n" + body, true, firstRead},
		"null sender":            {"Return-Path: <>\n" + body, false, firstRead},
		"a long header":          {"Return-Path: <>\n" + received + body, false, firstRead + 4*firstRead},
		"a header without end":   {"Return-Path: <>\n" + strings.Repeat("X: y\n", 1_000_000), false, 2 * maxHeader},
		"a header without lines": {"Return-Path: <>" + strings.Repeat("x", 1_000_000), false, 2 * maxHeader},
	} {
		c := &counter{r: strings.NewReader(tt.text)}
		if _, err := readHeader(c, 0, int64(len(tt.text)), tt.all); err != nil || c.octet > tt.most || c.octet == 0 {
			t.Errorf("%s: %d octets, want at most %d; %v", name, c.octet, tt.most, err)
		}
	}
}

// An mbox is read about once, whether its messages are small or large.
func TestMboxIsReadOnce(t *testing.T) {
	for lines, messages := range map[int]int{10: 20_000, 30_000: 20} {
		var b strings.Builder
		for i := range messages {
			fmt.Fprintf(&b, "%sSubject: %d\n\n%s\n", separator, i, strings.Repeat("All is well here.\n", lines))
		}
		c := &counter{r: strings.NewReader(b.String())}
		n := 0
		w := newWindow(c)
		err := splitMbox(w, int64(b.Len()), func(at int64) bool {
			_, err := readHeader(w, at, int64(b.Len())-at, true)
			return err == nil
		}, func(int64, int64) bool { n++; return true })
		if err != nil || n != messages {
			t.Fatal(n, err)
		}
		if c.octet > b.Len()*3/2 || c.octet < b.Len() {
			t.Errorf("%d messages: %d octets of %d", messages, c.octet, b.Len())
		}
	}
}

func TestHeader(t *testing.T) {
	text := "From MAILER-DAEMON Mon Nov 23 10:00:00 2026\r\nReturn-Path: <>\r\nX-Original-To: user@example.com\r\nDelivered-To: box@mail.example.com\r\n" +
		"Received: from mx.remote.example (mx.remote.example [203.0.113.9])\r\n\tby MX.example.com (Postfix) with ESMTP id 4B\r\n\tfor <user@example.com>;\r\n Mon, 23 Nov 2026 11:00:00 +0100 (CET)\r\n" +
		"Received: from a by b; Mon, 1 Nov 2026 11:00:00 +0100\r\nX-Original-To: before@elsewhere.example\r\nbroken\r\nContent-Type: Multipart/REPORT; x=y\r\n\r\nMessage-ID: <body@example.com>\r\n"
	h, complete := parseHeader([]byte(text))
	got := fmt.Sprintf("%v %s %v %s %d %s %v %v %s %s", complete, h.fromLine, h.hasPath, h.returnPath, h.hops, h.arrived().UTC().Format("15:04"), h.envelope, h.report, h.by(), h.forAddress())
	if want := "true MAILER-DAEMON true <> 2 10:00 [user@example.com before@elsewhere.example box@mail.example.com] true mx.example.com user@example.com"; got != want || len(h.ids) != 0 || !h.fromHost() {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// FuzzMbox shows that the messages of an mbox are all of it, one behind the other, and that each begins where a separator is.
func FuzzMbox(f *testing.F) {
	f.Add([]byte(separator + "A: b\n\ntext\n\n" + separator + "Content-Length: 3\n\nabc\n\n" + separator))
	f.Add([]byte("\n" + separator + "\r\n\r\n" + separator))
	f.Add([]byte("From \nContent-Length: 9\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list := pieces(t, string(text))
		for i, m := range list {
			if i > 0 && !isFromLine([]byte(m)) {
				t.Errorf("message %d begins with %.40q", i, m)
			}
		}
	})
}

// FuzzHeader shows that what is read of a header does not depend on the body, on line ends, or on how it was cut off behind a field.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("Return-Path: <>\nReceived: from a by b for <c@d>; x\n y\nTo: a@example.com, b@example.com\n\nbody"))
	f.Add([]byte("From a b\nX-Original-To: a\nX-Original-To: b\nMessage-ID: <a@b>\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, complete := parseHeader(text)
		if complete {
			if again, _ := parseHeader(append(bytes.Clone(text), "From: late@example.com\n"...)); fmt.Sprint(again) != fmt.Sprint(h) {
				t.Errorf("%+v, with more of the body %+v", h, again)
			}
		}
		if bytes.IndexByte(text, '\r') < 0 {
			if again, _ := parseHeader(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))); fmt.Sprint(again) != fmt.Sprint(h) && len(text) < maxFieldBytes {
				t.Errorf("%+v, with CRLF %+v", h, again)
			}
		}
	})
}

// FuzzLog shows that a log of any contents is read to its end, and that no line has a time that has yet to come.
func FuzzLog(f *testing.F) {
	f.Add([]byte(postfixLog[:1000]))
	f.Add([]byte(sendmailLog[:1000]))
	f.Add([]byte("__REALTIME_TIMESTAMP=1\nSYSLOG_IDENTIFIER=postfix/qmgr\nMESSAGE\n\x05\x00\x00\x00\x00\x00\x00\x00hello\n\n"))
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":"1","MESSAGE":"4AAAAA1: from=<>, x","SYSLOG_IDENTIFIER":"postfix/qmgr"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		begun, ended := 0, 0
		r := newLogReader(func(*logged) { ended++ }, func(at time.Time) {}, func(string) {})
		_ = logfile.Read(bytes.NewReader(text), logfile.Clock{Now: now(), Zone: time.UTC}, func(l logfile.Line) bool {
			if l.Time.Year() == now().Year()+1 && !strings.Contains(string(text), "202") && !bytes.Contains(text, []byte("__REALTIME")) {
				t.Errorf("%v", l)
			}
			before := len(r.open) + ended
			r.line(l)
			begun += max(0, len(r.open)+ended-before)
			return true
		})
		r.flush()
		if len(r.open) != 0 || ended > begun {
			t.Errorf("%d have begun, %d have ended, %d are held", begun, ended, len(r.open))
		}
	})
}
