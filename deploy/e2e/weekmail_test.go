package e2e

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// This file makes up a week of mail of a site with three domains, of which is known what is right:
//
//	example.com  mode enforce: ann, ben, cleo, and info, whose address spammers use
//	example.org  mode monitor: shop, desk, and old, who sends nothing
//	example.net  mode auto, and begins to sign on the first day: team

// weekSort is a sort of mail: how much of it comes, and what becomes of it.
type weekSort struct {
	name   string
	domain string
	perDay float64
	shape  *[24]float64 // by hour of the day
	days   string       // on which it comes, of "1234567"; "" for all

	outbound bool
	answers  bool // mail that was signed some hours ago, once each
	tagged   bool // it comes to the tag
	wrongTag bool // it comes to a tag that is wrong
	spamOf   []string
	write    func(w *weekMail) (headers []string, body string)

	// What is right: the words of the verdict, what speaks for it, and what the saved mail of the site without bouncefilter tells.
	reason, action, cause, would, sign string
	class                              string // of backtest
	reports                            bool   // it tells of failed or delayed recipients
}

// office is when people write, and everyHour when machines do.
var (
	office     = [24]float64{0, 0, 0, 0, 0, 0, 1, 3, 7, 9, 9, 8, 5, 7, 9, 8, 7, 4, 2, 1, 1, 1, 0, 0}
	everyHour  = [24]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	stormHours = [24]float64{2: 4, 3: 9, 4: 8, 5: 3}
	afternoon  = [24]float64{13: 1, 14: 1, 15: 1, 16: 1, 17: 1}
)

// stormDay is the day of the week, from 1, on which a spammer uses addresses of example.com.
const stormDay = "5"

var weekSorts = []weekSort{
	{name: "mail", domain: "example.com", perDay: 70, shape: &office, outbound: true, reason: "signed", action: "sign"},
	{name: "mail", domain: "example.org", perDay: 30, shape: &office, outbound: true, reason: "signed", action: "sign"},
	{name: "mail", domain: "example.net", perDay: 12, shape: &everyHour, outbound: true, reason: "signed", action: "sign"},

	{name: "bounce", domain: "example.com", perDay: 9, shape: &office, answers: true, tagged: true, write: writeFailed, reports: true, reason: "valid", action: "accept", class: "genuine"},
	{name: "bounce", domain: "example.org", perDay: 4, shape: &office, answers: true, tagged: true, write: writeFailed, reports: true, reason: "valid", action: "accept", class: "genuine"},
	{name: "bounce", domain: "example.net", perDay: 1, shape: &office, answers: true, tagged: true, write: writeFailed, reports: true, reason: "valid", action: "accept", class: "genuine"},
	{name: "delay", domain: "example.com", perDay: 2, shape: &office, answers: true, tagged: true, write: writeDelayed, reports: true, reason: "valid", action: "accept", class: "genuine"},
	{name: "receipt", domain: "example.com", perDay: 2, shape: &office, answers: true, write: writeReceipt, reason: "valid-message", action: "accept", class: "reply"},
	{name: "vacation", domain: "example.com", perDay: 4, shape: &office, answers: true, tagged: true, write: writeVacation, reason: "valid", action: "accept", class: "reply"},
	{name: "vacation", domain: "example.org", perDay: 1, shape: &office, answers: true, tagged: true, write: writeVacation, reason: "valid", action: "accept", class: "reply"},
	{name: "code", domain: "example.com", perDay: 5, shape: &office, write: writeCode, reason: "no-bounce", action: "accept", class: "no-bounce"},

	{name: "backscatter", domain: "example.com", perDay: 30, shape: &everyHour, write: writeBackscatter, reason: "untagged", action: "reject", class: "backscatter"},
	{name: "wrong tag", domain: "example.com", perDay: 2, shape: &everyHour, wrongTag: true, write: writeBackscatter, reason: "bad-signature", action: "reject"},
	{name: "storm", domain: "example.com", perDay: 180, shape: &stormHours, days: stormDay, write: writeBackscatter, reason: "untagged", action: "reject", class: "backscatter"},
	{name: "backscatter", domain: "example.org", perDay: 8, shape: &everyHour, spamOf: []string{"shop", "desk"}, write: writeBackscatter, reason: "untagged", action: "monitor", cause: "monitor-mode", class: "backscatter"},
	{name: "backscatter", domain: "example.net", perDay: 3, shape: &everyHour, write: writeBackscatter, reason: "grace", action: "accept", cause: "new-domain", would: "untagged", class: "backscatter"},

	// What only the operator can tell from backscatter.
	{name: "other route", domain: "example.org", perDay: 3, shape: &afternoon, days: "2", spamOf: []string{"shop"}, write: writeOtherRoute, reason: "untagged", action: "monitor", cause: "monitor-mode", class: "backscatter"},
	{name: "other route", domain: "example.org", perDay: 4, shape: &afternoon, days: "3", spamOf: []string{"shop"}, write: writeOtherRoute, reason: "untagged", action: "monitor", cause: "monitor-mode", class: "backscatter"},
	{name: "own host", domain: "example.org", perDay: 1, shape: &afternoon, days: "46", spamOf: []string{"desk"}, write: writeOwnHost, reason: "untagged", action: "monitor", cause: "monitor-mode", sign: "own-host", class: "cannot-tell"},
	{name: "never sends", domain: "example.org", perDay: 1, shape: &afternoon, days: "156", spamOf: []string{"old"}, write: writeBackscatter, reason: "untagged", action: "monitor", cause: "monitor-mode", sign: "never-sends", class: "backscatter"},
}

