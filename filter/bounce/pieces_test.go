package bounce

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestStatusCodesAreDistinguishedFromOtherNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"550 5.1.1 unknown":                         "5.1.1",
		"550-5.7.26 unauthenticated":                "5.7.26",
		"(#4.4.3)":                                  "4.4.3",
		"host 5.9.1.2 said 550 no":                  "",
		"version 4.96.2.1 says no":                  "",
		"see 5.0.0 and then 452 4.2.2 mailbox full": "4.2.2",
		"554 554 5.7.0 header error":                "5.7.0",
		"x5.1.1":                                    "",
		"5.1.1000":                                  "",
		"mailbox unavailable 5.2.1.":                "5.2.1",
		"5.1":                                       "",
		"3.1.1":                                     "",
		"450 4.7.1 try later; 550 5.1.1 for another": "4.7.1",
	} {
		if got := findStatus(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestStatusFields(t *testing.T) {
	for value, want := range map[string]string{
		"5.1.1 (bad mailbox)": "5.1.1", "5.1.x": "5.1.x", "5.1\xc81": "", "9.1.x": "", "": "", "failed": "", "250 2.0.0": "2.0.0",
	} {
		if got := statusField(value); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestReplyCodes(t *testing.T) {
	for text, want := range map[string]int{
		"550 unknown": 550, "said: 452-full": 452, "smtp;550": 550, "port 5500": 0, "0550 1234": 0, "192.0.2.550 x": 0, "250 ok": 0, "599 no": 0,
	} {
		if got := replyCode(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

func TestMessageIDs(t *testing.T) {
	for value, want := range map[string]string{
		"<1@sender.example>":                  "1@sender.example",
		"<1@sender.example> (added by mx)":    "1@sender.example",
		"<1 @sender.example>":                 "1@sender.example",
		"&lt;1@sender.example&gt;":            "1@sender.example",
		"1@sender.example":                    "1@sender.example",
		"<<1@sender.example>>":                "1@sender.example",
		"<no-domain-at-all>":                  "no-domain-at-all",
		"":                                    "",
		"<>":                                  "",
		"<1\x00@sender.example>":              "",
		"<1\u0094@sender.example>":            "",
		"<1\xff@sender.example>":              "1?@sender.example",
		"<" + strings.Repeat("x", 1000) + ">": "",
	} {
		if got := messageID(plenty(), value); got != want {
			t.Errorf("%.60q: got %q, want %q", value, got, want)
		}
	}
}

func TestMentionedMessageIDs(t *testing.T) {
	for text, want := range map[string]string{
		"a message with the message-id of 1@sender.example received from": "1@sender.example",
		"Message ID: <1@sender.example>":                                  "1@sender.example",
		"the message identifier is 1abc-000-01, write to bert@x.example":  "",
		"the message-id is not known. Write to us.":                       "",

		"Nachrichten-ID: <1@sender.example>":                     "1@sender.example",
		"Nachrichten-ID: 1@sender.example.":                      "1@sender.example",
		"ID du message : <1@sender.example>":                     "1@sender.example",
		"Identifiant du message : <1@sender.example>":            "1@sender.example",
		"Id. de mensaje: 1@sender.example":                       "1@sender.example",
		"ID del mensaje: <1@sender.example>":                     "1@sender.example",
		"Identificador da mensagem: 1@sender.example":            "1@sender.example",
		"ID wiadomości: 1@sender.example":                        "1@sender.example",
		"ID сообщения: <1@sender.example>":                       "1@sender.example",
		"メッセージID: <1@sender.example>":                            "1@sender.example",
		"邮件 ID：<1@sender.example>":                               "1@sender.example",
		"MsgID: <1@sender.example>":                              "1@sender.example",
		"Msg-Id:\n  1@sender.example":                            "1@sender.example",
		"MessageID: 1@sender.example":                            "1@sender.example",
		"X-ID: <1@sender.example>":                               "1@sender.example",
		"Message id: 2@mx.example\nYour id: <1@sender.example>":  "2@mx.example 1@sender.example",
		"message-id: <1@sender.example>, ID: <1@sender.example>": "1@sender.example",
		strings.Repeat("ID: <1@x.example> ID: <2@x.example> ID: <3@x.example> ID: <4@x.example> ", 2) + "ID: <5@x.example>": "1@x.example 2@x.example 3@x.example 4@x.example",

		"Ticket-ID: support@x.example":          "",
		"User ID: <bert@x.example>":             "",
		"Ihre Kunden-ID: <bert@x.example>":      "",
		"e-mail id: <bert@x.example>":           "",
		"David: <bert@x.example>":               "",
		"Idea: <bert@x.example>":                "",
		"ID of the message\n: <bert@x.example>": "",
		"The ID of the message " + strings.Repeat("x", 40) + ": <1@sender.example>": "",
		strings.Repeat("long text ", mentionBytes/10) + "ID: <1@sender.example>":    "",
		"ID:":        "",
		"ID: <none>": "",
		"id":         "",
	} {
		if got := strings.Join(mentionedIDs(plenty(), text), " "); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"deliver to <bert@rcpt.example>.":       "bert@rcpt.example",
		"'bert@rcpt.example' is unknown":        "bert@rcpt.example",
		"error 550-'bert@rcpt.example'":         "bert@rcpt.example",
		"o'bert@rcpt.example":                   "o'bert@rcpt.example",
		"bert@rcpt.example.":                    "bert@rcpt.example",
		"mailto:bert@rcpt.example":              "bert@rcpt.example",
		`"bert b"@rcpt.example`:                 `"bert b"@rcpt.example`,
		"<bert@[192.0.2.1]>":                    "bert@[192.0.2.1]",
		"<jürgen@bücher.example>":               "jürgen@bücher.example",
		"宛先bert@rcpt.exampleは":                  "bert@rcpt.example",
		"prvs=0787788259=anna@sender.example":   "prvs=0787788259=anna@sender.example",
		"at @ nothing, then @x and y@ but a@b!": "a@b",
		"@@@":                                   "",
	} {
		if got, _, _ := findAddress(plenty(), text, 0); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestAddressesOfFields(t *testing.T) {
	for value, want := range map[string]string{
		"rfc822; bert@rcpt.example":            "bert@rcpt.example",
		"rfc822;<bert@rcpt.example> (x)":       "bert@rcpt.example",
		`"Bert, B." <bert@rcpt.example>`:       "bert@rcpt.example",
		`"anna@x.example" <bert@rcpt.example>`: "bert@rcpt.example",
		"MAILER-DAEMON (Mail System)":          "MAILER-DAEMON",
		"utf-8; jürgen@bücher.example":         "jürgen@bücher.example",
		"<>":                                   "",
		"MAILER-DAEMON <>":                     "",
	} {
		if got := fieldAddress(value); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestDamagedEncodingsYieldWhatCanBeRead(t *testing.T) {
	for _, c := range []struct{ encoding, in, want string }{
		{"base64", "TWlu\n!!dXRlcw==", "Minutes"},
		{"base64", "TWludXRlcwA", "Minutes\x00"},
		{"base64", "TWludXRlc", "Minute"},
		{"quoted-printable", "a=3Db =\nc=", "a=b c"},
		{"quoted-printable", "50% =ZZ =", "50% =ZZ "},
		{"Quoted-Printable ; x", "=41", "A"},
		{"7bit", "=41", "=41"},
		{"", "=41", "=41"},
	} {
		if got := decodeTransfer(plenty(), c.encoding, c.in); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.encoding, c.in, got, c.want)
		}
	}
}

func TestBoundariesWithinBoundaries(t *testing.T) {
	body := "preamble\n--b\n\none\n--b-inner\nstill one\n--b  \n\ntwo\n--b--\nepilogue\n"
	got, closed := splitBoundary(plenty(), body, "b", 10)
	want := []string{"preamble", "\none\n--b-inner\nstill one", "\ntwo"}
	if !slices.Equal(got, want) || !closed {
		t.Errorf("got %q, closed %t", got, closed)
	}
	got, closed = splitBoundary(plenty(), "--b\n\none\n", "b", 10)
	if !slices.Equal(got, []string{"", "\none\n"}) || closed {
		t.Errorf("got %q, closed %t", got, closed)
	}
}

func TestMediaTypes(t *testing.T) {
	for value, want := range map[string]string{
		`multipart/report; report-type=delivery-status; boundary="a;b"`: "multipart/report|a;b",
		`Multipart/Mixed;; boundary=x y; charset`:                       "multipart/mixed|x y",
		`multipart/mixed boundary="x"`:                                  "multipart/mixed|x",
		`multipart/mixed; boundary*=us-ascii''x`:                        "multipart/mixed|x",
		`multipart/mixed; boundary="never closed`:                       "multipart/mixed|never closed",
		`multipart/mixed; boundary="a\"b"`:                              `multipart/mixed|a"b`,
	} {
		kind, params := mediaType(plenty(), value)
		if got := kind + "|" + params["boundary"]; got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestTextOfHTML(t *testing.T) {
	got := textOfHTML(plenty(), "<style>a@b { }</style><p>To &lt;bert@rcpt.example&gt;<br>and <anna@sender.example></p><script>never closed")
	if want := "\nTo <bert@rcpt.example>\nand <anna@sender.example>\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb": "a  b", "a\x00\u0085b": "a  b", "\xff\xfe": "?", "ü": "ü", "0123456789": "01234567", "1234567ü": "1234567",
	} {
		if got := printable(in, 8); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// QUIRK: Hotmail's export loses the indentation of folded fields, and Exchange's diagnostics are long.
func TestHeadersThatLostTheirIndentation(t *testing.T) {
	diagnostics := "X-Diagnostics: 1\n" + strings.Repeat("=?us-ascii?Q?MDzu6jkjt8UvBkVECKZ3Pp1zfL8?=\n", 35)
	h, rest, junk := parseHeader(plenty(), "From: a@example.com\n"+diagnostics+diagnostics+"Message-ID: <1@example.com>\n\ntext", true)
	if h.get("message-id") != "<1@example.com>" || rest != "text" || junk != 70 {
		t.Errorf("got %q, %q and %d", h.get("message-id"), rest, junk)
	}
	prose := strings.Repeat("prose without a colon\n", 100)
	if h, rest, _ := parseHeader(plenty(), "From: a@example.com\n"+prose+"Message-ID: <1@example.com>\n", true); h.has("message-id") || rest == "" {
		t.Errorf("prose is read as a header: %q", h)
	}
}

// A row whose words are in upper case or folded differently would never match.
func TestRulesAreInTheFormThatIsCompared(t *testing.T) {
	lists := map[string][]string{
		"daemonNames": daemonNames, "recipientPrefixes": recipientPrefixes, "replySubjects": replySubjects, "executables": executables,
		"complaintSubject": {complaintSubject}, "listFields": listFields, "receiptSubjects": receiptSubjects,
	}
	for name, p := range map[string]*phrases{
		"bounceSubjects": bounceSubjects, "failures": failures, "delays": delays, "returns": returns, "recipientWords": recipientWords,
		"aliasWords": aliasWords, "strangers": strangers, "absences": absences, "failureWords": failureWords,
		"postmasterSubjects": postmasterSubjects, "digests": digests, "undelivered": undelivered, "notices": notices,
		"exchangeAgents": exchangeAgents, "programs": programs, "away": away, "acknowledgements": acknowledgements, "promises": promises,
		"pages": pages, "reporters": reporters, "copies": copies, "challengeSubjects": challengeSubjects, "challenges": challenges, "receipts": receipts,
	} {
		lists[name] = p.words
	}
	for _, f := range families {
		lists["families"] = append(lists["families"], f.words)
	}
	for name, list := range lists {
		for _, words := range list {
			if len(words) < phraseOctets || strings.ToLower(words) != words || strings.Contains(words, "  ") || strings.Contains(words, "\n") {
				t.Errorf("%s: %q", name, words)
			}
			if !norm.NFKC.IsNormalString(words) && name != "reporters" {
				t.Errorf("%s: %q is not as subjects are compared", name, words)
			}
		}
	}
}

func TestPhrases(t *testing.T) {
	p := newPhrases([]string{"undelivered", "und", "über"})
	for text, want := range map[string]int{"": -1, "un": -1, "sound": 1, "was undelivered": 0, "darüber und": 1, "über": 2, "UND": -1} {
		if got := p.lowest(text); got != want || p.in(text) != (want >= 0) {
			t.Errorf("%q: got %d and %t, want %d", text, got, p.in(text), want)
		}
	}
}

func TestKeyword(t *testing.T) {
	for value, want := range map[string]string{
		"failed":                            "failed",
		"Failed (permanent)":                "failed",
		"failed(permanent)":                 "failed",
		"(no user) Failed (permanent)":      "failed",
		"(a (nested) \\) one)(two) delayed": "delayed",
		"(open failed":                      "(open",
		"()":                                "",
		"":                                  "",
	} {
		if got := keyword(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
