package e2e

import (
	"strings"
	"testing"
)

// accessOfRecipients are entries of the access table, one for each way in which Sendmail looks up a recipient.
const accessOfRecipients = `To:other@virt.example	ERROR:5.7.1:554 the whole address
To:games@	ERROR:5.7.1:554 the local part
To:alias.example	ERROR:4.7.1:450 the domain
To:user@auto.example	OK
To:auto.example	ERROR:5.7.1:554 the domain, but for some users
To:bob@relay.example	REJECT
`

// TestRecipientRestrictionsOfSendmail holds that no tag gets around an entry for its address in the access table.
func TestRecipientRestrictionsOfSendmail(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{sendmail: true, before: "FEATURE(`blocklist_recipients')dnl\n"})
	asked := []string{"other@virt.example", "member@virt.example", "user@virt.example", "games@local.example", "office@local.example",
		"info@alias.example", "user@auto.example", "bob@relay.example", "user@remote.example"}
	for _, address := range asked { // before the addresses are restricted, or their senders could get no tag
		s.forms(t, address)
	}
	sm := s.mta.(*sendmailSite)
	sm.append(t, "access", accessOfRecipients)
	makemap := sm.within("sh", "-c", `"$1" -C "$2/sendmail.cf" hash "$2/access" < "$2/access"`, "sh", strings.Replace(sm.program, "sendmail/sendmail", "sendmail/makemap", 1), sm.dir)
	if out, err := makemap.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	refused := 0
	for _, address := range asked {
		plain := s.answer(t, address)
		if plain[0] != '3' {
			refused++
		}
		for name, form := range s.forms(t, address) {
			got := s.answer(t, form)
			if got != plain && !refusesTag(name, plain, got) {
				t.Errorf("%s of <%s>: <%s> is answered %q, the address %q", name, address, form, got, plain)
			}
		}
	}
	if refused != 5 {
		t.Errorf("%d of the addresses are restricted", refused)
	}
}
