package filter

import (
	"strings"
	"testing"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
)

// identifiedSite gives outbound mail its Message-ID, and leaves some mail unsigned.
func identifiedSite(t *testing.T) *fixture {
	f := start(t, func(s *policy.Settings) {
		s.AddMessageID = true
		s.DoNotTag.Senders = []string{"quiet@example.com"}
	})
	f.server.view.RefreshRecord(t.Context())
	return f
}

// submitWith sends a message that author@example.com has written, with these Message-ID fields, and returns what is done to it.
func (m *mta) submitWith(from string, fields ...string) []mod {
	m.t.Helper()
	m.auth = "user"
	m.connect(outsider, 40123)
	m.mail(from)
	m.rcpt("<friend@example.org>")
	m.data()
	m.header("From", "author@example.com")
	for _, v := range fields {
		m.header("Message-Id", v)
	}
	r := m.end()
	if r.code != 'a' {
		m.t.Fatalf("%c %s", r.code, r.text)
	}
	return r.mods
}

// identified takes the new Message-ID out of the changes of a message, and writes N in its place.
func identified(mods []mod) (written []string, id string) {
	for _, m := range mods {
		text := m.String()
		if m.code == 'h' || m.code == 'm' {
			if value := m.args[1]; value != "" {
				id = strings.Trim(value, "<>")
				text = strings.ReplaceAll(text, value, "N")
			}
			text = strings.Replace(text, "....", string('0'+m.raw[3]), 1)
		}
		written = append(written, text)
	}
	return written, id
}

// A message leaves with one Message-ID, and the bounce that returns it is accepted without a tag. What is removed is removed from the
// last one on: Postfix renumbers.
func TestOneMessageIDLeaves(t *testing.T) {
	const quiet = "<quiet@example.com>"
	for _, tt := range []struct {
		name, from string
		fields     []string
		want       []string
	}{
		{"none", "<user@example.com>", nil, []string{"h Message-ID N", "e " + signedUser}},
		{"usable", "<user@example.com>", []string{"<" + sentID + ">"}, []string{"e " + signedUser}},
		{"empty", "<user@example.com>", []string{""}, []string{"m 1 Message-ID N", "e " + signedUser}},
		{"too long", "<user@example.com>", []string{"<" + strings.Repeat("x", 1100) + "@example.com>"}, []string{"m 1 Message-ID N", "e " + signedUser}},
		{"twice, the first is usable", "<user@example.com>", []string{"<" + sentID + ">", "<b@example.com>"}, []string{"m 2 Message-ID ", "e " + signedUser}},
		{"twice, the second is usable", "<user@example.com>", []string{"<>", "<" + sentID + ">"}, []string{"m 1 Message-ID ", "e " + signedUser}},
		{"three times", "<user@example.com>", []string{"", "<>", "x"}, []string{"m 3 Message-ID ", "m 2 Message-ID ", "m 1 Message-ID N", "e " + signedUser}},
		{"unsigned, none", quiet, nil, []string{"h Message-ID N"}},
		{"unsigned, empty", quiet, []string{""}, []string{"m 1 Message-ID N"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := identifiedSite(t)
			f.setClock(testDay)
			got, id := identified(f.dial().submitWith(tt.from, tt.fields...))
			if strings.Join(got, "|") != strings.Join(tt.want, "|") {
				t.Fatalf("changes %q, want %q", got, tt.want)
			}
			if id == "" {
				id = sentID
			} else if len(id) != 26+len("@example.com") || !strings.HasSuffix(id, "@example.com") {
				t.Errorf("Message-ID %q", id)
			}
			if _, r := f.outsideMTA().deliver("<>", "<author@example.com>", dsnText(id)); r.code != 'a' {
				t.Errorf("bounce: %c %s", r.code, r.text)
			}
			if tt.from != quiet { // whose bounces are accepted whatever they name
				wantLog(t, f, "reason=valid-message")
			}
			key := f.server.hasher.Message("author@example.com", id)
			if a, err := f.store.Lookup(t.Context(), store.DayOf(testDay), store.AnyDay(key)); err != nil || !a.Found[0] {
				t.Errorf("%s is not on record (%v)", id, err)
			}
		})
	}
}

// A domain is written in A-labels, which every MTA can pass on (RFC 5890 section 2.3.2.1).
func TestMessageIDOfAnInternationalDomain(t *testing.T) {
	f := start(t, func(s *policy.Settings) {
		s.AddMessageID = true
		s.Domains = append(s.Domains, policy.Domain{Name: "exämple.com", Mode: policy.ModeEnforce})
	})
	if _, id := identified(f.dial().submitWith("<user@exämple.com>")); !strings.HasSuffix(id, "@xn--exmple-cua.com") {
		t.Errorf("Message-ID %q", id)
	}
}

// Mail that is forwarded may carry a signature of its author; mail of other domains is not ours to change.
func TestMessageIDIsLeftAlone(t *testing.T) {
	f := identifiedSite(t)
	for _, from := range []string{"<SRS0=HHH=TT=example.org=friend@example.com>", "<prvs=1787a0a0a0=user@example.com>", "<somebody@example.org>"} {
		if mods := f.dial().submitWith(from, ""); len(mods) > 0 {
			t.Errorf("%s: %v", from, mods)
		}
	}
}

// An MTA that lets no milter add or change a header still has its mail signed. The field that cannot be replaced gets none beside it.
func TestMessageIDThatCannotBeChanged(t *testing.T) {
	f := identifiedSite(t)
	for _, tt := range []struct {
		actions milter.OptAction
		fields  []string
	}{
		{allActions &^ milter.OptAddHeader, nil},
		{allActions &^ milter.OptChangeHeader, []string{""}},
		{allActions &^ milter.OptChangeHeader, []string{"<a@example.com>", "<b@example.com>"}},
	} {
		wantMods(t, f.dialAs(6, tt.actions, allProtocol).submitWith("<user@example.com>", tt.fields...), "e "+signedUser)
	}
	f = start(t, nil) // add_message_id = false
	wantMods(t, f.dial().submitWith("<user@example.com>", ""), "e "+signedUser)
}
