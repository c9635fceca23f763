package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// canFreeze says why there can be no disk to freeze on this machine, or nothing.
func canFreeze(t *testing.T) error {
	t.Helper()
	if os.Geteuid() != 0 {
		return fmt.Errorf("only root can freeze a disk")
	}
	l, err := newLab(options{})
	if err != nil {
		t.Fatal(err)
	}
	_, failed := l.newDisk("disk")
	if err := l.close(); err != nil {
		t.Error(err)
	}
	return failed
}

// TestSoak soaks the real daemon shortly, with each fault that this machine can have.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts milters and Redis")
	}
	binary := filepath.Join(t.TempDir(), "bouncefilter")
	if err := buildDaemon(t.Context(), binary); err != nil {
		t.Fatal(err)
	}
	for _, store := range []string{targetRedis, targetBolt} {
		t.Run(store, func(t *testing.T) {
			if _, err := exec.LookPath("redis-server"); err != nil && store == targetRedis {
				if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
					t.Fatal("redis-server is not installed, and BOUNCEFILTER_REQUIRE_SERVERS asks for it")
				}
				t.Skip("redis-server is not installed; deploy/test installs it and runs this")
			}
			names := faultNames(store)
			if err := canFreeze(t); err != nil {
				t.Logf("without freezes of the disk: %v", err)
				names = slices.DeleteFunc(names, func(name string) bool { return name == faultFreeze })
			}
			report := mustRun(t, "-soak", "15s", "-binary", binary, "-store", store, "-faults", strings.Join(names, ","), "-seed", "5")
			if !strings.HasSuffix(report, "\nPASS\n") {
				t.Errorf("it does not end with PASS:\n%s", report)
			}
			played := regexp.MustCompile(`(?m)^Faults: .*\.$`).FindString(report)
			for _, name := range names {
				if !regexp.MustCompile(`\b` + name + ` [1-9]`).MatchString(played) {
					t.Errorf("fault %s was not played: %s", name, played)
				}
			}
			for k := range mailKinds {
				if !regexp.MustCompile(fmt.Sprintf(`(?m)^\| %v \| [1-9]`, k)).MatchString(report) {
					t.Errorf("no mail of the kind %v:\n%s", k, report)
				}
			}
		})
	}
}

// soakTraffic returns traffic to an address, without faults.
func soakTraffic(address string) *traffic {
	return &traffic{network: "unix", address: address, tally: newTally(), room: newMailRoom(newIDSource(), newRandom(1))}
}

