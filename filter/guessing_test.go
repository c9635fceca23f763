package filter

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

const tooManyTags = "450 4.7.1 Too many invalid tags: further invalid tags are not judged for now, try again later"

// guess returns an address of user@example.com with the nth wrong tag of the day before the test day.
func guess(n int) string { return fmt.Sprintf("<prvs=1786%06x=user@example.com>", n) }

// covers says whether a wrong tag is among those that are answered like a right one.
func (f *fixture) covers(to string) bool {
	f.t.Helper()
	m := judge.Message{Policy: f.server.state.Load().policy, Hasher: f.server.hasher, Now: f.now()}
	return judge.Covers(&m, strings.Trim(to, "<>"))
}

// find returns the first guess, from the nth one on, that covers right tags, or does not.
func (f *fixture) find(n int, covers bool) string {
	f.t.Helper()
	for last := n + 1000; n < last; n++ {
		if f.covers(guess(n)) == covers {
			return guess(n)
		}
	}
	f.t.Fatalf("of 1000 tags none covers right ones: %v", covers)
	return ""
}

// answers is all that a client sees of a message: the stage and code at which it ends.
func answers(m *mta, from, to string) string {
	stage, r := m.message(from, to)
	if r.code == 'd' { // the MTA says 250 and throws the message away
		r.code = 'a'
	}
	return fmt.Sprintf("%s %c %s", stage, r.code, r.text)
}

// Beyond the wrong tags of a day that are told, a guesser gets the answers of a right tag for some wrong ones, and is deferred for the
// others; a right one is accepted as ever. This holds on each way on which a client gets an answer about a tag.
func TestGuessedTags(t *testing.T) {
	const most = 5
	for _, tt := range []struct {
		name, from string
		atRcpt     bool
		told       string // the answer to a wrong tag that is told
		hidden     string
		right      string
		mods       []string // of an accepted message to TAG, a wrong tag
	}{
		{"a bounce", "<>", false, "end y " + badTag, "end y " + tooManyTags, "end a ", nil},
		{"a bounce, at RCPT", "<>", true, "rcpt y " + badTag, "rcpt y " + tooManyTags, "end a ", nil},
		{"ordinary mail", "<friend@example.org>", false, "data y " + noSuchAddress, "data y " + tooManyTags, "end a ", []string{"- TAG", "+ <user@example.com>"}},
		{"ordinary mail, at RCPT", "<friend@example.org>", true, "rcpt y " + noSuchAddress, "rcpt y " + tooManyTags, "end a ", []string{"- TAG", "+ <user@example.com>"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, func(s *policy.Settings) { s.WrongTagsPerDay, s.RefuseBadTagAtRcpt = most, tt.atRcpt })
			f.record("user@example.com", testDay.AddDate(0, 0, 7))
			m := f.outsideMTA()
			check := func(to, want string) {
				t.Helper()
				if got := answers(m, tt.from, to); got != want {
					t.Errorf("%s: %q, want %q", to, got, want)
				}
			}
			for n := range most {
				check(guess(n), tt.told)
				check(guess(n), tt.told) // the same tag again is none more
			}
			before := len(f.log.String())
			check(f.find(most, false), tt.hidden)
			check(f.find(most, false), tt.hidden)
			check(f.find(most, true), tt.right)
			check(f.find(most, true), tt.right)
			cover := f.find(most, true)
			_, r := m.message(tt.from, cover)
			if dropped := r.code == 'd'; dropped != (tt.from == "<>") {
				t.Errorf("%s: dropped: %v", cover, dropped)
			}
			var mods []string
			for _, mod := range tt.mods {
				mods = append(mods, strings.ReplaceAll(mod, "TAG", cover))
			}
			wantMods(t, r.mods, mods...)
			for _, right := range []string{signedUser, "<PRVS=178773A1AD=User@Example.com>", "<prvs=178773a1ad=user+shop@example.com>"} {
				check(right, tt.right)
			}
			// Nor from another network; another mailbox is told, until ten times as many came from the network.
			check("<prvs=1786000001=other@example.com>", tt.told)
			other := f.dial()
			other.connect("198.51.100.1", 40123)
			if got := answers(other, tt.from, f.find(most+100, false)); got != tt.hidden {
				t.Errorf("from another network: %q", got)
			}
			for n := range 10*most - 9 { // six to user, one to other, and these
				m.message(tt.from, fmt.Sprintf("<prvs=1786000000=user%d@example.com>", n))
			}
			hidden := 0
			for n := range 20 {
				if got := answers(m, tt.from, fmt.Sprintf("<prvs=1786000001=user%d@example.com>", n)); got == tt.hidden {
					hidden++
				} else if n > 1 && got != tt.right {
					t.Errorf("number %d of user%d: %q", 10*most-1+n, n, got)
				}
			}
			if hidden < 10 {
				t.Errorf("%d hidden", hidden)
			}
			check(signedUser, tt.right)

			log := f.log.String()[before:]
			if n := strings.Count(log, "level=WARN"); n != 2 || !strings.Contains(log, "address=<user@example.com> limit=5") || !strings.Contains(log, "network=203.0.113.0/24 limit=50") {
				t.Errorf("%d warnings:\n%s", n, log)
			}
			for _, line := range strings.Split(log, "\n") {
				if delivered := strings.Contains(line, "action=accept"); strings.Contains(line, "cause=guessing") && strings.Contains(line, "level=DEBUG") == delivered {
					t.Errorf("the level of a line for one guess: %s", line)
				}
			}
			f.server.logSummary()
			wantLog(t, f, fmt.Sprintf("guessed=%d", f.server.guesses.Beyond()))
			// The next day begins anew.
			f.setClock(testDay.AddDate(0, 0, 1))
			check(guess(9), tt.told)
		})
	}
}

