package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

const report = `Return-Path: <>
From: MAILER-DAEMON@mx.example.org
To: list@example.com
Message-ID: <report@mx.example.org>
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Original-Envelope-Id: batch-7

Original-Recipient: rfc822; alias@example.net
Final-Recipient: rfc822; gone@example.org
Action: failed
Status: 5.0.0
Remote-MTA: dns; in.example.org
Diagnostic-Code: smtp; 550 5.1.1 <gone@example.org>: no such user

Original-Recipient: rfc822;late@example.org
Final-Recipient: rfc822; late@example.org
Action: delayed
Status: 4.4.1

Final-Recipient: rfc822; fine@example.org
Action: delivered
Status: 2.0.0

--b
Content-Type: text/rfc822-headers

From: list@example.com
Message-ID: <sent@example.com>
--b--
`

func genuine(text string) filter.Genuine {
	return filter.Genuine{
		Time: time.Date(2026, 11, 30, 8, 0, 0, 5e8, time.FixedZone("", 3600)), QueueID: "4ZQ", Domain: "example.com", Sender: "list@example.com",
		Method: filter.ByTag, Report: bounce.Parse([]byte(text), bounce.Limits{}),
	}
}

func TestEventsOfABounce(t *testing.T) {
	events, left := eventsOf(genuine(report), "mx1")
	if len(events) != 2 || left != 0 {
		t.Fatalf("%d events, %d left: %+v", len(events), left, events)
	}
	var got bytes.Buffer
	for _, e := range events {
		line, err := e.line()
		if err != nil {
			t.Fatal(err)
		}
		if id, err := idOf(line); err != nil || id != e.ID {
			t.Errorf("%q, %v", id, err)
		}
		got.Write(line)
	}
	if events[0].ID == events[1].ID || !regexp.MustCompile(`^evt_[A-Z2-7]{26}$`).MatchString(events[0].ID) {
		t.Errorf("IDs %s, %s", events[0].ID, events[1].ID)
	}
	const rest = `"reporting_mta":"mx.example.org","message_id":"sent@example.com","envelope_id":"batch-7","bounce_message_id":"report@mx.example.org","queue_id":"4ZQ","method":"tag"}` + "\n"
	const begin = `{"version":1,"type":"bounce","id":"%s","time":"2026-11-30T07:00:00Z","node":"mx1","domain":"example.com","sender":"list@example.com",`
	want := fmt.Sprintf(begin, events[0].ID) + `"recipient":"gone@example.org","original_recipient":"alias@example.net","kind":"dsn","action":"failed","status":"5.1.1","code":550,` +
		`"diagnostic":"550 5.1.1 \u003cgone@example.org\u003e: no such user","remote_mta":"in.example.org",` + rest +
		fmt.Sprintf(begin, events[1].ID) + `"recipient":"late@example.org","original_recipient":"","kind":"dsn","action":"delayed","status":"4.4.1","code":0,"diagnostic":"","remote_mta":"",` + rest
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

// One bounce makes 100 events at most, and each is one line whatever the bounce has in it.
func TestEventsAreBounded(t *testing.T) {
	for n, left := range map[int]int{maxRecipients: 0, maxRecipients + 1: 1} {
		g := genuine(report)
		g.Report.Recipients = nil
		for i := range n {
			g.Report.Recipients = append(g.Report.Recipients, bounce.Recipient{Address: fmt.Sprintf("u%d@example.org", i), Action: "failed",
				Diagnostic: "a\nb\r\u2028\xff\x00\"}" + strings.Repeat("<", 1000)})
		}
		events, got := eventsOf(g, "mx1")
		if len(events) != maxRecipients || got != left {
			t.Errorf("%d recipients: %d events, %d left out", n, len(events), got)
		}
		line, err := events[0].line()
		if err != nil || bytes.Count(line, []byte{'\n'}) != 1 || !json.Valid(line) || len(line) > spoolChunk/4 {
			t.Errorf("%v, %q", err, line)
		}
	}
}

// The manual has the fields, in their order.
func TestManualHasTheFieldsOfAnEvent(t *testing.T) {
	manual, err := os.ReadFile("../../../../deploy/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(manual), "<!-- event fields: held by a test -->\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented, fields []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (text|number) \\|").FindAllStringSubmatch(table, -1) {
		documented = append(documented, m[1]+" "+m[2])
	}
	for f := range reflect.TypeFor[Event]().Fields() {
		kind := "text"
		if f.Type.Kind() == reflect.Int {
			kind = "number"
		}
		fields = append(fields, f.Tag.Get("json")+" "+kind)
	}
	if !slices.Equal(documented, fields) {
		t.Errorf("documented\n%q\nfields\n%q", documented, fields)
	}
}

// What a genuine bounce costs the mail path with three sinks: it waits for none of them.
func BenchmarkPublish(b *testing.B) {
	p := &Publisher{now: time.Now}
	for range 3 {
		p.queues = append(p.queues, newQueue("x", nil, nil, nil, time.Now))
	}
	g := genuine(report)
	b.ReportAllocs()
	for b.Loop() {
		p.Publish(g)
		for _, q := range p.queues {
			q.memory, q.octets = q.memory[:0], 0
		}
	}
}
