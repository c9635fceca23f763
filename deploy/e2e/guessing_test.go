package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

const replyGuessed = "450 4.7.1 Too many invalid tags: further invalid tags are not judged for now, try again later"

// TestGuessedTags guesses tags of a user, by bounces and by ordinary mail: the mail server passes on what the daemon answers, the mailbox
// gets none of the bounces and all ordinary mail that was accepted, and a genuine bounce comes in all the same.
func TestGuessedTags(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name     string
		sendmail bool
	}{{"Postfix", false}, {"Sendmail", true}} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{sendmail: variant.sendmail, top: "bad_tags_per_day = 5"})
			const user = "user@virt.example"
			right := s.tag(t, user)
			told, deferred := 0, 0
			var dropped, delivered []message
			for n := 0; n < 400 && (deferred < 20 || len(dropped) < 2 || len(delivered) < 2); n++ {
				to := guess(t, right, n)
				from, m := "", newBounce(to, "Subject: the original\n")
				if n%2 == 1 {
					from, m = "friend@remote.example", newMessage("friend@remote.example", to)
				}
				reply := s.attempt(t, from, to, m)
				switch {
				case strings.HasPrefix(reply, "550 5.7.1 "):
					told++
				case strings.HasPrefix(reply, replyGuessed):
					deferred++
				case strings.HasPrefix(reply, ok) && from != "":
					delivered = append(delivered, m)
				case strings.HasPrefix(reply, ok):
					dropped = append(dropped, m)
				default:
					t.Fatalf("%s: %s", to, reply)
				}
			}
			if told != 5 || deferred < 20 || len(dropped) < 2 || len(delivered) < 2 {
				t.Errorf("%d were refused, %d deferred, %d dropped, %d delivered", told, deferred, len(dropped), len(delivered))
			}
			(&scenario{to: []rcpt{{plain(right), ok}}, mailboxes: []string{user}, reason: "valid", action: "accept", header: "batv=pass reason=valid method=tag"}).run(t, s)
			for _, m := range dropped {
				if got := s.mailbox(user).mails(m.mark); len(got) > 0 {
					t.Errorf("a dropped message has arrived: %s", got)
				}
			}
			for _, m := range delivered {
				if h, _ := s.mailbox(user).await(t, m.mark); strings.Contains(h.Get("Delivered-To"), "prvs=") {
					t.Errorf("delivered to %s", h.Get("Delivered-To"))
				}
			}
			log := s.daemon.process.out.String()
			if n := strings.Count(log, `address="<user@virt.example>" limit=5`); n != 1 {
				t.Errorf("the log says %d times that many came", n)
			}
			if n := s.daemon.metric(t, "bouncefilter_guessed_tags_total"); n != float64(deferred+len(dropped)+len(delivered)) {
				t.Errorf("%v were counted", n)
			}
		})
	}
}

// guess returns an address with the nth tag of the day before that of a right one: those of today begin to cover right ones in the course
// of the day.
func guess(t *testing.T, right string, n int) string {
	t.Helper()
	value, rest, _ := strings.Cut(strings.TrimPrefix(right, "prvs="), "=")
	day, err := strconv.Atoi(value[1:4])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("prvs=%s%03d%06x=%s", value[:1], (day+999)%1000, n, rest)
}

// TestGuessedTagsByLookup guesses tags where Postfix asks the lookup service: ordinary mail to a user is delivered if Postfix knows its
// users, and Postfix accepts none for a user that there is not, which it would return to a forged sender.
func TestGuessedTagsByLookup(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		section  string
		sections []string
		delivers bool
	}{{socketmapInPlace, []string{taggedRecipients, theMilter}, true}, {socketmapAlone, []string{theMilter}, false}} {
		t.Run(way.section, func(t *testing.T) {
			t.Parallel()
			needServers(t)
			address := "127.0.0.1:" + itoa(freePort(t))
			s := newSite(t, siteOptions{sections: way.sections, top: "bad_tags_per_day = 5",
				config: strings.ReplaceAll(codeBlocks(t, postfixManual, socketmapInPlace, "toml")[0], socketmapAddress, address)})
			s.restart(t, func() { s.postfix.follow(t, documented(t, way.section), socketmapAddress, address) })
			const friend = "friend@remote.example"
			handIn(t, outsider, s.postfix.smtp, friend, "user@virt.example", newMessage(friend, "user@virt.example")) // of which there is some at every site
			for _, user := range []string{"user@virt.example", "nobody.here@virt.example"} {
				right := s.daemon.sign(t, user, time.Now())
				deferred, delivered := 0, 0
				for n := range 200 {
					to := guess(t, right, n)
					m := newMessage(friend, to)
					switch reply := s.attempt(t, friend, to, m); {
					case strings.HasPrefix(reply, ok):
						delivered++
						s.mailbox(user).await(t, m.mark)
					case strings.HasPrefix(reply, replyGuessed):
						deferred++
					case !strings.HasPrefix(reply, replyUnknown):
						t.Errorf("%s: %s", to, reply)
					}
				}
				exists := user == "user@virt.example"
				if want := way.delivers && exists; (delivered > 0) != want || (deferred > 0) != !way.delivers {
					t.Errorf("%s: %d were delivered, %d deferred", user, delivered, deferred)
				}
			}
		})
	}
}