// A tag that covers right ones does so in the same ways to write the address in which a right one is accepted, and in no others. Were it
// otherwise, a guesser could tell the two.
func TestGuessInOtherWords(t *testing.T) {
	f := start(t, func(s *policy.Settings) {
		s.WrongTagsPerDay = 1
		s.Domains = []policy.Domain{{Name: "example.com", Aliases: []string{"example.net"}, Mode: policy.ModeEnforce}}
	})
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	m := f.outsideMTA()
	for n := range 2 {
		m.message("<>", guess(n))
	}
	as := func(value, form string) string { return "<" + strings.ReplaceAll(form, "TAG", value) + ">" }
	forms := []string{
		"prvs=TAG=user@example.com", "PRVS=TAG=User@EXAMPLE.COM", "prvs=TAG=user@example.net", "prvs=TAG=user+shop@example.com",
		"prvs=TAG=user+shop+new@example.net", "prvs=TAG=user-friend=remote.example@example.com", "prvs=TAG=user+friend=remote.example@example.com",
		"user+prvs=TAG@example.com", "user+prvs=TAG+shop@example.com", "user+shop+prvs=TAG@example.com", `prvs=TAG="user"@example.com`,
		`prvs=TAG="user+shop"@example.com`, "prvs=TAG=user-shop@example.com", "prvs=TAG=us@example.com", `prvs=TAG="user+"@example.com`,
	}
	accepted := 0
	for from, like := range map[string]byte{"<>": 'd', "<friend@example.org>": 'a'} {
		for _, form := range forms {
			_, r := m.message(from, as("178773a1ad", form))
			right := r.code == 'a'
			if right {
				accepted++
			}
			same, n := 0, 0
			for i := 2; n < 40 && i < 10_000; i++ {
				if !f.covers(guess(i)) {
					continue
				}
				n++
				if _, r := m.message(from, as(fmt.Sprintf("1786%06x", i), form)); (r.code == like) == right {
					same++
				}
			}
			if right && same < n || same < n*3/4 {
				t.Errorf("%s to %s: the right tag is accepted: %v; likewise %d of %d that cover it", from, form, right, same, n)
			}
		}
	}
	if accepted < 20 || accepted > 2*len(forms)-6 {
		t.Errorf("the right tag was accepted in %d of %d ways", accepted, 2*len(forms))
	}
}

