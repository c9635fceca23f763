package e2e

import "testing"

// TestSite runs all scenarios against a site with the embedded store and one with Redis. The first reaches the milter
// over TCP, as the manual has it, and keeps Postfix' own bounces away from milters, as is its default; the second uses
// a unix socket and shows them.
func TestSite(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name string
		o    siteOptions
	}{
		{"embedded store", siteOptions{config: doNotTag}},
		{"Sendmail", siteOptions{config: doNotTag, sendmail: true}},
		{"Redis", siteOptions{config: doNotTag, redis: true, unixSocket: true, settings: []string{"internal_mail_filter_classes = bounce"}}},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, variant.o)
			if variant.o.redis {
				t.Run("nothing is recorded before anything is signed", s.checkRecordIsEmpty)
			}
			t.Run("outbound", s.testOutbound)
			t.Run("genuine bounce", s.testScenarios(genuineBounces))
			if variant.o.sendmail {
				t.Run("detail", s.testScenarios(details))
			}
			t.Run("backscatter", s.testScenarios(backscatter))
			t.Run("no bounce", s.testScenarios(noBounces))
			t.Run("who sends it", s.testSources)
			t.Run("unknown user", s.testScenarios(unknownUsers))
			t.Run("modes and exemptions", s.testScenarios(modesAndExemptions))
			t.Run("several recipients", s.testScenarios(severalRecipients))
			t.Run("answered", s.testScenarios(answered()))
			t.Run("proof", s.testScenarios(proofs))
			t.Run("Message-ID", s.testMessageIDs)
			t.Run("reports", s.testReports)
			t.Run("ordinary mail", s.testScenarios(ordinaryMail))
			t.Run("parameters", s.testParameters)
			t.Run("stages", s.testStages)
			t.Run("bad_tag", s.testBadTagAtRcpt)
			t.Run("failed delivery", s.testFailedDelivery)
			t.Run("nothing was delivered twice", s.checkOnce)
			if variant.o.redis {
				t.Run("record", s.checkRecord)
			}
			t.Run("summary", s.testSummary)
		})
	}
}

// testScenarios runs scenarios one after the other, so that what is counted is counted for one of them. What was refused
// must have arrived nowhere.
func (s *site) testScenarios(scenarios []scenario) func(*testing.T) {
	return func(t *testing.T) {
		for _, sc := range scenarios {
			t.Run(sc.name, func(t *testing.T) {
				if s.cannot(t, sc.notSendmail) {
					return
				}
				mark := sc.run(t, s)
				if sc.mailboxes != nil || sc.inner != "" {
					return
				}
				if s.delivered(mark) {
					t.Errorf("the refused message %s was delivered", mark)
				}
			})
		}
	}
}

// cannot says whether this is a site with Sendmail, and there is a reason why that cannot play a row.
func (s *site) cannot(t *testing.T, notSendmail string) bool {
	t.Helper()
	if s.postfix != nil || notSendmail == "" {
		return false
	}
	t.Logf("not with Sendmail: %s", notSendmail)
	return true
}

// mailboxes are the mailboxes of the site.
func (s *site) mailboxes() []mailbox {
	var all []mailbox
	for _, address := range []string{"games@local.example", "user@virt.example", "other@virt.example", "member@virt.example",
		`"first last"@virt.example`, "user@monitor.example", "user@auto.example", "user@early.example"} {
		all = append(all, s.mailbox(address))
	}
	return all
}

// delivered says whether a message is in some mailbox or at some other server.
func (s *site) delivered(mark string) bool {
	for _, m := range s.mailboxes() {
		if len(m.mails(mark)) > 0 {
			return true
		}
	}
	return len(s.world.with(mark))+len(s.inner.with(mark)) > 0
}

// checkOnce holds that replacing a recipient, which both the milter and Postfix do, makes no second copy.
func (s *site) checkOnce(t *testing.T) {
	s.mta.drain(t)
	copies := map[string]int{}
	for _, m := range s.mailboxes() {
		for _, text := range m.mails("") {
			copies[string(m)+" "+messageID(text)]++
		}
	}
	for _, d := range s.inner.all() {
		copies["inner server "+messageID(d.text)]++
	}
	if len(copies) < 20 {
		t.Errorf("only %d messages were delivered", len(copies))
	}
	for where, n := range copies {
		if n != 1 {
			t.Errorf("%s: %d copies", where, n)
		}
	}
}
