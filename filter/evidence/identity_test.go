package evidence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
)

// What becomes of the Message-ID fields of a message.
func TestIdentity(t *testing.T) {
	long := strings.Repeat("x", maxIDBytes-len("@client.example"))
	for _, tt := range []struct {
		name   string
		fields []string
		keep   int    // of several fields, the one that stays
		kept   string // what is recorded of a message whose Message-ID stays; "" if it gets another one
	}{
		{name: "none"},
		{name: "usable", fields: []string{"<A@client.example>"}, kept: "a@client.example"},
		{name: "folded", fields: []string{"\n <a@client.example>"}, kept: "a@client.example"},
		{name: "without angle brackets", fields: []string{"a@client.example"}, kept: "a@client.example"},
		{name: "with a comment", fields: []string{"<a@client.example> (added by the gateway)"}, kept: "a@client.example"},
		{name: "in UTF-8", fields: []string{"<a@exämple.com>"}, kept: "a@xn--exmple-cua.com"},
		{name: "as long as a line", fields: []string{"<" + long + "@client.example>"}, kept: long + "@client.example"},
		{name: "longer than a line", fields: []string{"<x" + long + "@client.example>"}},
		{name: "longer than is read of a report", fields: []string{"<" + strings.Repeat("x", 1100) + "@client.example>"}},
		{name: "empty", fields: []string{""}},
		{name: "empty brackets", fields: []string{"<>"}},
		{name: "nothing but an @", fields: []string{"<@>"}},
		{name: "no left side", fields: []string{"<@client.example>"}},
		{name: "no right side", fields: []string{"<a@>"}},
		{name: "no @", fields: []string{"<1234567890>"}},
		{name: "a word", fields: []string{"none"}},
		{name: "broken by a space", fields: []string{"<a b@client.example>"}},
		{name: "broken by a fold", fields: []string{"<a\n\tb@client.example>"}},
		{name: "after a blank line", fields: []string{"\n \n <a@client.example>"}},
		{name: "control character", fields: []string{"<a\x01@client.example>"}},
		{name: "control character of ISO 8859-1", fields: []string{"<a\u0085@client.example>"}},
		{name: "not UTF-8", fields: []string{"<a\xe4@client.example>"}},
		{name: "twice the same", fields: []string{"<a@client.example>", "<a@client.example>"}, keep: 1, kept: "a@client.example"},
		{name: "twice", fields: []string{"<a@client.example>", "<b@client.example>"}, keep: 1, kept: "a@client.example"},
		{name: "the second is usable", fields: []string{"", "<b@client.example>", "<c@client.example>"}, keep: 2, kept: "b@client.example"},
		{name: "twice without use", fields: []string{"", "<>"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := filtertest.Policy(t, nil)
			read := func() *Sent {
				m := &Sent{}
				for _, v := range tt.fields {
					m.Header(p, "Message-Id", v)
				}
				return m
			}
			m := read()
			id := m.Identify("example.com", true, true)
			switch {
			case tt.kept != "" && len(tt.fields) == 1 && id != Identity{}:
				t.Errorf("it does not stay: %+v", id)
			case tt.kept != "" && (id.Keep != tt.keep || id.New != "" || !slices.Equal(m.ids, []string{tt.kept})):
				t.Errorf("%+v, recorded as %q", id, m.ids)
			case tt.kept == "":
				added, domain, _ := strings.Cut(strings.Trim(id.New, "<>"), "@")
				if id.Fields != len(tt.fields) || id.Keep != 0 || len(added) != 26 || domain != "example.com" || !slices.Equal(m.ids, []string{added + "@example.com"}) {
					t.Errorf("%+v, recorded as %q", id, m.ids)
				}
			}
			// An MTA that does not let it be changed sends it as it is; what a report would say of it is on record.
			m = read()
			if id := m.Identify("example.com", len(tt.fields) > 0, len(tt.fields) == 0); id != (Identity{}) {
				t.Errorf("without leave: %+v", id)
			}
			for _, v := range tt.fields[:min(len(tt.fields), 1)] {
				if found := fold(bounce.MessageID(v)); found != "" && !slices.Contains(m.ids, found) {
					t.Errorf("without leave: recorded as %q, but a report says %q", m.ids, found)
				}
			}
		})
	}
}