// A tag is guessed before it is issued, and again afterwards: a right one is accepted from some time of its first day on, and so are those
// that cover it, each from another time on, until they expire.
func TestGuessesOnOtherDays(t *testing.T) {
	for _, atRcpt := range []bool{false, true} {
		f := start(t, func(s *policy.Settings) { s.WrongTagsPerDay, s.RefuseBadTagAtRcpt = 1, atRcpt })
		first := testDay.AddDate(0, 0, 3).Truncate(24 * time.Hour) // the day on which tags with the digits 790 are issued
		late := 0                                                  // that were deferred at the end of the message
		accepted := func(from string, at time.Time) (n int) {
			f.setClock(at)
			m := f.outsideMTA()
			late = 0
			for i := range 400 {
				switch stage, r := m.message(from, fmt.Sprintf("<prvs=1790%06x=user@example.com>", i)); {
				case r.code == 'd' && from == "<>", r.code == 'a' && from != "<>":
					n++
				case stage == "end":
					late++
				}
			}
			return n
		}
		before := accepted("<>", first.Add(-time.Minute))
		lateBefore := late
		morning, noon := accepted("<>", first.Add(6*time.Hour)), accepted("<>", first.Add(12*time.Hour))
		next, last := accepted("<>", first.Add(24*time.Hour)), accepted("<>", first.Add(8*24*time.Hour-time.Minute))
		expired := accepted("<>", first.Add(8*24*time.Hour))
		if before != 0 || morning == 0 || noon <= morning || next <= noon || last != next || expired != 0 {
			t.Errorf("accepted before %d, in the morning %d, at noon %d, the next day %d, on the last day %d, afterwards %d", before, morning, noon, next, last, expired)
		}
		if atRcpt && (lateBefore != next || late != next) { // the record is asked about right tags at the end of the message
			t.Errorf("of %d that cover right ones %d wait for the end of the message before, %d afterwards", next, lateBefore, late)
		}
		// Ordinary mail is untagged whether or not the tag was issued, or has expired.
		for _, at := range []time.Time{first.Add(-time.Minute), first.Add(24 * time.Hour), first.Add(8 * 24 * time.Hour)} {
			if n := accepted("<friend@example.org>", at); n != next {
				t.Errorf("%d accepted in ordinary mail, want %d", n, next)
			}
		}
	}
}

// A message with many recipients is no way to try many tags at once.
func TestGuessesInOneMessage(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.WrongTagsPerDay = 5 })
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	m := f.outsideMTA()
	var many []string
	for n := range 500 {
		many = append(many, guess(n))
	}
	without, first := m.message("<>", many...)
	with, second := m.message("<>", append(many, signedUser)...)
	if without != with || first.code != 'd' || second.code != 'a' {
		t.Errorf("without the right tag %s %c %s, with it %s %c %s", without, first.code, first.text, with, second.code, second.text)
	}
	// A right tag gets its bounce, whatever is beside it.
	if stage, r := m.message("<>", f.find(600, false), signedUser); r.code != 'a' {
		t.Errorf("%s %c %s", stage, r.code, r.text)
	}
}

// A tag that is right and was not issued may be issued later, so it is not told from a wrong one.
func TestGuessOfATagToCome(t *testing.T) {
	for _, atRcpt := range []bool{false, true} {
		f := startWith(t, &storetest.Fake{Answer: storetest.NothingFound(testDay.AddDate(0, 0, -60))}, func(s *policy.Settings) {
			s.WrongTagsPerDay, s.RefuseBadTagAtRcpt = 5, atRcpt
		}, nil)
		f.server.view.RefreshRecord(t.Context())
		m := f.outsideMTA()
		if got, want := answers(m, "<>", signedUser), "end y 450 4.7.1 Tag not on record: this bounce to an unrecorded tag answers no message known here, try again later"; got != want {
			t.Errorf("before: %q", got)
		}
		for n := range 6 {
			m.message("<>", guess(n))
		}
		if got, want := answers(m, "<>", signedUser), "end y "+tooManyTags; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Ordinary mail to a tag that covers right ones is delivered to the address behind it as with a right tag, whatever other recipients it has:
// where the MTA removes tags itself, nothing is left to do.
func TestGuessBesideAnotherRecipient(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.WrongTagsPerDay = 5 })
	m := f.outsideMTA()
	for n := range 6 {
		m.message("<>", guess(n))
	}
	for _, tagged := range []string{f.find(6, true), signedUser} {
		stage, r := m.message("<friend@example.org>", "<other@example.com>", tagged)
		if stage != "end" || r.code != 'a' {
			t.Errorf("%s: %s %c %s", tagged, stage, r.code, r.text)
		}
		wantMods(t, r.mods, "- "+tagged, "+ <user@example.com>")
		for _, order := range [][]string{{"<user@example.com>", tagged}, {tagged, "<user@example.com>"}} {
			m.mail("<friend@example.org>")
			for _, to := range order {
				m.event('R', to+"\x00", 0, milter.OptNoRcptReply, "{rcpt_addr}", "user@example.com") // as Sendmail does
			}
			if r := m.data(); r.code != 'c' {
				t.Errorf("%s: %c %s", tagged, r.code, r.text)
			}
			m.header("Received", "from somewhere")
			r := m.end()
			if r.code != 'a' {
				t.Errorf("%s: %c %s", tagged, r.code, r.text)
			}
			wantMods(t, r.mods)
		}
	}
	wantLog(t, f, "reason=invalid-tag action=accept cause=guessing")
	// One that is deferred keeps the message from the others, which the client sends again.
	if stage, r := m.message("<friend@example.org>", "<other@example.com>", f.find(6, true), f.find(6, false)); stage != "data" || r.text != tooManyTags {
		t.Errorf("%s %c %s", stage, r.code, r.text)
	}
}

