package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// Sendmail leaves out what a listener that signs does not ask for, and lets it change the sender and add a Message-ID at the end.
func TestSendmailWithAListenerThatSigns(t *testing.T) {
	t.Parallel()
	needServers(t)
	world := newSink(t, "world.example")
	d := newDaemon(t, filepath.Join(newFolder(t, "site"), "bouncefilter"), "memory:", false, "", "")
	address := strings.TrimPrefix(d.milter, "inet:")
	d.write(t, listenLine.ReplaceAllString(d.read(t), "")+"\n[[listener]]\naddress = \"tcp:"+address+"\"\nrole = \"sign\"\n")
	d.start(t)
	host, port, _ := strings.Cut(address, ":")
	s := newSendmail(t, world.port, world.port, "FEATURE(`promiscuous_relay')dnl\nINPUT_MAIL_FILTER(`bouncefilter', `S=inet:"+port+"@"+host+", F=T')dnl\n")

	c := s.dial(t)
	defer c.quit()
	m := newMessage("user@local.example", "friend@remote.example")
	withoutID := "Message-ID: <" + m.mark + "@client.example>\n"
	text := strings.Replace(m.text, withoutID, "X-Mark: "+m.mark+"\n", 1)
	c.send("user@local.example", []string{"friend@remote.example", "second@remote.example"}, text)
	got := world.await(t, m.mark)
	if !isSigned(got.sender, "user@local.example") {
		t.Errorf("the sender is <%s>", got.sender)
	}
	if id := messageID(got.text); !strings.HasSuffix(id, "@local.example") {
		t.Errorf("the Message-ID is %q, and not one of bouncefilter's", id)
	}
	d.awaitRecord(t, 0, record{"msg": "outbound", "reason": "signed", "client": "local", "sender": "<user@local.example>"})

	// A bounce in the same session is none of its business, whatever the tag.
	bounce := newBounce("user@local.example", "Subject: the original\n")
	c.send("", []string{forge(got.sender)}, bounce.text)
	if r := world.await(t, bounce.mark).recipients[0].address; r != forge(got.sender) {
		t.Errorf("the recipient of the bounce is <%s>", r)
	}
	for _, r := range d.records(0) {
		if r["msg"] == "bounce" {
			t.Errorf("it was judged: %v", r)
		}
	}
}
