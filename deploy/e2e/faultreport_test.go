package e2e

import (
	"cmp"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store/storetest/pace"
)

// result is a line of the table.
type result struct {
	name           string
	sent           int // messages, all of which arrived
	found, unknown int // tags
	tally          tally
	later          share         // of forged bounces an hour later
	step           time.Duration // the slowest, see package pace
	took           time.Duration
}

var columns = []string{"fault", "sent", "on record", "unsure", "bounces a/d/r", "receipts a/d/r", "wrong signature a/d/r",
	"unknown message before", "during", "after", "refused an hour later", "p50 ms", "added p50", "added max", "settled s", "slowest step ms", "row s"}

func (r *result) cells() []string {
	o := func(o outcome) string { return fmt.Sprintf("%d/%d/%d", o.accepted, o.deferred, o.refused) }
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }
	s := func(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }
	base := quantile(r.tally.times[before], 0.5)
	return []string{r.name, itoa(r.sent), itoa(r.found), itoa(r.unknown), o(r.tally.genuine[bounce]), o(r.tally.genuine[receipt]), o(r.tally.forged),
		o(r.tally.unknown[before]), o(r.tally.unknown[during]), o(r.tally.unknown[after]), r.later.String(),
		ms(base), ms(quantile(r.tally.times[during], 0.5) - base), ms(quantile(r.tally.times[during], 1) - base), s(r.tally.settling), ms(r.step), s(r.took)}
}

// quantile returns the smallest duration that is not less than this share of all, 0 of none.
func quantile(ds []time.Duration, share float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	ds = slices.Sorted(slices.Values(ds))
	return ds[int(share*float64(len(ds)-1))]
}