// A Postfix that asks about all recipients, and not about those with a tag alone, would accept ordinary mail for a user that there is not,
// and return it to a sender that may be forged.
func TestGuessIsReturnedToNobody(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.WrongTagsPerDay, s.MailerDaemons.Refuse = 5, true })
	m := f.outsideMTA()
	for n := range 6 {
		f.server.Untag(strings.Trim(guess(n), "<>"))
	}
	cover := f.find(6, true)
	if got := answers(m, "<friend@example.org>", cover); got != "end a " {
		t.Errorf("before: %q", got)
	}
	if _, known := f.server.Untag("user@example.com"); known {
		t.Error("an address without a tag is found")
	}
	if got := answers(m, "<friend@example.org>", cover); got != "data y "+tooManyTags {
		t.Errorf("ordinary mail: %q", got)
	}
	if stage, r := m.deliver("<MAILER-DAEMON@mx.example.org>", cover, namelessBounce); stage != "end" || r.text != tooManyTags {
		t.Errorf("from a mailer daemon: %s %c %s", stage, r.code, r.text)
	}
	if _, r := m.message("<>", cover); r.code != 'd' {
		t.Errorf("a bounce: %c %s", r.code, r.text)
	}
	for _, from := range []string{"<>", "<friend@example.org>"} {
		if got := answers(m, from, signedUser); got != "end a " {
			t.Errorf("a right tag: %q", got)
		}
	}
}

// A bounce from a mailer daemon that has a sender is not dropped, as no other mail with a sender is.
func TestGuessByAMailerDaemon(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.WrongTagsPerDay, s.MailerDaemons.Refuse = 5, true })
	m := f.outsideMTA()
	for n := range 6 {
		m.message("<>", guess(n))
	}
	cover := f.find(6, true)
	if stage, r := m.deliver("<MAILER-DAEMON@mx.example.org>", f.find(6, false), namelessBounce); stage != "end" || r.text != tooManyTags {
		t.Errorf("%s %c %s", stage, r.code, r.text)
	}
	stage, r := m.deliver("<MAILER-DAEMON@mx.example.org>", cover, namelessBounce)
	if stage != "end" || r.code != 'a' || len(r.mods) < 2 || r.mods[0].String() != "- "+cover || r.mods[1].String() != "+ <user@example.com>" {
		t.Errorf("%s %c %s %v", stage, r.code, r.text, r.mods)
	}
	wantLog(t, f, "reason=bad-signature action=tag cause=guessing")
}

// Where many wrong tags came, a bounce that its content proves is delivered whatever its tag, and so is one that is delivered because it
// may be genuine.
func TestGuessesLoseNoGenuineBounce(t *testing.T) {
	long := strings.Replace(dsnText(sentID), "\n\n", "\n\n"+strings.Repeat("preamble of the multipart\n", 25_000), 1)
	for _, tt := range []struct {
		name  string
		store store.Store // complete since long ago unless set
		text  string
		log   string
	}{
		{"it names a message on record", nil, dsnText(sentID), "reason=valid-message action=accept"},
		{"from a correspondent", nil, awayTextWithoutReference, "reason=valid-correspondent action=accept"},
		{"not read as far as it names a message", nil, long, "reason=grace action=accept would_be=bad-signature cause=unread-content"},
		{"within the allowance", nil, strings.ReplaceAll(awayTextWithoutReference, "example.org", "example.net"), "reason=grace action=tag would_be=bad-signature cause=allowance"},
		{"it is no bounce", nil, "From: shop@example.net\nSubject: Your order\n\nThank you.\n", "reason=no-bounce action=accept"},
		{"the record is incomplete", &storetest.Fake{Answer: storetest.NothingFound(time.Time{})}, dsnText(sentID), "reason=grace action=accept would_be=bad-signature cause=incomplete-record"},
		{"the store does not answer", &storetest.Fake{Err: fmt.Errorf("down: %w", store.ErrUnavailable)}, dsnText(sentID), "reason=grace action=accept would_be=bad-signature cause=store-unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := func(s *policy.Settings) { s.WrongTagsPerDay = 5 }
			var f *fixture
			if tt.store != nil {
				f = startWith(t, tt.store, change, nil)
			} else {
				f = withRecord(t, change)
				f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
			}
			m := f.outsideMTA()
			for n := range 6 {
				m.message("<>", guess(n))
			}
			for _, covers := range []bool{true, false} {
				before, to := len(f.log.String()), f.find(6, covers)
				stage, r := f.outsideMTA().deliver("<>", to, tt.text)
				if stage != "end" || r.code != 'a' || len(r.mods) < 2 || r.mods[0].String() != "- "+to || r.mods[1].String() != "+ <user@example.com>" {
					t.Errorf("covers %v: %s %c %s %v", covers, stage, r.code, r.text, r.mods)
				}
				if got := f.log.String()[before:]; !strings.Contains(got, tt.log) {
					t.Errorf("covers %v: the log lacks %q:\n%s", covers, tt.log, got)
				}
			}
		})
	}
}

