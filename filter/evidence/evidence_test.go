package evidence

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

func TestEvidence(t *testing.T) {
	original := func(depth int, source bounce.Source, id string) bounce.Original {
		return bounce.Original{Depth: depth, Source: source, MessageID: id}
	}
	for _, tt := range []struct {
		name     string
		report   bounce.Report
		messages string
		domains  string
	}{
		{name: "nothing", report: bounce.Report{Kind: bounce.DSN}},
		{name: "innermost first, best source first", report: bounce.Report{Kind: bounce.DSN, Originals: []bounce.Original{
			original(1, bounce.ReturnedMessage, "outer@example"), original(1, bounce.FreeText, "text@example"),
			original(2, bounce.ReturnedMessage, "Inner@example"), original(2, bounce.References, "inner@example"), original(2, bounce.References, ""),
		}}, messages: "inner@example outer@example text@example"},
		{name: "reply with a reference", report: bounce.Report{Kind: bounce.AutoReply, From: "a@example.org", Originals: []bounce.Original{
			original(1, bounce.InReplyTo, "x@example")}}, messages: "x@example"},
		{name: "reply without", report: bounce.Report{Kind: bounce.AutoReply, From: "a@Mail.Example.org"}, domains: "mail.example.org example.org"},
		{name: "receipt without", report: bounce.Report{Kind: bounce.MDN, From: "a@example.org"}, domains: "example.org"},
		{name: "bounce without", report: bounce.Report{Kind: bounce.Bounce, From: "a@example.org"}},
		{name: "reply without a sender's domain", report: bounce.Report{Kind: bounce.AutoReply, From: "nobody"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Of(&tt.report)
			if strings.Join(e.Messages, " ") != tt.messages || strings.Join(e.Domains, " ") != tt.domains {
				t.Errorf("messages %q, domains %q", e.Messages, e.Domains)
			}
		})
	}
}

// However many recipients and references a message has, the store is asked a bounded number of questions.
func TestQuestionsAreBounded(t *testing.T) {
	const recipients = 1000
	q := NewInquiry(filtertest.Policy(t, nil), store.NewHasher([]byte("hash secret")), 20780, nil)
	e := Named{}
	for i := range 32 {
		e.Messages = append(e.Messages, fmt.Sprintf("%d@example", i))
	}
	for i := range recipients {
		q.Ask(prvs.Address{Local: fmt.Sprintf("user%d+a+b", i), Domain: "example.com"}, prvs.Result{}, &e)
	}
	if n := len(q.queries); n < maxQueries || n > maxQueries+3*recipients { // the latter for mail left unsigned
		t.Errorf("%d questions", n)
	}
	if len(q.about) != recipients {
		t.Errorf("%d recipients", len(q.about))
	}
}

// What is counted about a bounce is bounded, and is one call of the store at the most.
func TestWhatIsCounted(t *testing.T) {
	h := store.NewHasher([]byte("hash secret"))
	tag := prvs.Result{Status: prvs.Valid, Sender: prvs.Address{Local: "user", Domain: "example.com"}, Number: 1, Expiry: 20787}
	tag.Original = tag.Sender
	r := &bounce.Report{}
	for n := range 100 {
		r.Recipients = append(r.Recipients, bounce.Recipient{Address: fmt.Sprintf("A%d@Example.org", n%50), Action: []string{"failed", "delayed"}[n%2]})
	}
	failed := failedRecipients(r)
	if len(failed) != maxFailed || failed[1] != "a2@example.org" {
		t.Fatalf("failed recipients: %q", failed)
	}
	r.Recipients = r.Recipients[:4]
	q := NewInquiry(filtertest.Policy(t, nil), h, 20780, r)
	q.Ask(tag.Sender, tag, nil)
	answer := func(found []bool, counts ...uint32) Finding {
		fs, _, err := q.Answer(t.Context(), &storetest.Fake{Answer: store.Answer{Found: found, Counts: counts}})
		if err != nil {
			t.Fatal(err)
		}
		return fs[0]
	}
	one := store.Record{Key: h.Answered("user@example.com", 20787, 1), Expires: 20787, Count: 1}
	named := store.Record{Key: h.FailedRecipient("user@example.com", 20787, 1, "a2@example.org"), Expires: 20787}
	for _, tt := range []struct {
		name   string
		found  []bool
		counts []uint32
		want   []store.Record
	}{
		{"tag not on record", make([]bool, 5), make([]uint32, 5), nil},
		{"one recipient is new", []bool{true, true, true, true, false}, []uint32{1, 5, 3, 0, 0},
			[]store.Record{one, {Key: h.Failed("user@example.com", 20787, 1), Expires: 20787, Count: 1}, named}},
		{"none is new", []bool{true, true, true, true, true}, []uint32{1, 5, 3, 0, 0}, []store.Record{one}},
		{"over budget", []bool{true, true, true, true, false}, []uint32{1, 50, 3, 0, 0}, []store.Record{one}},
	} {
		if got := answer(tt.found, tt.counts...).TagUsed; !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
