package bounce

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// counter counts what is read from an endless body.
type counter struct {
	head io.Reader
	line string
	n    int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.head.Read(p)
	if err == io.EOF {
		for n < len(p) {
			n += copy(p[n:], c.line)
		}
		err = nil
	}
	c.n += n
	return n, err
}

func TestNoMoreThanTheLimitIsRead(t *testing.T) {
	limits := Limits{HeaderBytes: 4 << 10, BodyBytes: 16 << 10}
	slack := 8<<10 + 1 // the buffer
	for name, c := range map[string]*counter{
		"endless body":          {head: strings.NewReader("From: MAILER-DAEMON@mta.example\nSubject: x\n\n"), line: "text\n"},
		"endless header":        {head: strings.NewReader("From: MAILER-DAEMON@mta.example\n"), line: "X-Field: text\n"},
		"header in one line":    {head: strings.NewReader("From: "), line: "x"},
		"body in one line":      {head: strings.NewReader("From: x@mta.example\n\n"), line: "x"},
		"header without fields": {head: strings.NewReader(""), line: "x"},
	} {
		if _, err := Read(c, limits); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if most := limits.HeaderBytes + limits.BodyBytes + 2*slack; c.n > most {
			t.Errorf("%s: %d octets were read, limit %d", name, c.n, most)
		}
	}
}

func TestWhatCameBeforeTheLimitIsReported(t *testing.T) {
	message := string(sample(t, "postfix-dsn")) + strings.Repeat("padding of the returned message\n", 100)
	at := strings.Index(message, "Content-Type: message/rfc822")
	body := strings.Index(message, "\n\n") + 2
	r, err := Read(strings.NewReader(message), Limits{BodyBytes: at - body})
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind != DSN || len(r.Recipients) != 1 || r.Recipients[0].Status != "5.1.1" {
		t.Errorf("got %s, %+v", r.Kind, r.Recipients)
	}
	if !strings.Contains(strings.Join(r.Problems, "; "), "cut off") {
		t.Errorf("problems are %q", r.Problems)
	}
}

func TestTruncated(t *testing.T) {
	message := string(sample(t, "postfix-dsn"))
	header := strings.Index(message, "\n\n") + 2
	for name, tt := range map[string]struct {
		m      string
		limits Limits
		want   bool
	}{
		"all was read":               {message, Limits{}, false},
		"the body ends at the limit": {message, Limits{BodyBytes: len(message) - header}, false},
		"the body is longer":         {message, Limits{BodyBytes: len(message) - header - 1}, true},
		"the header is longer":       {message, Limits{HeaderBytes: header - 20}, true},
		"there are more parts":       {message, Limits{Parts: 2}, true},
		"there are more levels":      {string(sample(t, "nested")), Limits{Depth: 1}, true},
	} {
		r, err := Read(strings.NewReader(tt.m), tt.limits)
		if err != nil || r.Truncated != tt.want {
			t.Errorf("%s: %t, %v", name, r.Truncated, err)
		}
	}
	r, err := Read(io.MultiReader(strings.NewReader(message), iotest.ErrReader(errors.New("closed"))), Limits{})
	if err == nil || !r.Truncated {
		t.Errorf("the reader failed: %t, %v", r.Truncated, err)
	}
}

func TestALineCutOffAtTheLimitIsDropped(t *testing.T) {
	message := string(sample(t, "qmail"))
	at := strings.Index(message, "Message-ID: <20260303") + len("Message-ID: <20260303")
	body := strings.Index(message, "\n\n") + 2
	r, err := Read(strings.NewReader(message), Limits{BodyBytes: at - body})
	if err != nil {
		t.Fatal(err)
	}
	if id := r.Original().MessageID; r.Kind != Bounce || id != "" {
		t.Errorf("got %s, %q from half an identifier", r.Kind, id)
	}
}

func TestAnOverlongHeaderDoesNotHideTheBody(t *testing.T) {
	message := strings.Replace(string(sample(t, "qmail")), "\n\n", "\nX-Padding: "+strings.Repeat("x", 70)+
		strings.Repeat("\n "+strings.Repeat("y", 70), 100)+"\n\n", 1)
	r, err := Read(strings.NewReader(message), Limits{HeaderBytes: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind != Bounce || r.Original().MessageID != "20260303100000.1@sender.example" {
		t.Errorf("got %s, %+v", r.Kind, r.Original())
	}
	if !strings.Contains(strings.Join(r.Problems, "; "), "header is longer") {
		t.Errorf("problems are %q", r.Problems)
	}
}

func TestAnErrorOfTheReaderComesWithWhatWasRead(t *testing.T) {
	broken := errors.New("connection reset")
	r, err := Read(io.MultiReader(strings.NewReader(string(sample(t, "postfix-dsn"))), failing{broken}), Limits{})
	if !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
	if r == nil || r.Kind != DSN || r.Original().MessageID == "" {
		t.Errorf("report is %+v", r)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestDepthAndNumberOfPartsAreLimited(t *testing.T) {
	var deep, wide strings.Builder
	for i := range 50 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	wide.WriteString("Content-Type: multipart/mixed; boundary=b\n\n")
	for range 500 {
		wide.WriteString("--b\nContent-Type: text/plain\n\nx\n")
	}
	for name, message := range map[string]string{"deep": deep.String(), "wide": wide.String()} {
		r := read(t, "From: MAILER-DAEMON@mta.example\nSubject: Returned mail\n"+message)
		if !strings.Contains(strings.Join(r.Problems, "; "), "more MIME parts") {
			t.Errorf("%s: problems are %q", name, r.Problems)
		}
	}
}

func TestReportsWithinReportsEndAtTheDepth(t *testing.T) {
	message := "From: MAILER-DAEMON@mta.example\nSubject: Returned mail\nMessage-ID: <0@mta.example>\n\nCould not be delivered: <bert@rcpt.example>\n"
	for i := 1; i < 40; i++ {
		message = fmt.Sprintf("From: MAILER-DAEMON@mta.example\nSubject: Returned mail\nMessage-ID: <%d@mta.example>\nMIME-Version: 1.0\n"+
			"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n\nCould not be delivered: <bert@rcpt.example>\n"+
			"--b%d\nContent-Type: message/rfc822\n\n%s\n--b%d--\n", i, i, i, i, message, i)
	}
	got := read(t, message).Originals
	if len(got) == 0 || len(got) > DefaultLimits().Depth {
		t.Fatalf("%d originals", len(got))
	}
	for i := range got {
		if want := fmt.Sprintf("%d@mta.example", 38-i); got[i].MessageID != want || got[i].Depth != i+1 {
			t.Errorf("original %d is %+v, want %s", i, got[i], want)
		}
	}
}

func TestRecipientsAreLimited(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: MAILER-DAEMON@mta.example\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mta.example\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "\nFinal-Recipient: rfc822; u%d@rcpt.example\nAction: failed\n", i)
	}
	if got := len(read(t, b.String()).Recipients); got != maxRecipients {
		t.Errorf("%d recipients, want %d", got, maxRecipients)
	}
}
