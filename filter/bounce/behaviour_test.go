package bounce

import (
	"bufio"
	"bytes"
	"encoding/json"
	"mime"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The samples under testdata are written for these tests in the formats that MTAs use. Each has a row in expected.jsonl
// with its whole report.
func TestSamples(t *testing.T) {
	expected := expectations(t)
	for _, name := range samples(t) {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(readSample(t, name))
			if err != nil {
				t.Fatal(err)
			}
			want, ok := expected[name]
			if !ok {
				t.Fatalf("no row in expected.jsonl; got\n{\"sample\":%q,\"report\":%s}", name, got)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
		delete(expected, name)
	}
	for name := range expected {
		t.Errorf("expected.jsonl has %s, testdata has not", name)
	}
}

func expectations(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	f, err := os.Open("testdata/expected.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows := make(map[string]json.RawMessage)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var row struct {
			Sample string
			Report json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		rows[row.Sample] = row.Report
	}
	return rows
}

// samples returns the names of the samples, and fails if they are not in testdata.
func samples(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d samples in testdata, %v", len(paths), err)
	}
	for i := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(paths[i]), ".eml")
	}
	return paths
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readSample(t testing.TB, name string) *Report {
	t.Helper()
	r, err := Read(bytes.NewReader(sample(t, name)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, message string) *Report {
	t.Helper()
	r, err := Read(strings.NewReader(message), Limits{})
	if parsed := Parse([]byte(message), Limits{}); !reflect.DeepEqual(parsed, r) {
		t.Errorf("Parse and Read differ:\n%+v\n%+v", parsed, r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOriginalsComeWithTheInnermostLast(t *testing.T) {
	got := readSample(t, "nested").Originals
	want := []string{"inner-report@other.example", "20260303100000.1@sender.example"}
	if len(got) != len(want) {
		t.Fatalf("got %d originals: %+v", len(got), got)
	}
	for i := range want {
		if got[i].MessageID != want[i] || got[i].Depth != i+1 || got[i].Source != ReturnedMessage {
			t.Errorf("original %d is %+v, want %s", i, got[i], want[i])
		}
	}
}

func TestSourcesOfOriginals(t *testing.T) {
	const id = "20260303100000.1@sender.example"
	for name, want := range map[string]Source{
		"qmail":                  ReturnedText,
		"postfix-dsn":            ReturnedMessage,
		"postfix-delayed":        ReturnedHeaders,
		"base64-octet-stream":    ReturnedMessage,
		"mdn":                    OriginalMessageID,
		"vacation":               InReplyTo,
		"out-of-office-exchange": InReplyTo,
	} {
		if got := readSample(t, name).Originals; len(got) == 0 || got[0].Source != want || got[0].MessageID != id {
			t.Errorf("%s: got %+v, want %s from %s", name, got, id, want)
		}
	}
}

func TestOriginalOfAReturnedMessage(t *testing.T) {
	o := readSample(t, "dsn-several-recipients").Original()
	switch {
	case o.Sender != "anna@sender.example", o.From != "anna@sender.example", o.EnvelopeID != "QQ314159":
		t.Errorf("got %+v", o)
	case len(o.Recipients) != 1 || o.Recipients[0] != "bert@rcpt.example":
		t.Errorf("recipients are %q", o.Recipients)
	}
}

func TestReferencesComeLastOneFirst(t *testing.T) {
	got := readSample(t, "vacation").Originals
	if len(got) != 2 || got[1].Source != References || got[1].MessageID != "20260301090000.7@sender.example" {
		t.Errorf("got %+v", got)
	}
}

// A report whose In-Reply-To names one message and which returns another without Message-ID says nothing about the
// returned one.
func TestInReplyToIsNotTheReturnedMessage(t *testing.T) {
	r := read(t, "From: MAILER-DAEMON@mta.example\nSubject: failure notice\nIn-Reply-To: <1@sender.example>\n\n"+
		"Your message could not be delivered.\n\n<bert@rcpt.example>:\n550 5.1.1 unknown\n\n--- Original message follows.\n\n"+
		"Received: by mta.example\nFrom: anna@sender.example\nSubject: Minutes\n\nHere.\n")
	if got := r.Original(); r.Kind != Bounce || got.MessageID != "" || got.From != "anna@sender.example" {
		t.Errorf("kind %s, original %+v", r.Kind, got)
	}
	if len(r.Originals) != 2 || r.Originals[1].Source != InReplyTo {
		t.Errorf("In-Reply-To is not among %+v", r.Originals)
	}
}

func TestReturnPathOfTheCallerIsEvidence(t *testing.T) {
	const message = "From: Help Desk <help@mta.example>\nSubject: Minutes\n\n" +
		"Your message was not delivered to <bert@rcpt.example>: 550 5.1.1 unknown\n"
	if got := read(t, message).Kind; got != None {
		t.Errorf("from an ordinary sender it is %s", got)
	}
	if got := read(t, "Return-Path: <>\n"+message).Kind; got != Bounce {
		t.Errorf("with a null sender it is %s", got)
	}
}

func TestArrivalDateAndRemoteMTA(t *testing.T) {
	r := readSample(t, "postfix-dsn")
	if got := r.ArrivalDate.UTC().Format("2006-01-02 15:04:05"); got != "2026-03-03 10:00:05" {
		t.Errorf("arrival date %s", got)
	}
	if got := r.Recipients[0]; got.RemoteMTA != "mx.rcpt.example" || got.Code != 550 || got.Class() != '5' {
		t.Errorf("recipient %+v", got)
	}
}

func TestClassOfARecipient(t *testing.T) {
	for want, rcpt := range map[byte]Recipient{
		'4': {Status: "4.2.2", Code: 550},
		'5': {Code: 550},
		0:   {Diagnostic: "unknown"},
	} {
		if got := rcpt.Class(); got != want {
			t.Errorf("%+v: got %c, want %c", rcpt, got, want)
		}
	}
}

func TestTheSenderOfAReportIsNotItsRecipient(t *testing.T) {
	r := read(t, "From: MAILER-DAEMON@mta.example\nTo: anna@sender.example\nSubject: Returned mail\n\n"+
		"Your message could not be delivered.\n\n>>> MAIL From:<anna@sender.example>\n<<< 250 ok\n>>> RCPT To:<bert@rcpt.example>\n"+
		"<<< 550 5.7.1 <anna@sender.example> may not write to you\n")
	if len(r.Recipients) != 1 || r.Recipients[0].Address != "bert@rcpt.example" {
		t.Errorf("got %+v", r.Recipients)
	}
}

// Responders often say only in the subject, in their owner's language, that they are automatic.
func TestAutomaticRepliesInManyLanguages(t *testing.T) {
	for _, subject := range []string{
		"Automatic reply: Offer", "Out of Office: Offer", "Automatische Antwort: Angebot", "Abwesenheitsnotiz: Angebot", "Réponse automatique : Offre",
		"Respuesta automática: Oferta", "Risposta automatica: Offerta", "Resposta automática: Oferta", "Automatisch antwoord: Aanbod",
		"Autosvar: Tilbud", "Automatisk svar: Tilbud", "Automaattinen vastaus: Tarjous", "Automatyczna odpowiedź: Oferta",
		"Automatická odpověď: Nabídka", "Automātiska atbilde: Piedāvājums", "Automatiska atbilde: Piedavajums", "Automatikus válasz: Ajánlat", "Автоматический ответ: Предложение", "Otomatik yanıt: Teklif",
		"自動応答: 件名", "自动答复: 报价", "自动回复: 报价", "자동 회신: 제안",
	} {
		text := "From: a@example.org\nTo: user@example.com\nSubject: " + mime.BEncoding.Encode("utf-8", subject) + "\nIn-Reply-To: <sent@example.com>\n\nText.\n"
		if r := read(t, text); r.Kind != AutoReply || r.Original().MessageID != "sent@example.com" {
			t.Errorf("%s: %s that answers %q", subject, r.Kind, r.Original().MessageID)
		}
	}
}