// table prints results in columns.
func table(results []*result) string {
	rows := [][]string{columns}
	for _, r := range results {
		rows = append(rows, r.cells())
	}
	width := make([]int, len(columns))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			if i == 0 {
				fmt.Fprintf(&b, "%-*s", width[i], cell)
			} else {
				fmt.Fprintf(&b, "  %*s", width[i], cell)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// finish ends the load of a pair, waits until everything that is on its way has come to its end, and counts.
func (p *pair) finish(t *testing.T, name string) *result {
	t.Helper()
	l := p.load
	closeOnce(l.stop)
	l.mail.Wait()
	p.arrive(t)
	l.rest(t, "every bounce is accepted or refused")
	for _, s := range p.nodes() {
		eventually(t, "the daemon has found the store again", func() bool { status, _ := s.daemon.get("/readyz"); return status == 200 })
	}
	r := &result{name: name, sent: len(l.sent)}
	p.audit(t, r)
	closeOnce(l.done)
	l.tries.Wait()
	r.tally = l.tally
	for _, d := range p.world.all() {
		if d.sender != foreignSender && !isSigned(d.sender, d.plainSender()) {
			t.Errorf("a message left with the sender <%s>", d.sender)
		}
	}
	return r
}

// audit sends a second bounce to every tag, and counts those that are on record and those of which the store does not know it. Where the
// store has not answered in time, as it may on a busy machine, it asks once more.
func (p *pair) audit(t *testing.T, r *result) {
	t.Helper()
	var tags []string
	for _, letter := range p.load.sent {
		tags = append(tags, letter.tag)
	}
	for end := time.Now().Add(patience); len(tags) > 0; {
		audits := map[string]string{} // tags by the marks of their bounces
		for _, tag := range tags {
			m := newBounce(tag, "")
			audits[m.mark] = tag
			p.load.add(&trial{kind: audit, node: p.in, to: tag, m: m})
		}
		p.load.rest(t, "every tag is on record, or the store says that it does not know it")
		tags = nil
		for mark, header := range p.delivered(t) {
			tag, isAudit := audits[mark]
			switch {
			case !isAudit:
			case strings.Contains(header, "reason=valid method=tag"):
				r.found++
			case strings.Contains(header, "reason=grace"):
				r.unknown++
			case strings.Contains(header, "reason=valid method=signature") && time.Now().Before(end):
				tags = append(tags, tag)
			default:
				t.Errorf("when all was over, a bounce arrived with %q", header)
			}
		}
	}
}

// arrive waits until every message that was accepted has arrived in the world and was answered.
func (p *pair) arrive(t *testing.T) {
	t.Helper()
	arrived := map[string]string{}
	seen := 0
	eventually(t, "every message that was accepted has arrived", func() bool {
		all := p.world.all()
		for _, d := range all[seen:] {
			arrived[messageID(d.text)] = d.sender
		}
		seen = len(all)
		complete := true
		for _, l := range p.load.sent {
			l.tag = arrived[l.mark+"@client.example"]
			complete = complete && l.tag != ""
		}
		return complete
	})
	time.Sleep(100 * time.Millisecond) // the load answers every 30 ms what has arrived
}

// delivered waits until every bounce that was accepted is in a mailbox, and returns what we have written into each.
func (p *pair) delivered(t *testing.T) map[string]string {
	t.Helper()
	header := map[string]string{}
	eventually(t, "every bounce that was accepted is in a mailbox", func() bool {
		got := map[string]bool{}
		for _, s := range p.nodes() {
			for _, text := range s.postfix.mailbox("all@virt.example").mails("") {
				m, err := mail.ReadMessage(strings.NewReader(text))
				if err != nil {
					continue // Postfix is writing it
				}
				mark := strings.TrimSuffix(strings.Trim(m.Header.Get("Message-ID"), "<>"), "@client.example")
				got[s.daemon.dir+" "+mark] = true
				header[mark] = m.Header.Get("X-Bouncefilter")
			}
		}
		return !slices.ContainsFunc(p.load.settled, func(mark string) bool { return !got[mark] })
	})
	return header
}

// check holds what is true for every fault.
func (r *result) check(t *testing.T, f *fault, meter *pace.Meter) {
	t.Helper()
	for _, refusal := range r.tally.refusals {
		t.Errorf("a genuine bounce was refused: %s", refusal)
	}
	for kind, o := range r.tally.genuine {
		if o.accepted < 10 {
			t.Errorf("only %d genuine messages of kind %d were accepted: the row shows nothing", o.accepted, kind)
		}
	}
	if o := r.tally.unknown[before]; o.accepted > 0 || o.refused == 0 || o.deferred > 0 && meter.Slowest() < slow {
		t.Errorf("before the fault, receipts of unknown messages: %+v; expected all of them refused", o)
	}
	if o := r.tally.forged; o.accepted > 0 && !f.keyMissing || len(r.tally.leaks) > 0 || o.refused == 0 {
		t.Errorf("bounces with a wrong signature: %+v, expected all of them refused; %v", o, r.tally.leaks)
	}
	if limit := meter.Allow(settles, settleSteps); r.tally.settling > limit {
		t.Errorf("genuine bounces that had been deferred were accepted %v after the end of the fault, expected %v at the most", r.tally.settling, limit)
	}
	if f.bounded {
		r.checkTimes(t, meter)
	}
	if f.complete && r.unknown > 0 {
		t.Errorf("of %d tags the store does not know whether they were issued", r.unknown)
	}
}

// checkLater holds that an hour later nearly all forged bounces are refused.
func (r *result) checkLater(t *testing.T, f *fault) {
	t.Helper()
	least := cmp.Or(f.least, 95)
	if r.later.refused*100 < least*r.later.all || r.later.all == 0 {
		t.Errorf("an hour later %v forged bounces were refused, expected %d %%", r.later, least)
	}
}

// slow is how long the slowest step takes on a machine so busy that a heartbeat of a host may reach another one too late.
const slow = 250 * time.Millisecond

// checkTimes holds that a message waits for a store that does not answer once, for the store's timeout, and the others do not. What is
// usual is what mail takes meanwhile that the store has nothing to do with.
func (r *result) checkTimes(t *testing.T, meter *pace.Meter) {
	t.Helper()
	const (
		noise, noiseOfHalf = 200 * time.Millisecond, 20 * time.Millisecond

		steps = 20 // of a message, between client, Postfix' processes and the milter
	)
	foreign, now := r.tally.foreign[during], r.tally.times[during]
	if len(foreign) < outage/2 || len(now) < outage/2 {
		t.Fatalf("%d messages were signed and %d were not: the row shows nothing", len(now), len(foreign))
	}
	usual, slowest := quantile(foreign, 0.5), quantile(foreign, 1)
	late := 0
	for _, took := range now {
		if took > usual+storeTimeout-10*time.Millisecond {
			late++
		}
	}
	if most, limit := quantile(now, 1), meter.Allow(slowest+storeTimeout+noise, steps); late > 1 || most > limit {
		t.Errorf("%d messages waited for the store, at most %v, expected %v at the most; mail without it took %v, and %v at the most",
			late, most, limit, usual, slowest)
	}
	if added := quantile(now, 0.5) - usual; added > usual+noiseOfHalf {
		t.Errorf("half of all messages took %v longer than mail without the store, which took %v", added, usual)
	}
}