// weekUsers are the local parts of the domains that send.
var weekUsers = map[string][]string{"example.com": {"ann", "ben", "cleo", "info"}, "example.org": {"shop", "desk"}, "example.net": {"team"}}

// weekDestination is where mail goes to.
type weekDestination struct {
	name           string
	weight         int
	status, answer string
	since          int // day of the week from which on it fails
}

// weekDestinations are where mail goes to, how much of it, and why it fails.
var weekDestinations = []weekDestination{
	{"mail.example", 8, "5.1.1", "550 5.1.1 no such user", 1},
	{"university.example", 5, "5.1.1", "550 5.1.1 no such user", 1},
	{"isp.example", 4, "5.2.2", "552 5.2.2 mailbox full", 1},
	{"corp.example", 5, "5.7.1", "554 5.7.1 your network is on our blocklist", 4},
	{"strict.example", 2, "5.7.1", "553 5.7.1 <%s>: Sender address rejected: not owned by user %s", 1},
	{"partner.example", 3, "", "", 8},
}

// weekMail is one message of the week.
type weekMail struct {
	*weekSort
	at       time.Time
	day      int // of the week, from 1
	number   int
	from, to string // without a tag
	rcpts    []string
	original *weekMail // the message that it answers
	tag      string    // of an outbound message: the sender that the world saw
	answered bool
	client   string // its address
	host     string // its name
	route    string // the other route that the log names

	speaks string // what speaks for it: the sign of its sort, or that its source repeats
}

// mark is in the Message-ID of the message, and nowhere else but in answers to it.
func (w *weekMail) mark() string { return fmt.Sprintf("week.%d", w.number) }

func (w *weekMail) messageID() string {
	if w.outbound {
		return w.mark() + "@" + w.domain
	}
	return w.mark() + "@" + w.host
}

// weekOf makes up the mail of seven days, of which the last ends at a time. It is the same for the same seed.
func weekOf(end time.Time, seed uint64) []*weekMail {
	g := &weekGenerator{random: rand.New(rand.NewPCG(seed, seed)), first: end.UTC().Truncate(24*time.Hour).AddDate(0, 0, -6)}
	due := make([]float64, len(weekSorts))
	for at := g.first; at.Before(end); at = at.Add(time.Hour) {
		for i := range weekSorts {
			due[i] += weekSorts[i].rate(g.dayOf(at), at)
			for ; due[i] >= 1; due[i]-- {
				g.add(&weekSorts[i], at)
			}
		}
	}
	return g.all
}