// The lookups of Postfix tell a right tag from a wrong one, too.
func TestGuessesByLookup(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.WrongTagsPerDay = 5 })
	known := 0
	const n = 2000
	for i := range n {
		to := strings.Trim(guess(i), "<>")
		a, found := f.server.Untag(to)
		if want := i >= 5 && f.covers(to); found != want || found && a != "user@example.com" {
			t.Fatalf("%s: %q %v, want %v", to, a, found, want)
		}
		if found {
			known++
		}
		if a, found := f.server.Untag("prvs=178773a1ad=user@example.com"); !found || a != "user@example.com" {
			t.Fatal("the right tag is unknown")
		}
	}
	if known < n/32 || known > n/8 {
		t.Errorf("%d of %d are known", known, n)
	}
}

// Whatever guesses came, of any tag to any address from any network at any time: a bounce with a right tag is accepted at its first
// attempt, and a guesser is told about no more wrong tags in a day than configured, for an address and from a network.
func TestNoHistoryOfGuessesLocksOut(t *testing.T) {
	const most, guessers, users = 7, 3, 20
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 2026))
		f := start(t, func(s *policy.Settings) { s.WrongTagsPerDay, s.RefuseBadTagAtRcpt = most, seed%2 == 1 })
		rights := map[string]bool{}
		var right []string
		for u := range users {
			user := fmt.Sprintf("user%d@example.com", u)
			signed, err := f.server.state.Load().policy.Sign(prvs.Address{Local: fmt.Sprintf("user%d", u), Domain: "example.com"}, prvs.Standard, prvs.DayOf(testDay))
			if err != nil {
				t.Fatal(err)
			}
			f.record(user, testDay.AddDate(0, 0, 7))
			right = append(right, "<"+signed.Address+">")
			rights[signed.Address] = true
		}
		told := map[string]int{}
		now := testDay
		accepted, delivered, dropped := 0, 0, 0
		for i := range 1500 {
			if r.IntN(200) == 0 {
				now = now.Add(time.Duration(r.IntN(6)) * time.Hour)
				f.setClock(now)
			}
			client := fmt.Sprintf("203.0.%d.%d", r.IntN(guessers), 1+r.IntN(200))
			m := f.dial()
			m.connect(client, 40123)
			user := r.IntN(users)
			if r.IntN(4) == 0 { // a genuine bounce, perhaps from the network of the guesser
				if got := answers(m, "<>", right[user]); got != "end a " {
					t.Fatalf("seed %d, after %d guesses: %s", seed, i, got)
				}
				_ = m.c.Close()
				continue
			}
			to := fmt.Sprintf("prvs=1787%06x=user%d@example.com", r.IntN(1<<24), user)
			from := []string{"<>", "<friend@example.org>"}[r.IntN(2)]
			_, reply := m.message(from, "<"+to+">")
			_ = m.c.Close()
			switch {
			case rights[to]:
			case reply.code == 'a' && from == "<>":
				t.Fatalf("a bounce to %s is delivered", to)
			case reply.code == 'd' && from != "<>":
				t.Fatalf("ordinary mail to %s is dropped", to)
			case reply.code == 'a':
				wantMods(t, reply.mods, "- <"+to+">", "+ <"+to[strings.LastIndexByte(to, '=')+1:]+">")
				delivered++
			case reply.code == 'd':
				dropped++
			case reply.text != tooManyTags:
				day := now.Format(time.DateOnly)
				for k, limit := range map[string]int{fmt.Sprint(day, " user", user): most, day + client[:strings.LastIndexByte(client, '.')]: 10 * most} {
					if told[k]++; told[k] > limit {
						t.Fatalf("seed %d: %d were told for %s", seed, told[k], k)
					}
				}
				accepted++
			}
		}
		if accepted == 0 || delivered == 0 || dropped == 0 {
			t.Errorf("%d were told, %d delivered, %d dropped", accepted, delivered, dropped)
		}
	}
}
