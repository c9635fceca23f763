package evidence

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/filter/policy"
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
		domain   string
		content  policy.Content
	}{
		{name: "nothing", report: bounce.Report{Kind: bounce.DSN}, content: policy.ContentBounce},
		{name: "innermost first, best source first", report: bounce.Report{Kind: bounce.DSN, Originals: []bounce.Original{
			original(1, bounce.ReturnedMessage, "outer@example"), original(1, bounce.FreeText, "text@example"),
			original(2, bounce.ReturnedMessage, "Inner@example"), original(2, bounce.References, "inner@example"), original(2, bounce.References, ""),
		}}, messages: "inner@example outer@example text@example", content: policy.ContentBounce},
		{name: "reply with a reference", report: bounce.Report{Kind: bounce.AutoReply, From: "a@example.org", Originals: []bounce.Original{
			original(1, bounce.InReplyTo, "x@example")}}, messages: "x@example", content: policy.ContentReply},
		{name: "reply without", report: bounce.Report{Kind: bounce.AutoReply, From: "a@Mail.Example.org"}, domain: "example.org", content: policy.ContentReply},
		{name: "receipt without", report: bounce.Report{Kind: bounce.MDN, From: "a@example.org"}, domain: "example.org", content: policy.ContentReply},
		{name: "challenge without", report: bounce.Report{Kind: bounce.Challenge, From: "a@example.org"}, domain: "example.org", content: policy.ContentReply},
		{name: "bounce without", report: bounce.Report{Kind: bounce.Bounce, From: "a@example.org"}, content: policy.ContentBounce},
		{name: "reply without a sender's domain", report: bounce.Report{Kind: bounce.AutoReply, From: "nobody"}, content: policy.ContentReply},
		{name: "abuse report", report: bounce.Report{Kind: bounce.ARF, From: "a@example.org"}, content: policy.ContentOther},
		{name: "ordinary", report: bounce.Report{Kind: bounce.None, From: "a@example.org"}, content: policy.ContentOther},

		// Weak signs.
		{name: "perhaps a reply: the author counts, too", report: bounce.Report{Kind: bounce.AutoReply, Weak: true, From: "a@example.org", Originals: []bounce.Original{
			original(1, bounce.InReplyTo, "x@example")}}, messages: "x@example", domain: "example.org", content: policy.ContentReply},
		{name: "perhaps a bounce", report: bounce.Report{Kind: bounce.Bounce, Weak: true, From: "a@example.org"}, domain: "example.org", content: policy.ContentBounce},
		{name: "perhaps a reply, its author authenticated by us", report: bounce.Report{Kind: bounce.AutoReply, Weak: true, From: "a@example.org",
			Authenticated: []bounce.Authenticated{{Server: "elsewhere.example"}, {Server: "mx.example.com", Domain: "example.org"}}}, content: policy.ContentOther},
		{name: "perhaps a reply, its author authenticated elsewhere", report: bounce.Report{Kind: bounce.AutoReply, Weak: true, From: "a@example.org",
			Authenticated: []bounce.Authenticated{{Server: "elsewhere.example", Domain: "example.org"}}}, domain: "example.org", content: policy.ContentReply},
		{name: "perhaps a bounce, its author authenticated, about a failure", report: bounce.Report{Kind: bounce.Bounce, Weak: true, Failure: true, From: "a@example.org",
			Authenticated: []bounce.Authenticated{{Server: "mx.example.com", Domain: "example.org"}}}, domain: "example.org", content: policy.ContentBounce},
		{name: "surely a reply, its author authenticated", report: bounce.Report{Kind: bounce.AutoReply, From: "a@example.org",
			Authenticated: []bounce.Authenticated{{Server: "mx.example.com", Domain: "example.org"}}}, domain: "example.org", content: policy.ContentReply},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Of(&tt.report, filtertest.Policy(t, func(s *policy.Settings) { s.AuthservIDs = []string{"MX.example.com"} }))
			if strings.Join(e.Messages, " ") != tt.messages || e.Domain != tt.domain || e.Content != tt.content {
				t.Errorf("messages %q, domain %q, content %v", e.Messages, e.Domain, e.Content)
			}
		})
	}
}