func TestAMilterThatDoesNotSignFailsTheSoak(t *testing.T) {
	l, err := newLab(options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	null, err := l.start(t.Context(), targetNull, "null")
	if err != nil {
		t.Fatal(err)
	}
	tr := soakTraffic(null.address)
	issuing, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	tr.run(issuing, t.Context())
	if tr.tally.wrong == 0 || len(tr.tally.errors) == 0 || !strings.Contains(tr.tally.errors[0], "want one new envelope sender") {
		t.Errorf("%d wrong verdicts: %q", tr.tally.wrong, tr.tally.errors)
	}
}

func TestMailThatIsNeverAnsweredIsLost(t *testing.T) {
	tr := soakTraffic(filepath.Join(t.TempDir(), "nobody"))
	tr.rate = 100
	issuing, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	drain, end := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer end()
	tr.run(issuing, drain)
	if lost := tr.tally.open(); lost == 0 || tr.tally.total.of(fateUnanswered) == 0 {
		t.Errorf("%d messages lost, %d without an answer", lost, tr.tally.total.of(fateUnanswered))
	}
}

func TestAnswersAreJudgedByWhatTheMailIs(t *testing.T) {
	room := newMailRoom(newIDSource(), newRandom(1))
	about := sending{tagged: "prvs=0787788259=" + room.signers[0].address, messageID: "<1@example.org>", date: "Mon, 23 Nov 2026 11:58:00 +0000"}
	var (
		plain  = room.signers[0].address
		refuse = outcome{reply: replyCode, text: "550 5.7.1 no"}
		later  = outcome{reply: replyCode, text: "450 4.7.1 later"}
		accept = outcome{reply: replyAccept}
		sign   = outcome{reply: replyAccept, changes: []change{{what: changeSender, value: about.tagged}}}
		header = func(value string) change {
			return change{changeInsHeader, "X-Bouncefilter", "mx; batv=neutral" + value}
		}
		untag = []change{{what: changeDelRcpt, value: about.tagged}, {what: changeAddRcpt, value: plain}}
	)
	for _, tt := range []struct {
		name string
		kind mailKind
		o    outcome
		fate fate
		word string
		err  string // part of it
	}{
		{"outbound, signed", kindOutbound, sign, fateAccepted, "", ""},
		{"outbound, not signed", kindOutbound, accept, fateAccepted, "", "want one new envelope sender"},
		{"outbound, deferred", kindOutbound, later, fateDeferred, later.text, ""},
		{"outbound, tempfail", kindOutbound, outcome{reply: replyTempfail}, fateDeferred, "", ""},
		{"outbound, refused", kindOutbound, refuse, fateRefused, "", "outbound message was refused"},
		{"outbound, discarded", kindOutbound, outcome{reply: replyDiscard}, fateRefused, "", "gone without a word"},
		{"inbound", kindInbound, accept, fateAccepted, "", ""},
		{"inbound, refused", kindInbound, outcome{reply: replyReject}, fateRefused, "", "inbound message was refused"},
		{"bounce, untagged", kindBounce, outcome{reply: replyAccept, changes: append(untag, header(" reason=valid method=tag"))}, fateAccepted, "reason=valid", ""},
		{"bounce, not untagged", kindBounce, accept, fateAccepted, "", "want one recipient deleted"},
		{"bounce, deferred", kindBounce, later, fateDeferred, later.text, ""},
		{"bounce, refused", kindBounce, refuse, fateRefused, "", "bounce message was refused"},
		{"ordinary mail to a tag", kindTagged, outcome{reply: replyAccept, changes: untag}, fateAccepted, "", ""},
		{"receipt", kindReceipt, accept, fateAccepted, "", ""},
		{"receipt, refused", kindReceipt, refuse, fateRefused, "", "receipt message was refused"},
		{"forged, refused", kindForged, refuse, fateRefused, "", ""},
		{"forged, deferred", kindForged, later, fateDeferred, later.text, ""},
		{"forged, accepted in doubt", kindForged, outcome{reply: replyAccept, changes: []change{header(" reason=grace would-be=untagged cause=incomplete-record")}},
			fateAccepted, "cause=incomplete-record", ""},
		{"forged, believed", kindForged, outcome{reply: replyAccept, changes: append(untag, header(" reason=valid method=tag"))}, fateAccepted, "reason=valid", "without a cause"},
		{"forged, accepted without a word", kindForged, accept, fateAccepted, "", "without a cause"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := room.compose(&letter{kind: tt.kind, about: about})
			j := judgeAnswer(tt.kind, &m, &tt.o)
			if j.fate != tt.fate || j.word != tt.word {
				t.Errorf("%v, word %q; want %v, %q", j.fate, j.word, tt.fate, tt.word)
			}
			if (tt.err == "") != (j.err == nil) || tt.err != "" && !strings.Contains(j.err.Error(), tt.err) {
				t.Errorf("error %v, want %q", j.err, tt.err)
			}
		})
	}
}

func TestOnlyAnAnswerForGoodSettlesGenuineMail(t *testing.T) {
	for f := range fates {
		for k := range mailKinds {
			want := f == fateAccepted || f == fateRefused || k == kindForged && f == fateDeferred
			if got := f.settles(k); got != want {
				t.Errorf("%v, %v: settled %v", k, f, got)
			}
		}
	}
}

