package bounce

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// links returns source and identifier of the originals, in their order.
func links(r *Report) []string {
	var list []string
	for _, o := range r.Originals {
		list = append(list, string(o.Source)+" "+o.MessageID)
	}
	return list
}

func TestLinksOfAReturnedMessage(t *testing.T) {
	for name, tt := range map[string]struct {
		header string
		want   []string
	}{
		"a relay has replaced the identifier": {
			"X-Google-Original-Message-ID: <sent@example.com>\n", []string{"returned-headers 1@shop.example", "replaced-message-id sent@example.com"}},
		"other names of that field": {
			"X-MS-Exchange-Original-Message-Id: <a@x.example>\nOld-Message-ID: <b@x.example>\nX-Old-Message-Id: <c@x.example>\nX-Original-Message-ID: <d@x.example>\n",
			[]string{"returned-headers 1@shop.example", "replaced-message-id a@x.example", "replaced-message-id b@x.example", "replaced-message-id c@x.example",
				"replaced-message-id d@x.example"}},
		"several identifiers": {
			"Message-ID: <sent@example.com>\nMessage-ID: <sent@example.com>\n", []string{"returned-headers sent@example.com", "returned-headers 1@shop.example"}},
		"what it answers comes last": {
			"References: <a@x.example> <b@x.example>\nIn-Reply-To: <c@x.example>\n", []string{"returned-headers 1@shop.example",
				"original-references c@x.example", "original-references b@x.example", "original-references a@x.example"}},
		"no more identifiers than the limit": {
			strings.Repeat("Message-ID: <x@example.com>\n", maxMessageIDs) + "Message-ID: <late@example.com>\n", []string{"returned-headers x@example.com"}},
		"no more references than the limit": {
			"References: <a@x.example> <b@x.example> <c@x.example> <d@x.example> <e@x.example>\n", []string{"returned-headers 1@shop.example",
				"original-references e@x.example", "original-references d@x.example", "original-references c@x.example", "original-references b@x.example"}},
	} {
		if got := links(read(t, returning("", tt.header))); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// The messages that a returned message without Message-ID answers are others, and do not stand in for it.
func TestWhatAReturnedMessageAnswersIsAnother(t *testing.T) {
	m := strings.Replace(returning("", "References: <a@x.example>\n"), "Message-ID: <1@shop.example>\n", "", 1)
	if r := read(t, m); r.Original().MessageID != "" || r.Original().From != "user@example.com" {
		t.Errorf("got %+v", r.Original())
	}
}

func TestExchangeNamesTheParent(t *testing.T) {
	for name, want := range map[string][]string{
		"bounce-exchange-rule": {"parent-message-id 1@example.com"}, "list-exchange-dl": {"parent-message-id x@remote.example"},
	} {
		if got := links(read(t, string(sample(t, "null-sender/"+name)))); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	const reply = "Return-Path: <>\nFrom: friend@remote.example\nTo: user@example.com\nSubject: Re: Hello\nAuto-Submitted: auto-generated\n" +
		"X-MS-Exchange-Parent-Message-Id: <1@example.com>\nX-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent\n\nText.\n"
	if r := read(t, reply); r.Kind != AutoReply || r.Weak || r.Original().MessageID != "1@example.com" {
		t.Errorf("a rule of a mailbox: %s, weak %t, answers %q", r.Kind, r.Weak, r.Original().MessageID)
	}
}

// property returns a MAPI property with one value, as it is in TNEF.
func property(kind byte, value string) string {
	n := len(value)
	return string([]byte{kind, 0, 0x35, 0x10, 1, 0, 0, 0, byte(n), byte(n >> 8), 0, 0}) + value
}

func TestTNEF(t *testing.T) {
	wide := ""
	for _, u := range utf16.Encode([]rune("<wide@example.com>\x00")) {
		wide += string([]byte{byte(u), byte(u >> 8)})
	}
	const signature = "\x78\x9f\x3e\x22\x01\x00\x02\x03\x90\x06\x00"
	for name, tt := range map[string]struct {
		stream string
		want   []string
	}{
		"octets":             {signature + property(tnefString8, "<sent@example.com>\x00"), []string{"sent@example.com"}},
		"UTF-16":             {signature + "attachment" + property(tnefUnicode, wide), []string{"wide@example.com"}},
		"that of the report": {signature + property(tnefString8, "<report@mx.example>\x00") + property(tnefString8, "<sent@example.com>\x00"), []string{"sent@example.com"}},
		"no signature":       {property(tnefString8, "<sent@example.com>\x00"), nil},
		"another type":       {signature + property(3, "<sent@example.com>\x00"), nil},
		"cut off":            {signature + property(tnefString8, "<sent@example.com>\x00")[:20], nil},
		"longer than it is":  {signature + "\x1e\x00\x35\x10\x01\x00\x00\x00\xff\xff\xff\xff<sent@example.com>", nil},
		"at the beginning":   {signature[:4] + property(tnefString8, "<sent@example.com>")[2:], nil},
		"empty":              {"", nil},
	} {
		for _, part := range []string{"application/ms-tnef", "application/octet-stream; name=winmail.dat"} {
			m := "Return-Path: <>\nFrom: postmaster@remote.example\nTo: user@example.com\nSubject: Undeliverable: Hello\nMessage-ID: <report@mx.example>\n" +
				"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nYour message did not reach some or all of the intended recipients.\n\nfriend@remote.example\n" +
				"--b\nContent-Type: " + part + "\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(tt.stream)) + "\n--b--\n"
			var got []string
			r := read(t, m)
			for _, o := range r.Originals {
				got = append(got, o.MessageID)
			}
			if !slices.Equal(got, tt.want) || r.Kind != Bounce {
				t.Errorf("%s as %s: %s, got %q, want %q", name, part, r.Kind, got, tt.want)
			}
		}
	}
	many := signature + strings.Repeat(property(tnefString8, "<x@example.com>"), 3)
	for i := range 2 * maxMessageIDs {
		many += property(tnefString8, "<"+string(rune('a'+i))+"@example.com>")
	}
	if got := tnefIDs(plenty(), []byte(many)); len(got) != maxMessageIDs || got[0] != "x@example.com" || got[1] != "a@example.com" {
		t.Errorf("got %q", got)
	}
}

// attribute returns a TNEF attribute.
func attribute(number uint32, data string) string {
	return string(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32([]byte{1}, number), uint32(len(data)))) + data + "\x00\x00"
}

func TestTNEFSaysWhatAMessageIs(t *testing.T) {
	for class, want := range map[string]Kind{
		tnefReceipt: MDN, tnefBounce: Bounce, tnefSchedule + "MtgRespP": None, "IPM.Microsoft Mail.Note": AutoReply,
	} {
		stream := "\x78\x9f\x3e\x22\x01\x00" + attribute(0x00089006, "\x00\x00\x01\x00") + attribute(0x00078008, class+"\x00") + attribute(0x00069003, "x")
		m := "Return-Path: <>\nFrom: friend@remote.example\nTo: user@example.com\nSubject: Hello\nIn-Reply-To: <sent@example.com>\n" +
			"Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(stream)) + "\n"
		if r := read(t, m); r.Kind != want || r.Weak != (want == AutoReply) || r.Original().MessageID != "sent@example.com" {
			t.Errorf("%s: %s, weak %t, answers %q", class, r.Kind, r.Weak, r.Original().MessageID)
		}
		for n := range len(stream) {
			if got := tnefClass([]byte(stream[:n])); got != "" && got != class {
				t.Errorf("%d octets of %s: %q", n, class, got)
			}
		}
	}
	if got := tnefClass([]byte("\x78\x9f\x3e\x22\x01\x00\x01\x08\x80\x07\x00\xff\xff\xff\xff" + tnefReceipt)); got != "" {
		t.Errorf("a class that is longer than the stream: %q", got)
	}
}

func TestLinksInTheStatusPart(t *testing.T) {
	for fields, want := range map[string][]string{
		"X-Message-ID: <sent@example.com>\n":          {"returned-headers 1@shop.example", "report-field sent@example.com"},
		"X-Original-Message-ID: <sent@example.com>\n": {"returned-headers 1@shop.example", "report-field sent@example.com"},
		"Original-Envelope-Id: <sent@example.com>\n":  {"returned-headers 1@shop.example", "report-field ", "envelope-message-id sent@example.com"},
		"Original-Envelope-Id: sent@example.com\n":    {"returned-headers 1@shop.example", "report-field ", "envelope-message-id sent@example.com"},
		"Original-Envelope-Id: 4bXyZ\n":               {"returned-headers 1@shop.example", "report-field "},
	} {
		if got := links(read(t, returning(fields, ""))); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", fields, got, want)
		}
	}
}

// A gateway of the sender may have wrapped what he sent.
func TestAMessageWithinTheReturnedOne(t *testing.T) {
	const sent = "From: User <user@example.com>\nTo: bert@remote.example\nMessage-ID: <sent@example.com>\nSubject: Hello\n\nText.\n"
	wrapper := func(kind, body string) string {
		return "Content-Type: message/rfc822\n\nFrom: scanner@example.com\nMessage-ID: <wrapper@example.com>\nContent-Type: " + kind + "\n\n" + body
	}
	parts := func(m string) string {
		return wrapper("multipart/mixed; boundary=c", "--c\nContent-Type: text/plain\n\nScanned.\n--c\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\n"+m+"\n--c--\n")
	}
	both := []string{"returned-message wrapper@example.com", "wrapped-message sent@example.com"}
	for name, tt := range map[string]struct {
		returned string
		want     []string
	}{
		"in a part":                   {parts(sent), both},
		"as the whole":                {wrapper("message/rfc822", sent), both},
		"of another author":           {parts(strings.Replace(sent, "user@", "carl@", 1)), both[:1]},
		"without an identifier":       {parts(strings.Replace(sent, "Message-ID", "X-Other", 1)), both[:1]},
		"nothing":                     {wrapper("multipart/mixed; boundary=c", "--c\n\nText.\n--c--\n"), both[:1]},
		"a text that looks like that": {wrapper("text/plain", "Content-Type: message/rfc822\n\n"+sent), both[:1]},
	} {
		if got := links(read(t, daemonHeader+dsn(saidPart, statusPart, tt.returned))); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// The signature of S/MIME may be around the report, not beside it.
func TestAReportWithinItsSignature(t *testing.T) {
	report := dsn(saidPart, statusPart, mailPart)
	for name, tt := range map[string]struct {
		header, octets string
		kind           Kind
		id             string
	}{
		"signed":                   {"application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", "0\x82\x01\x00\x04" + report + "\x00\xff\n1\x02", DSN, "sent@example.com"},
		"the older type":           {"application/x-pkcs7-mime; smime-type=signed-data", "0\x82" + report, DSN, "sent@example.com"},
		"encrypted":                {"application/pkcs7-mime; smime-type=enveloped-data", "0\x82" + report, Bounce, ""},
		"far behind the beginning": {"application/pkcs7-mime; smime-type=signed-data", strings.Repeat("0", 600) + report, Bounce, ""},
		"nothing":                  {"application/pkcs7-mime; smime-type=signed-data", "", Bounce, ""},
	} {
		m := daemonHeader + "Content-Type: " + tt.header + "\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(tt.octets)) + "\n"
		if r := read(t, m); r.Kind != tt.kind || r.Original().MessageID != tt.id {
			t.Errorf("%s: %s, %q", name, r.Kind, r.Original().MessageID)
		}
	}
	// Signed again and again, it ends with the limit.
	m := report
	for range 3 * DefaultLimits().Depth {
		m = "Content-Type: application/pkcs7-mime; smime-type=signed-data\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(m)) + "\n"
		if len(m) > 256<<10 {
			break
		}
	}
	if r := read(t, daemonHeader+m); r.Kind != Bounce || !r.Truncated {
		t.Errorf("%d octets, signed often: %s, truncated %t", len(m), r.Kind, r.Truncated)
	}
}

// A daemon that names the message needs no other words that are known.
func TestADaemonThatNamesTheMessage(t *testing.T) {
	const words = "Return-Path: <>\nFrom: MAILER-DAEMON@remote.example\nTo: user@example.com\nSubject: Non remis\n\nVoir ci-dessous.\n\n"
	if r := read(t, words+"Identifiant du message : <sent@example.com>\n"); r.Kind != Bounce || r.Original().MessageID != "sent@example.com" {
		t.Errorf("got %s, %q", r.Kind, r.Original().MessageID)
	}
	if r := read(t, words); r.Kind != None {
		t.Errorf("without it: %s", r.Kind)
	}
}

// Every form in which a returned message may be encoded yields its identifier.
func TestFormsOfReturnedMessages(t *testing.T) {
	const original = "Received: by mx\nMessage-ID: <sent@example.com>\nFrom: user@example.com\nTo: friend@remote.example\nSubject: Hello\n\nText.\n"
	encoded := base64.StdEncoding.EncodeToString([]byte(original))
	for name, part := range map[string]string{
		"message/rfc822":                  "message/rfc822\n\n" + original,
		"message/global":                  "message/global\n\n" + original,
		"message/global in base64":        "message/global\nContent-Transfer-Encoding: base64\n\n" + encoded,
		"message/global-headers":          "message/global-headers\nContent-Transfer-Encoding: base64\n\n" + encoded,
		"octets in base64":                "application/octet-stream; name=x.eml\nContent-Transfer-Encoding: base64\n\n" + encoded,
		"lines that end with CR":          "message/rfc822\n\n" + strings.ReplaceAll(original, "\n", "\r"),
		"an encoded identifier":           "message/rfc822\n\n" + strings.Replace(original, "<sent@example.com>", "=?utf-8?Q?=3Csent=40example=2Ecom=3E?=", 1),
		"message/rfc822 quoted-printable": "message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n" + strings.ReplaceAll(original, "@", "=40"),
	} {
		m := "Return-Path: <>\nFrom: MAILER-DAEMON@remote.example\nTo: user@example.com\nSubject: Undelivered Mail Returned to Sender\n" +
			"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n" +
			"Final-Recipient: rfc822; friend@remote.example\nAction: failed\n\n--b\nContent-Type: " + part + "\n--b--\n"
		if r := read(t, m); r.Kind != DSN || r.Original().MessageID != "sent@example.com" {
			t.Errorf("%s: %s, %q", name, r.Kind, r.Original().MessageID)
		}
	}
}