// rate is how many messages of a sort come in an hour.
func (s *weekSort) rate(day int, at time.Time) float64 {
	if s.days != "" && !strings.Contains(s.days, fmt.Sprint(day)) {
		return 0
	}
	sum := 0.0
	for _, weight := range s.shape {
		sum += weight
	}
	rate := s.perDay * s.shape[at.Hour()] / sum
	if weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday; weekend && s.shape == &office {
		rate /= 4
	}
	return rate + 1e-9 // so that whole numbers a day come out whole
}

type weekGenerator struct {
	random *rand.Rand
	first  time.Time
	all    []*weekMail
	routes int
}

func (g *weekGenerator) dayOf(at time.Time) int { return int(at.Sub(g.first)/(24*time.Hour)) + 1 }

// add makes a message of a sort, unless it is to answer one and there is none.
func (g *weekGenerator) add(s *weekSort, at time.Time) {
	w := &weekMail{weekSort: s, at: at, day: g.dayOf(at), number: len(g.all) + 1, speaks: s.sign}
	users := weekUsers[s.domain]
	if s.spamOf != nil {
		users = s.spamOf
	}
	user := users[g.random.IntN(len(users))] + "@" + s.domain
	switch {
	case s.outbound:
		w.from = user
		w.rcpts = []string{g.correspondent(w)}
		if g.random.IntN(8) == 0 {
			w.rcpts = append(w.rcpts, g.correspondent(w))
		}
	case s.answers:
		if w.original = g.toAnswer(w); w.original == nil {
			return
		}
		w.original.answered = true
		w.to = w.original.from
		_, w.host, _ = strings.Cut(w.original.rcpts[0], "@")
		w.client, w.host = fmt.Sprintf("192.0.2.%d", 10+len(w.host)), "mx."+w.host
	default:
		w.to = user
		w.client = fmt.Sprintf("198.51.%d.%d", w.number%256, 1+g.random.IntN(250))
		w.host = fmt.Sprintf("mx%d.%s.example", 1+g.random.IntN(3), spammed[g.random.IntN(len(spammed))])
	}
	if s.name == "storm" { // the mail of one spammer came to few sites
		w.client, w.host = fmt.Sprintf("203.0.113.%d", 1+g.random.IntN(9)), "mx.bigmail.example"
	}
	if s.name == "other route" {
		if g.routes++; g.routes >= 3 {
			w.speaks = "repeats"
		}
		if g.routes >= 5 {
			w.route = "203.0.113.0/24"
		}
	}
	g.all = append(g.all, w)
}

// spammed are sites that bounce what they have accepted.
var spammed = []string{"college", "oldschool", "plumber", "hosting", "townhall", "museum"}

// correspondent chooses whom a message goes to.
func (g *weekGenerator) correspondent(w *weekMail) string {
	sum := 0
	for _, d := range weekDestinations {
		sum += d.weight
	}
	n, i := g.random.IntN(sum), 0
	for ; n >= weekDestinations[i].weight; i++ {
		n -= weekDestinations[i].weight
	}
	return fmt.Sprintf("friend%d@%s", g.random.IntN(40), weekDestinations[i].name)
}

// toAnswer chooses a message that was sent some hours ago, and that its destination would answer like that.
func (g *weekGenerator) toAnswer(w *weekMail) *weekMail {
	var fit []*weekMail
	for _, o := range g.all {
		if !o.outbound || o.answered || o.domain != w.domain || len(o.rcpts) > 1 || o.at.After(w.at.Add(-2*time.Hour)) || o.at.Before(w.at.Add(-72*time.Hour)) {
			continue
		}
		if w.name == "bounce" && o.failure() < 0 {
			continue
		}
		fit = append(fit, o)
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[int(math.Sqrt(g.random.Float64())*float64(len(fit)))] // rather the later ones
}

// failure returns the index in [weekDestinations] of where an outbound message went, if it would fail there; -1 otherwise.
func (w *weekMail) failure() int {
	i := slices.IndexFunc(weekDestinations, func(d weekDestination) bool { return strings.HasSuffix(w.rcpts[0], "@"+d.name) })
	if weekDestinations[i].since > w.day {
		return -1
	}
	return i
}