// Whatever goes wrong fails the soak by itself.
func TestTheSoakPassesOnlyIfAllIsWell(t *testing.T) {
	well := func() verdict {
		var samples []soakSample
		for i := range 40 {
			samples = append(samples, soakSample{At: float64(i), Memory: 30, Goroutines: 50, Descriptors: 60, Median: 1})
		}
		return verdict{trends: trends(samples)}
	}
	for _, tt := range []struct {
		name  string
		spoil func(*verdict)
		want  string
	}{
		{"all is well", func(*verdict) {}, ""},
		{"the daemon ends", func(v *verdict) { v.failed = errors.New("the daemon has ended") }, "daemon has ended"},
		{"a message lost", func(v *verdict) { v.lost = 1 }, "1 messages lost"},
		{"a wrong verdict", func(v *verdict) { v.wrong = 1 }, "1 wrong verdicts"},
		{"no answer", func(v *verdict) { v.unanswered = 1 }, "1 tries had no answer"},
		{"a panic", func(v *verdict) { v.panics = 1 }, "1 panics"},
		{"a fault that did not happen", func(v *verdict) { v.unplayed = []string{faultFreeze} }, "never happened: freeze"},
		{"memory grows", func(v *verdict) { v.trends[0].flat = false }, "memory is not flat"},
		{"in a short soak growth is not judged", func(v *verdict) { v.trends[0].flat, v.tooShort = false, true }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := well()
			tt.spoil(&v)
			err := v.err()
			if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFiguresAreFlatUpToTheBand(t *testing.T) {
	for _, b := range bands() {
		for _, late := range []struct {
			value func(early float64) float64
			flat  bool
		}{
			{func(early float64) float64 { return early*b.factor + b.more }, true},
			{func(early float64) float64 { return early*b.factor + b.more + 1 }, false},
			{func(float64) float64 { return 0 }, false}, // unknown
		} {
			const early = 100.0
			samples := make([]soakSample, 40)
			for i := range samples {
				v := early
				if i >= 30 {
					v = late.value(early)
				}
				samples[i] = soakSample{Memory: early, Goroutines: early, Descriptors: early, Median: early}
				switch b.name {
				case "memory":
					samples[i].Memory = v
				case "goroutines":
					samples[i].Goroutines = v
				case "descriptors":
					samples[i].Descriptors = int(v)
				case "p50":
					samples[i].Median = v
				}
			}
			for _, tr := range trends(samples) {
				if want := tr.name != b.name || late.flat; tr.flat != want {
					t.Errorf("%s rises from %v to %v: %s flat %v, want %v", b.name, early, late.value(early), tr.name, tr.flat, want)
				}
			}
		}
	}
}

func TestEachFaultHasItsMoments(t *testing.T) {
	for _, length := range []time.Duration{15 * time.Second, time.Minute, time.Hour} {
		for seed := range uint64(200) {
			for _, f := range faults(length) {
				all := f.moments(length, seed)
				if len(all) == 0 || all[len(all)-1] >= length || !slices.IsSorted(all) {
					t.Errorf("%s in %v with seed %d: %v", f.name, length, seed, all)
				}
				if !slices.Equal(all, f.moments(length, seed)) {
					t.Errorf("%s: the moments are not those of the seed", f.name)
				}
				if f.most > 0 && len(all) > f.most {
					t.Errorf("%s in %v with seed %d: %d times, want at most %d", f.name, length, seed, len(all), f.most)
				}
			}
		}
	}
	for _, f := range faults(time.Hour) {
		if n := len(f.moments(time.Hour, 1)); f.name == faultReload && (n < 50 || n > 70) {
			t.Errorf("%d reloads in an hour", n)
		}
	}
}

func TestTheSoakRemembersABoundedNumberOfMessages(t *testing.T) {
	r := newMailRoom(newIDSource(), newRandom(1))
	old := 0
	for i := range 3 * remembered {
		r.remember(sending{signer: i})
	}
	for _, s := range r.sample {
		if s.signer < 2*remembered {
			old++
		}
	}
	if len(r.recent) != remembered || len(r.sample) != remembered || cap(r.sample) > 2*remembered {
		t.Errorf("%d recent ones, %d in the sample", len(r.recent), len(r.sample))
	}
	if share := float64(old) / remembered; share < 0.6 || share > 0.73 {
		t.Errorf("the first two thirds make up %.2f of the sample", share)
	}
	for _, s := range r.recent {
		if s.signer < 2*remembered {
			t.Fatalf("message %d is none of the last", s.signer)
		}
	}
}

func TestQuantilesAreExactToAnEighth(t *testing.T) {
	var h histogram
	if q := h.quantile(0.5); q != 0 {
		t.Errorf("an empty one has the median %v", q)
	}
	for us := 1; us <= 100_000; us++ {
		h.add(time.Duration(us) * time.Microsecond)
	}
	for _, q := range []float64{0.001, 0.1, 0.5, 0.99, 1} {
		want, got := q*100_000, float64(h.quantile(q).Microseconds())
		if got < want || got > want*9/8+1 {
			t.Errorf("quantile %v is %v µs, want %v", q, got, want)
		}
	}
	h.add(240 * time.Hour) // beyond the last bucket
	if h.quantile(1) != 240*time.Hour {
		t.Errorf("the largest one is %v", h.quantile(1))
	}
}

func TestABlockedLogIsReadAfterwards(t *testing.T) {
	r, w, err := newLogReader()
	if err != nil {
		t.Fatal(err)
	}
	const lines = 2000
	blocked, release := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.block(blocked, time.Hour)
	}()
	for gate := (chan struct{})(nil); gate == nil; gate, _ = r.pace() {
		time.Sleep(time.Millisecond)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		for range lines {
			fmt.Fprintf(w, "time=now level=WARN msg=%q %s\n", "the log is full", strings.Repeat("x", 200))
		}
		w.Close()
	}()
	select {
	case <-written:
		t.Error("more than a pipe holds was written while nobody read")
	case <-time.After(100 * time.Millisecond):
	}
	release()
	<-over
	<-r.done
	if got := r.raised[`level=WARN msg="the log is full"`]; r.lines != lines || got != lines {
		t.Errorf("%d lines, %d of them warnings; want %d", r.lines, got, lines)
	}
	if len(r.tail) > 2*keptTail+300 || !strings.Contains(string(r.tail), "the log is full") {
		t.Errorf("%d octets of the log are kept", len(r.tail))
	}
}

func TestSparkline(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		width  int
		want   string
	}{
		{[]float64{0, 0}, 5, "▁▁"},
		{[]float64{0, 7, 3.5}, 3, "▁█▅"},
		{[]float64{7, 7, 0, 0}, 2, "█▁"},
	} {
		if got := sparkline(tt.values, tt.width); got != tt.want {
			t.Errorf("%v in %d: %s, want %s", tt.values, tt.width, got, tt.want)
		}
	}
}
