package bounce

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzRead checks what is true of every input: Read does not panic; the report is bounded, fit for a log, the same each time
// and the same with either line end; and each identifier is in the input, which may be cut off.
func FuzzRead(f *testing.F) {
	for _, name := range samples(f) {
		f.Add(sample(f, name))
	}
	for _, k := range nullSenderKinds(f) {
		f.Add(sample(f, "null-sender/"+k.name))
	}
	if dir := os.Getenv(collectionEnv); dir != "" {
		paths, err := filepath.Glob(filepath.Join(dir, "*", "*.eml"))
		if err != nil || len(paths) == 0 {
			f.Fatalf("%d messages in %s, %v", len(paths), dir, err)
		}
		for _, path := range paths {
			if b, err := os.ReadFile(path); err == nil && len(b) < 32<<10 {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			t.Skip("long inputs find nothing that short ones do not")
		}
		limits := Limits{Depth: 6, Parts: 40}
		r := fuzzRead(t, data, limits)
		checkBounds(t, r)
		checkIdentifiers(t, r, data)
		half := fuzzRead(t, data[:len(data)/2], limits)
		checkBounds(t, half)
		checkIdentifiers(t, half, data[:len(data)/2])

		again := marshal(t, fuzzRead(t, data, limits))
		if got := marshal(t, r); got != again {
			t.Errorf("two reports of one input:\n%s\n%s", got, again)
		}
		if !bytes.Contains(data, []byte("\r")) {
			crlf := marshal(t, fuzzRead(t, bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")), limits))
			if got := marshal(t, r); got != crlf {
				t.Errorf("CRLF makes a difference:\n%s\n%s", got, crlf)
			}
		}
	})
}

func fuzzRead(t *testing.T, data []byte, limits Limits) *Report {
	r, err := Read(bytes.NewReader(data), limits)
	if err != nil {
		t.Fatalf("a reader without errors: %v", err)
	}
	return r
}

func marshal(t *testing.T, r *Report) string {
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func checkBounds(t *testing.T, r *Report) {
	if r.Unread && (!r.Truncated || r.Kind != None || len(r.Originals)+len(r.Recipients)+len(r.Quoted) > 0) {
		t.Errorf("a message that was not read says %+v", r)
	}
	if len(r.Recipients) > maxRecipients || len(r.Originals) > maxOriginals || len(r.Problems) > maxProblems+1 {
		t.Errorf("%d recipients, %d originals, %d problems", len(r.Recipients), len(r.Originals), len(r.Problems))
	}
	switch r.Kind {
	case None:
		if r.Family != "" || len(r.Recipients) > 0 || r.Weak {
			t.Errorf("an ordinary message of family %s with recipients %+v, weak %t", r.Family, r.Recipients, r.Weak)
		}
	case DSN, Bounce, MDN, AutoReply, Challenge, ARF:
		if r.Family == "" {
			t.Errorf("%s without family", r.Kind)
		}
		if r.Weak && r.Kind == ARF {
			t.Errorf("%s has weak signs", r.Kind)
		}
	default:
		t.Errorf("kind %q", r.Kind)
	}
	loggable(t, r.ReportingMTA, maxNameBytes)
	loggable(t, r.ReceivedFrom, maxNameBytes)
	loggable(t, r.HandOver(), maxNameBytes)
	if len(r.Authenticated) > maxAuthenticated {
		t.Errorf("%d signatures", len(r.Authenticated))
	}
	for _, a := range r.Authenticated {
		loggable(t, a.Server, maxNameBytes)
		loggable(t, a.Domain, maxNameBytes)
	}
	for _, p := range r.Problems {
		loggable(t, p, maxNameBytes)
	}
	for _, rcpt := range r.Recipients {
		loggable(t, rcpt.Address, maxAddressBytes)
		loggable(t, rcpt.Action, maxNameBytes)
		loggable(t, rcpt.Status, 11)
		loggable(t, rcpt.Exact, 11)
		loggable(t, rcpt.Diagnostic, maxDiagnosticBytes)
		loggable(t, rcpt.RemoteMTA, maxNameBytes)
	}
	if len(r.Quoted) > maxQuoted || len(r.Quoted) > 0 && r.Kind != None && r.Kind != AutoReply && r.Kind != Challenge {
		t.Errorf("%s quotes %d", r.Kind, len(r.Quoted))
	}
	for i, id := range r.Quoted {
		loggable(t, id, maxMessageIDBytes)
		if id == "" || slices.Contains(r.Quoted[:i], id) || slices.ContainsFunc(r.Originals, func(o Original) bool { return o.MessageID == id }) {
			t.Errorf("%q is quoted twice, or answered", id)
		}
	}
	depth := 1
	for _, o := range r.Originals {
		if o.Depth < depth || o.Source == "" {
			t.Errorf("original %+v after depth %d", o, depth)
		}
		depth = o.Depth
		if len(o.Recipients) > maxOriginalRcpts {
			t.Errorf("%d recipients of an original", len(o.Recipients))
		}
		loggable(t, o.MessageID, maxMessageIDBytes)
		loggable(t, o.Sender, maxAddressBytes)
		loggable(t, o.From, maxAddressBytes)
		loggable(t, o.EnvelopeID, maxNameBytes)
		for _, a := range o.Authors() {
			loggable(t, a, maxAddressBytes)
		}
		for _, a := range o.Recipients {
			loggable(t, a, maxAddressBytes)
		}
	}
}

func loggable(t *testing.T, s string, limit int) {
	if len(s) > limit || !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
		t.Errorf("%d octets of at most %d, or not fit for a log: %q", len(s), limit, s)
	}
}

// checkIdentifiers checks that each Message-ID is in the input, apart from white space and quotation marks. It skips an input
// that has something to decode.
func checkIdentifiers(t *testing.T, r *Report, data []byte) {
	if !isASCII(string(data)) || bytes.ContainsAny(data, "=&\x1b") || allBase64Line(data) {
		return
	}
	plain := squeeze(string(data))
	for _, o := range r.Originals {
		if !strings.Contains(plain, squeeze(o.MessageID)) {
			t.Errorf("the identifier %q is not in the input", o.MessageID)
		}
	}
}

func allBase64Line(data []byte) bool {
	for line := range bytes.Lines(data) {
		if len(line) > 20 && allBase64(string(bytes.TrimSpace(line))) {
			return true
		}
	}
	return bytes.Contains(bytes.ToLower(data), []byte("base64"))
}

func squeeze(s string) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f || strings.ContainsRune("<>|", c) {
			return -1
		}
		return c
	}, s)
}
