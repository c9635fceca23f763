package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestWeek plays a week of mail through a real Postfix in minutes: the clock of bouncefilter is set from hour to hour. Report, page, daily
// summaries, events and the log must then say what is known of the mail, and backtest must have foreseen it.
func TestWeek(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name  string
		redis bool
		log   string
	}{{"embedded store", false, "logfmt"}, {"Redis", true, "json"}} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			w := newWeek(t, v.redis, v.log)
			w.play(t)
			t.Run("report", w.testReport)
			t.Run("page", w.testPage)
			t.Run("dashboard", func(t *testing.T) { w.prometheus.testDashboard(t) })
			t.Run("pictures", w.takePictures)
			t.Run("log", w.testLog)
			t.Run("daily summary", w.testDaily)
			t.Run("events", w.testEvents)
			t.Run("backtest", w.testBacktest)
		})
	}
}

// week is a site that is played a week of mail, and beside it the same site without bouncefilter.
type week struct {
	*site
	clock      steppedClock
	prometheus *prometheus
	first      time.Time // midnight before the first day
	end        time.Time
	mail       []*weekMail
	log        string // format of the log
	events     string // file

	plain      *postfix // without bouncefilter
	plainWorld *sink
	hours      []weekHour
}

// weekHour is where the log of the site without bouncefilter ends at the end of an hour.
type weekHour struct {
	at     time.Time
	offset int
}

// weekSeed makes the week.
const weekSeed = 14

const weekTables = `
[[domain]]
name = "example.org"
mode = "monitor"

[[domain]]
name = "example.net"
mode = "auto"

[socketmap]
listen = "tcp:127.0.0.1:%d"

[events]
file = %q
`

// newWeek starts the sites, twenty days before the end: that example.com and example.org sign is nothing new.
func newWeek(t *testing.T, onRedis bool, log string) *week {
	t.Helper()
	needPrometheus(t)
	dir := newFolder(t, "week")
	end := time.Now().UTC().Truncate(24 * time.Hour).Add(18 * time.Hour)
	w := &week{site: &site{dir: dir, tags: map[string]string{}}, end: end, first: end.Truncate(24*time.Hour).AddDate(0, 0, -6), log: log,
		events: filepath.Join(dir, "events.jsonl"), mail: weekOf(end, weekSeed)}
	start := w.first.AddDate(0, 0, -14)
	w.clock = newSteppedClock(t, dir, start)
	w.world, w.inner = newSink(t, "world.example"), newSink(t, "inner.example")
	store := "bolt:state.db"
	if onRedis {
		w.redis = newRedis(t, dir)
		store = w.redis.url()
	}
	d := newDaemon(t, filepath.Join(dir, "bouncefilter"), store, false, "node = \"mx1\"\n", fmt.Sprintf("format = %q\n", log)+fmt.Sprintf(weekTables, freePort(t), w.events))
	d.write(t, strings.NewReplacer(`"local.example", "virt.example", "alias.example", "relay.example"`, `"example.com"`,
		"mx.local.example", "mx.example.com", `level = "debug"`, `level = "info"`).Replace(d.read(t)))
	d.program, d.within = steppedProgram(t), []string{"env", w.clock.environment()}
	w.daemon = d
	w.postfix = newWeekPostfix(t, filepath.Join(dir, "postfix"), w.world, w.inner)
	w.mta = w.postfix
	for _, section := range []string{taggedRecipients, theMilter} {
		w.postfix.configure(t, section, d.milter)
	}
	for _, table := range []string{"bouncefilter-untag.pcre", "bouncefilter-local.pcre"} {
		if text, err := os.ReadFile(filepath.Join(w.postfix.conf, table)); err == nil {
			w.postfix.write(t, table, strings.NewReplacer(ourDomains, `example\.(?:com|org|net)`).Replace(string(text)))
		}
	}
	w.plainWorld = newSink(t, "world.example")
	w.plain = newWeekPostfix(t, filepath.Join(dir, "plain"), w.plainWorld, w.inner)
	d.start(t)
	w.postfix.start(t)
	w.plain.start(t)
	w.prometheus = startPrometheus(t)
	rules, err := filepath.Abs(filepath.Join(root, filepath.Dir(monitoring)))
	if err != nil {
		t.Fatal(err)
	}
	w.prometheus.write(t, strings.NewReplacer("127.0.0.1:8767", d.http, "/etc/prometheus", rules).Replace(codeBlocks(t, monitoring, "Prometheus", "yaml")[0]))
	w.prometheus.process.signal(syscall.SIGHUP)
	return w
}

// newWeekPostfix makes a Postfix with the domains of the week.
func newWeekPostfix(t *testing.T, dir string, world, inner *sink) *postfix {
	t.Helper()
	p := newPostfix(t, dir, world, inner)
	domains, boxes := []string{}, []string{}
	for _, domain := range []string{"example.com", "example.org", "example.net"} {
		domains = append(domains, domain)
		for _, user := range append(weekUsers[domain], "old") {
			boxes = append(boxes, fmt.Sprintf("{%[1]s@%[2]s=%[2]s/%[1]s/}", user, domain))
		}
	}
	for _, setting := range []string{
		"myhostname = mx.example.com", "virtual_mailbox_domains = " + strings.Join(domains, ", "), "virtual_mailbox_maps = inline:{ " + strings.Join(boxes, ", ") + " }",
		"virtual_alias_domains =", "virtual_alias_maps =", "relay_domains =", "smtpd_peername_lookup = no", // which may take seconds
		"smtpd_authorized_xclient_hosts = " + outsider,
	} {
		p.set(t, setting)
	}
	return p
}

