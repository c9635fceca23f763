package e2e

import (
	"net/mail"
	"strings"
	"testing"
)

// identities are Message-ID fields with which a message may be handed in. Whatever they are, one leaves (RFC 5322 section 3.6), and the
// milter knows it when a bounce returns it.
var identities = []struct {
	name   string
	fields string // with line ends
	kept   string // the Message-ID that stays; "" if the message gets another one
}{
	{name: "none"},
	{name: "one", fields: "Message-ID: <a.%[1]s@client.example>\n", kept: "<a.%[1]s@client.example>"},
	{name: "one in a folded field", fields: "Message-Id:\n <a.%[1]s@client.example>\n", kept: "<a.%[1]s@client.example>"},
	{name: "one with a space before the colon", fields: "Message-ID : <a.%[1]s@client.example>\n", kept: "<a.%[1]s@client.example>"},
	{name: "as long as a line may be", fields: "Message-ID: <a.%[1]s" + xs(940) + "@client.example>\n", kept: "<a.%[1]s" + xs(940) + "@client.example>"},
	{name: "longer than a line may be", fields: "Message-ID: <a.%[1]s." + xs(1100) + "@client.example>\n"},
	{name: "empty", fields: "Message-ID:\n"},
	{name: "empty, with a space before the colon", fields: "Message-ID :\n"},
	{name: "of white space", fields: "Message-ID: \n  \n"},
	{name: "empty brackets", fields: "Message-ID: <>\n"},
	{name: "without an @", fields: "Message-ID: <1234567890>\n"},
	{name: "broken by a fold", fields: "Message-ID: <a.\n %[1]s@client.example>\n"},
	{name: "twice", fields: "Message-ID: <a.%[1]s@client.example>\nMessage-Id: <b.%[1]s@client.example>\n", kept: "<a.%[1]s@client.example>"},
	{name: "twice, the first one empty", fields: "Message-ID:\nMessage-ID: <b.%[1]s@client.example>\n", kept: "<b.%[1]s@client.example>"},
	{name: "twice, the second one empty", fields: "Message-ID: <a.%[1]s@client.example>\nMessage-ID:\n", kept: "<a.%[1]s@client.example>"},
	{name: "three times, none usable", fields: "Message-ID:\nMessage-ID: <>\nMessage-ID: <%[1]s>\n"},
}

func xs(n int) string { return strings.Repeat("x", n) }

// testMessageIDs hands in each of them on each way out, and lets a bounce come back, without a tag, that returns what has left.
func (s *site) testMessageIDs(t *testing.T) {
	const sender, receiver = "user@virt.example", "friend@remote.example"
	for _, way := range waysOut {
		for _, row := range identities {
			t.Run(way.name+"/"+row.name, func(t *testing.T) {
				m := newMessage(sender, receiver, "X-Mark: ")
				named := func(text string) string { return strings.ReplaceAll(text, "%[1]s", m.mark) }
				m.text = strings.Replace(m.text, "Message-ID: <"+m.mark+"@client.example>\n", named(row.fields), 1)
				m.text = strings.Replace(m.text, "X-Mark: ", "X-Mark: "+m.mark, 1)
				way.send(t, s, sender, receiver, m)
				d := s.world.await(t, m.mark)
				msg, err := mail.ReadMessage(strings.NewReader(d.text))
				if err != nil {
					t.Fatalf("%v\n%s", err, d.text)
				}
				ids := msg.Header["Message-Id"]
				if len(ids) != 1 || strings.Count(strings.ToLower(header(d.text)), "\nmessage-id") != 1 {
					t.Fatalf("it leaves with the Message-IDs %q:\n%s", ids, d.text)
				}
				if row.kept != "" && ids[0] != named(row.kept) || row.kept == "" && !newIdentity(ids[0]) {
					t.Errorf("it leaves with the Message-ID %q", ids[0])
				}
				t.Logf("Message-ID: %s", ids[0])
				(&scenario{
					to: []rcpt{{plain(sender), ok}}, answer: postfixDSN, of: func(*testing.T, *site) string { return d.text },
					mailboxes: []string{sender}, reason: "valid-message", action: "accept", header: "reason=valid-message",
				}).run(t, s)
			})
		}
	}
}

// newIdentity says whether a Message-ID is one that the MTA or the milter makes: with a domain on its right side.
func newIdentity(id string) bool {
	left, right, found := strings.Cut(strings.Trim(id, "<>"), "@")
	return found && len(left) > 10 && (right == "virt.example" || right == "mx.local.example") && strings.HasPrefix(id, "<") && strings.HasSuffix(id, ">")
}
