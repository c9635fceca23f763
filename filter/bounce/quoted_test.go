package bounce

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What a reply, a challenge or another message returns or quotes is no original, but may prove what it answers.
func TestQuoted(t *testing.T) {
	const (
		vacation  = "Return-Path: <>\nFrom: friend@remote.example\nTo: user@example.com\nSubject: Automatic reply: Hello\nAuto-Submitted: auto-replied\nMessage-ID: <own@remote.example>\n"
		challenge = "Return-Path: <>\nFrom: friend@remote.example\nTo: user@example.com\nSubject: Please confirm your message\nAuto-Submitted: auto-replied\n"
		ordinary  = "Return-Path: <>\nFrom: friend@remote.example\nTo: user@example.com\nSubject: Hello\n"
		original  = "From: user@example.com\nTo: friend@remote.example\nSubject: Hello\nMessage-ID: <sent@example.com>\nIn-Reply-To: <before@remote.example>\n\nHello.\n"
		away      = "Content-Type: text/plain\n\nI am away. Your message is below.\n"
		held      = "\nYour message is being held until you confirm that you sent it.\n\n--- Enclosed is a copy of your message.\n\n" + original
	)
	parts := func(kind, first, second string) string {
		return "Content-Type: " + kind + "; boundary=b\n\n--b\n" + first + "\n--b\n" + second + "\n--b--\n"
	}
	whole, heads := "Content-Type: message/rfc822\n\n"+original, "Content-Type: text/rfc822-headers\n\n"+original
	both := []string{"sent@example.com", "before@remote.example"}
	for _, tt := range []struct {
		name, m string
		kind    Kind
		want    []string
	}{
		{"a reply returns the message", vacation + parts("multipart/mixed", away, whole), AutoReply, both},
		{"a reply returns its header", vacation + parts("multipart/mixed", away, heads), AutoReply, both},
		{"a reply is a report", vacation + parts("multipart/report; report-type=auto-reply", away, whole), AutoReply, both},
		{"a reply names it in its text", vacation + "\nI am away. Your message (Message-ID: <sent@example.com>) was received.\n", AutoReply, both[:1]},
		{"a reply quotes it", vacation + "\nI am away.\n\n-----Original Message-----\n" + original, AutoReply, both},
		{"a reply quotes itself", vacation + "\nI am away. Message-ID: <own@remote.example>\n", AutoReply, nil},
		{"a reply also answers it", vacation + "In-Reply-To: <sent@example.com>\n" + parts("multipart/mixed", away, whole), AutoReply, both[1:]},
		{"a reply returns it twice", vacation + parts("multipart/mixed", whole, whole), AutoReply, both},
		{"a challenge with a copy", challenge + held, Challenge, both},
		{"an ordinary message with an attached one", ordinary + parts("multipart/mixed", "Content-Type: text/plain\n\nSee this.\n", whole), None, both},
		{"a message about a bounce", ordinary + parts("multipart/mixed", "Content-Type: text/plain\n\nSee this.\n", "Content-Type: message/rfc822\n\n"+string(sample(t, "postfix-dsn"))), None,
			[]string{"report-postfix-dsn@mta.example", "20260303100000.1@sender.example"}},
	} {
		r := read(t, tt.m)
		if r.Kind != tt.kind || !slices.Equal(r.Quoted, tt.want) {
			t.Errorf("%s: %s, %q", tt.name, r.Kind, r.Quoted)
		}
		if slices.ContainsFunc(r.Originals, func(o Original) bool { return o.Source != InReplyTo }) || len(r.Recipients) > 0 {
			t.Errorf("%s: originals %+v, recipients %+v", tt.name, r.Originals, r.Recipients)
		}
		if got := strings.Contains(marshal(t, r), `"quoted":["`); got != (len(tt.want) > 0) {
			t.Errorf("%s: printed %t", tt.name, got)
		}
	}
	var many strings.Builder
	for n := range maxQuoted + 1 {
		fmt.Fprintf(&many, "--b\nContent-Type: message/rfc822\n\nFrom: user@example.com\nMessage-ID: <%d@example.com>\n\n", n)
	}
	if r := read(t, vacation+"Content-Type: multipart/mixed; boundary=b\n\n"+many.String()); len(r.Quoted) != maxQuoted {
		t.Errorf("%d are quoted", len(r.Quoted))
	}
	if r := readSample(t, "postfix-dsn"); len(r.Quoted) > 0 {
		t.Errorf("a bounce quotes %q", r.Quoted)
	}
}