// A correspondent is a registrable domain, in one spelling.
func TestCorrespondent(t *testing.T) {
	for domain, want := range map[string]string{
		"sub.big.example":               "big.example",
		"Big.Example.":                  "big.example",
		"x.y.firm.co.uk":                "firm.co.uk",
		"co.uk":                         "co.uk",
		"user.github.io":                "user.github.io",
		"mail.münchen.example":          "xn--mnchen-3ya.example",
		"mail.MÜNCHEN.example":          "xn--mnchen-3ya.example",
		"mail.xn--MNCHEN-3ya.example":   "xn--mnchen-3ya.example",
		"localhost":                     "localhost",
		"[192.0.2.1]":                   "[192.0.2.1]",
		"_x.example.com":                "example.com",
		"":                              "",
		"" + strings.Repeat("x.", 5000): "x.x",
	} {
		if got := Correspondent(domain); got != want {
			t.Errorf("%.40q: %q, want %q", domain, got, want)
		}
	}
}

// Which questions are asked about a message depends on what it is; a daily count is that of the mailbox, whatever its extension.
func TestAllowanceIsAsked(t *testing.T) {
	h := store.NewHasher([]byte("hash secret"))
	p := filtertest.Policy(t, nil)
	for _, tt := range []struct {
		name  string
		named Named
		want  bool
	}{
		{"reply", Named{Content: policy.ContentReply, Domain: "example.org"}, true},
		{"reply without a domain", Named{Content: policy.ContentReply}, true},
		{"reply that names a message", Named{Content: policy.ContentReply, Messages: []string{"x@example"}}, false},
		{"bounce, for which there is no allowance", Named{Content: policy.ContentBounce}, false},
		{"no bounce", Named{Content: policy.ContentOther}, false},
		{"perhaps a reply", Named{Content: policy.ContentReply, Unclear: true, Messages: []string{"x@example"}}, true},
		{"perhaps a bounce, to a wrong tag", Named{Content: policy.ContentBounce, Unclear: true}, true},
	} {
		unproven := h.Unproven("user@example.com")
		if tt.named.Unclear {
			unproven = h.Unclear("user@example.com")
		}
		q := NewInquiry(p, h, 20780, &bounce.Report{})
		tag := prvs.Result{}
		if strings.HasSuffix(tt.name, "wrong tag") {
			tag.Status = prvs.BadSignature // about which the record is not asked
		}
		q.Ask(prvs.Address{Local: "User+ext", Domain: "example.com"}, tag, &tt.named)
		asked := slices.ContainsFunc(q.queries, func(q store.Query) bool { return q.Key == unproven && q.Expires == 20780 })
		if asked != tt.want {
			t.Errorf("%s: asked %v", tt.name, asked)
		}
		counts := make([]uint32, len(q.queries))
		for i := range counts {
			counts[i] = 7
		}
		fs, _, err := q.Answer(t.Context(), &storetest.Fake{Answer: store.Answer{Found: make([]bool, len(q.queries)), Counts: counts}})
		if err != nil {
			t.Fatal(err)
		}
		if got := fs[0].Unproven == 7 && fs[0].AllowanceUsed == (store.Record{Key: unproven, Expires: 20780, Count: 1}); got != tt.want {
			t.Errorf("%s: found %+v", tt.name, fs[0])
		}
		if tt.name == "reply without a domain" && fs[0].Proof != policy.ProofNone {
			t.Errorf("%s: proof %v, although it names nothing", tt.name, fs[0].Proof)
		}
	}
}

// A failed recipient is one in both spellings of its domain.
func TestAFailedRecipientIsOne(t *testing.T) {
	r := &bounce.Report{}
	for _, address := range []string{"Friend@münchen.example", "friend@xn--mnchen-3ya.example", "friend@München.example", "nobody", "", "friend@other.example"} {
		r.Recipients = append(r.Recipients, bounce.Recipient{Address: address, Action: "failed"})
	}
	if got := strings.Join(failedRecipients(r), " "); got != "friend@xn--mnchen-3ya.example nobody friend@other.example" {
		t.Errorf("got %s", got)
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
	p := filtertest.Policy(t, func(s *policy.Settings) { s.Proofs.BouncesAtLeast = 40 })
	q := NewInquiry(p, h, 20780, r)
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