// run runs a command of the program with the clock of the week.
func (w *week) run(t *testing.T, arguments ...string) (string, int) {
	t.Helper()
	p := start(t, "bouncefilter "+arguments[0], append([]string{"env", w.clock.environment(), w.daemon.program}, arguments...)...)
	<-p.done
	return p.out.String(), p.cmd.ProcessState.ExitCode()
}

// play plays the week, hour by hour.
func (w *week) play(t *testing.T) {
	t.Helper()
	begin := time.Now()
	w.prelude(t)
	mail := w.mail
	for at := w.first; at.Before(w.end); at = at.Add(time.Hour) {
		w.clock.set(t, at.Add(half))
		if at.Hour() == 0 && at.After(w.first) {
			w.awaitDaily(t, at.AddDate(0, 0, -1))
		}
		n := 0
		for n < len(mail) && mail[n].at.Equal(at) {
			n++
		}
		w.playHour(t, mail[:n])
		if mail = mail[n:]; t.Failed() {
			t.FailNow()
		}
		w.plain.drain(t)
		w.hours = append(w.hours, weekHour{at, len(w.plain.log())})
	}
	w.postfix.drain(t)
	t.Logf("%d messages in %v", len(w.mail), time.Since(begin).Round(time.Second))
}

// prelude is what the domains that sign for long have done before the week: every user sends a message on the first day of the record,
// and to all destinations on the day before the week, so that these are known by name.
func (w *week) prelude(t *testing.T) {
	t.Helper()
	send := func(from, to string) {
		m := newMessage(from, to)
		handIn(t, internal, w.postfix.smtp, from, to, m)
		w.world.await(t, m.mark)
	}
	var users []string
	for _, domain := range []string{"example.com", "example.org"} {
		for _, user := range weekUsers[domain] {
			users = append(users, user+"@"+domain)
		}
	}
	for _, user := range users {
		send(user, "friend@mail.example")
	}
	// The daemon has read from the store that they sign, as it does every minute.
	w.daemon.process.end(t, syscall.SIGTERM)
	if w.redis != nil { // a Redis has the time of the system
		w.age(t, "example.com", int(w.end.Sub(w.first)/(24*time.Hour))+14)()
	}
	w.daemon.start(t)
	for i, d := range weekDestinations {
		w.clock.set(t, w.first.Add(time.Duration(i/3-8)*time.Hour))
		for _, user := range users {
			send(user, "friend@"+d.name)
		}
	}
	w.hours = append(w.hours, weekHour{w.first.AddDate(0, 0, -14), len(w.plain.log())})
}

// playHour sends the mail of an hour: first what goes out, for what comes in may answer it.
func (w *week) playHour(t *testing.T, mail []*weekMail) {
	t.Helper()
	w.each(mail, true, func(m *weekMail) { w.send(t, m) })
	for _, m := range mail {
		if m.outbound && !t.Failed() {
			m.tag = w.world.await(t, m.mark()+"@").sender
			if !isSigned(m.tag, m.from) {
				t.Errorf("mail of <%s> arrived from <%s>", m.from, m.tag)
			}
			w.plainWorld.await(t, m.mark()+"@")
		}
	}
	w.each(mail, false, func(m *weekMail) { w.receive(t, m) })
}

// weekConnections is how many messages are under way at once.
const weekConnections = 6

// each calls f with the messages that go out, or with those that come in, several at a time.
func (w *week) each(mail []*weekMail, outbound bool, f func(*weekMail)) {
	var running sync.WaitGroup
	slots := make(chan struct{}, weekConnections)
	for _, m := range mail {
		if m.outbound == outbound {
			slots <- struct{}{}
			running.Go(func() {
				defer func() { <-slots }()
				f(m)
			})
		}
	}
	running.Wait()
}

// send sends a message that goes out, through both sites.
func (w *week) send(t *testing.T, m *weekMail) {
	for _, port := range []int{w.postfix.smtp, w.plain.smtp} {
		c, err := tryDial(t, internal, port)
		if err != nil {
			t.Error(err)
			return
		}
		if r := c.attempt(m.from, m.rcpts, m.text()); r[0] != '2' {
			t.Errorf("message %d from <%s>: %s", m.number, m.from, r)
		}
		c.quit()
	}
}

// receive sends a message that comes in to both sites. The one without bouncefilter takes all of it.
func (w *week) receive(t *testing.T, m *weekMail) {
	to := m.to
	if m.tagged {
		to = m.original.tag
	}
	if m.wrongTag {
		to = fmt.Sprintf("prvs=0%s%06x=%s", "123", m.number*7919%(1<<24), m.to)
	}
	want := "250"
	if m.action == "reject" {
		want = "550"
	}
	if r := w.arrive(t, w.postfix.smtp, to, m); !strings.HasPrefix(r, want) {
		t.Errorf("message %d, %s to <%s>: %s", m.number, m.name, to, r)
	}
	if m.wrongTag {
		return // nobody has this address there
	}
	if r := w.arrive(t, w.plain.smtp, m.to, m); !strings.HasPrefix(r, "250") {
		t.Errorf("message %d, %s to <%s>, without bouncefilter: %s", m.number, m.name, m.to, r)
	}
}

// arrive lets a message come in from the client that it names.
func (w *week) arrive(t *testing.T, port int, to string, m *weekMail) string {
	c, err := tryDial(t, outsider, port)
	if err != nil {
		return "421 " + err.Error()
	}
	defer c.quit()
	for _, command := range []string{"XCLIENT ADDR=" + m.client + " NAME=" + m.host, "EHLO " + m.host} {
		if r := c.tryCommand(command); r[0] != '2' {
			return r
		}
	}
	return c.attempt("", []string{to}, m.text())
}