// leaves returns the Message-ID fields with which a message leaves.
func leaves(id Identity, fields []string) []string {
	if id == (Identity{}) {
		return fields
	}
	if id.Keep > 0 {
		return fields[id.Keep-1 : id.Keep]
	}
	return []string{id.New}
}

// checkReturned holds that whatever Message-ID fields a message comes with, it leaves with one, and a report that returns the message names
// what is on record, as does the In-Reply-To of an answer.
func checkReturned(t *testing.T, fields []string) {
	t.Helper()
	m := &Sent{}
	p := filtertest.Policy(t, nil)
	for _, v := range fields {
		m.Header(p, "Message-ID", v)
	}
	left := leaves(m.Identify("example.com", true, true), fields)
	if len(left) != 1 || len(m.ids) != 1 {
		t.Fatalf("%q leaves with %q, recorded as %q", fields, left, m.ids)
	}
	report := fmt.Sprintf("From: MAILER-DAEMON@mx.example.org\nTo: user@example.com\nSubject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n"+
		"Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nIt could not be delivered.\n"+
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; friend@example.org\nAction: failed\nStatus: 5.1.1\n"+
		"--b\nContent-Type: text/rfc822-headers\n\nReceived: from mail.example.com by mx.example.org\nFrom: user@example.com\nMessage-ID: %s\nSubject: letter\nTo: friend@example.org\n\n--b--\n", left[0])
	if got := Of(bounce.Parse([]byte(report), bounce.Limits{}), p).Messages; len(got) == 0 || got[0] != m.ids[0] {
		t.Errorf("%q leaves as %q and is recorded as %q, but a report says %q", fields, left, m.ids, got)
	}
	reply := fmt.Sprintf("From: friend@example.org\nTo: user@example.com\nSubject: Automatic reply: letter\nAuto-Submitted: auto-replied\nIn-Reply-To: <%s>\n\nI am away.\n", m.ids[0])
	if got := Of(bounce.Parse([]byte(reply), bounce.Limits{}), p).Messages; len(got) == 0 || got[0] != m.ids[0] {
		t.Errorf("%q leaves as %q and is recorded as %q, but an answer says %q", fields, left, m.ids, got)
	}
}

// piecesOfIDs are what Message-IDs, good and bad ones, consist of.
var piecesOfIDs = []string{"<", ">", "<", ">", "@", "@", "a", "B", "client.example", "x.1", " ", "\n ", "\n\t", "\t", "\n \n ", "&lt;", "&gt;", "&#64;", "&amp;",
	`"`, "'", ";", ",", ":", "(c)", "[192.0.2.1]", "ä", "\xe4", "\x01", "\u0085", "\u2028", "\r", "=?utf-8?q?x?=", strings.Repeat("y", 76), strings.Repeat("z", 900), "İ"}

func TestReturnedMessagesNameWhatIsRecorded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		fields := make([]string, r.IntN(4))
		for i := range fields {
			var b strings.Builder
			for range r.IntN(9) {
				b.WriteString(piecesOfIDs[r.IntN(len(piecesOfIDs))])
			}
			fields[i] = b.String()
		}
		checkReturned(t, fields)
		if t.Failed() {
			return
		}
	}
}

func FuzzReturnedMessageNamesWhatIsRecorded(f *testing.F) {
	for _, v := range []string{"", "<>", "<a@b>", "a@b", "<a b@c>", "\n <a@b>", "&lt;a@b&gt;", "<<a@b>>", "<a@b> <c@d>", "<a@\xff>"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, field string) {
		// As MTAs pass fields on: without a line that is no continuation, and without NULs (RFC 5322 section 2.2).
		lines := strings.Split(strings.ReplaceAll(field, "\x00", " "), "\n")
		for i := range lines[1:] {
			lines[1+i] = " " + lines[1+i]
		}
		checkReturned(t, []string{strings.Join(lines, "\n")})
	})
}
