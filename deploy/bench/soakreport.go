package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// samplesARow is how many samples make a row of the table: a minute's, of a soak of an hour.
const samplesARow = 6

// writeConditions says what is soaked.
func (r *soakRun) writeConditions() {
	fmt.Fprintf(r.out, "Soak of %v with the store %s, seed %d, at %.0f messages a second: %.2f of the maximum of %.0f.\n",
		r.o.duration, r.o.store, r.o.seed, r.traffic.rate, r.o.share, r.maximum)
	var mix []string
	for k := range mailKinds {
		mix = append(mix, fmt.Sprintf("%v %d %%", k, k.share()))
	}
	fmt.Fprintf(r.out, "Mail: %s. Faults: %s.\n\n", strings.Join(mix, ", "), strings.Join(r.o.faults, ", "))
}

func (r *soakRun) writeHead() {
	fmt.Fprintln(r.out, "| time | msgs/s | p50 ms | p99 ms | max ms | deferred | no answer | forged refused | waiting | MB | goroutines "+
		"| descriptors | log lines dropped | journal | faults |")
	fmt.Fprintln(r.out, "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
}

// writeRow sums up some samples: medians of latency and what the daemon uses, sums of what happened.
func (r *soakRun) writeRow(samples []soakSample) {
	of := func(f func(soakSample) float64) float64 {
		m, _ := middle(samples, f)
		return m
	}
	var deferred, unanswered int
	var speed, worst, refused float64
	happened := map[string]int{}
	for _, s := range samples {
		deferred, unanswered, worst = deferred+s.Deferred, unanswered+s.Unanswered, max(worst, s.Worst)
		speed, refused = speed+s.PerSecond/float64(len(samples)), refused+s.Refused/float64(len(samples))
		for name, n := range s.Faults {
			happened[name] += n
		}
		if s.Reset > 0 {
			happened[faultReset] += s.Reset
		}
	}
	last := samples[len(samples)-1]
	fmt.Fprintf(r.out, "| %v | %.0f | %.2f | %.1f | %.0f | %d | %d | %.0f %% | %d | %.1f | %.0f | %.0f | %.0f | %.0f | %s |\n",
		time.Duration(last.At*float64(time.Second)).Round(time.Second), speed, of(func(s soakSample) float64 { return s.Median }),
		of(func(s soakSample) float64 { return s.P99 }), worst, deferred, unanswered, 100*refused, last.Waiting,
		of(func(s soakSample) float64 { return s.Memory }), of(func(s soakSample) float64 { return s.Goroutines }),
		of(func(s soakSample) float64 { return float64(s.Descriptors) }), last.Dropped, last.Journal, inWords(happened))
}

// report writes what the whole soak comes to. Its error says why the soak has failed; failed is what run has returned.
func (r *soakRun) report(failed error) error {
	t := r.traffic.tally
	fmt.Fprintf(r.out, "\n| mail | issued | accepted | deferred | refused | no answer | reset | p50 ms | p99 ms | max ms |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for k := range mailKinds {
		f, h := t.total.fates[k], &t.total.time[k]
		fmt.Fprintf(r.out, "| %v | %d | %d | %d | %d | %d | %d | %.2f | %.1f | %.0f |\n", k, t.issued[k], f[fateAccepted], f[fateDeferred],
			f[fateRefused], f[fateUnanswered], f[fateReset], millis(h.quantile(0.5)), millis(h.quantile(0.99)), millis(h.most))
	}
	fmt.Fprintf(r.out, "\nForged bounces accepted: %s.\n", orNone(inWords(t.forged)))
	fmt.Fprintf(r.out, "Genuine ones accepted: %s.\n", orNone(inWords(t.proofs)))
	fmt.Fprintf(r.out, "Deferred: %s.\n", orNone(inWords(t.deferrals)))
	fmt.Fprintf(r.out, "No answer: %s.\n", orNone(inWords(t.trouble)))
	played := maps.Clone(r.faults.total)
	if r.o.plays(faultReset) {
		played[faultReset] = t.total.of(fateReset)
	}
	fmt.Fprintf(r.out, "Faults: %s.\n", orNone(inWords(played)))
	r.site.log.mu.Lock()
	fmt.Fprintf(r.out, "Log: %d lines. Warnings and errors:\n", r.site.log.lines)
	for _, words := range slices.Sorted(maps.Keys(r.site.log.raised)) {
		fmt.Fprintf(r.out, "  %6d %s\n", r.site.log.raised[words], words)
	}
	r.site.log.mu.Unlock()
	r.writeChart()
	v := verdict{failed: failed, refused: t.total.refusedForgeries(), lost: t.open(), wrong: t.wrong, unanswered: t.total.of(fateUnanswered), errors: t.errors, tooShort: r.o.duration < leastForFlat, trends: trends(r.samples)}
	if n := len(r.samples); n > 0 {
		v.panics = r.samples[n-1].Panics
	}
	for _, name := range r.o.faults {
		if played[name] == 0 {
			v.unplayed = append(v.unplayed, name)
		}
	}
	for _, line := range v.lines() {
		fmt.Fprintln(r.out, line)
	}
	if err := v.err(); err != nil {
		fmt.Fprintln(r.out, "FAIL")
		return err
	}
	fmt.Fprintln(r.out, "PASS")
	return nil
}

func orNone(words string) string {
	if words == "" {
		return "none"
	}
	return words
}

// writeChart draws how the figures went.
func (r *soakRun) writeChart() {
	const width = 60
	fmt.Fprintln(r.out)
	series := append(bands(),
		band{name: "p99", unit: "ms", of: func(s soakSample) float64 { return s.P99 }},
		band{name: "messages", unit: "/s", of: func(s soakSample) float64 { return s.PerSecond }},
		band{name: "waiting", of: func(s soakSample) float64 { return float64(s.Waiting) }},
		band{name: "refused", unit: "%", of: func(s soakSample) float64 { return 100 * s.Refused }})
	for _, b := range series {
		var values []float64
		for _, s := range r.samples {
			values = append(values, b.of(s))
		}
		if len(values) == 0 {
			continue
		}
		fmt.Fprintf(r.out, "%-12s %s  %.4g..%.4g %s\n", b.name, sparkline(values, width), slices.Min(values), slices.Max(values), b.unit)
	}
	fmt.Fprintln(r.out)
}

// sparkline draws values from 0 to the largest one in a line of at most width signs, of which each is a mean.
func sparkline(values []float64, width int) string {
	const levels = "▁▂▃▄▅▆▇█"
	signs := []rune(levels)
	most := slices.Max(values)
	n := min(width, len(values))
	var b strings.Builder
	for i := range n {
		part := values[i*len(values)/n : (i+1)*len(values)/n]
		sum := 0.0
		for _, v := range part {
			sum += v
		}
		level := 0
		if most > 0 {
			level = int(math.Round(sum / float64(len(part)) / most * float64(len(signs)-1)))
		}
		b.WriteRune(signs[level])
	}
	return b.String()
}

// A verdict is what decides whether a soak has passed.
type verdict struct {
	failed     error   // the soak itself
	refused    float64 // share of the forged messages; the faults may leave little of it
	lost       int     // messages
	wrong      int     // verdicts
	unanswered int     // tries, within answerTimeout
	errors     []string
	panics     float64
	unplayed   []string // faults that were asked for
	trends     []trend
	tooShort   bool // to be called flat
}

func (v *verdict) lines() []string {
	lines := []string{fmt.Sprintf("lost: %d. wrong verdicts: %d. panics: %.0f. forged bounces refused: %.1f %%.", v.lost, v.wrong, v.panics, 100*v.refused)}
	for _, e := range v.errors {
		lines = append(lines, "wrong: "+e)
	}
	for _, t := range v.trends {
		word := "flat"
		switch {
		case v.tooShort:
			word = fmt.Sprintf("not judged: shorter than %v", leastForFlat)
		case !t.flat:
			word = "NOT FLAT"
		}
		lines = append(lines, fmt.Sprintf("%s: median %.4g %s in the second quarter, %.4g in the last; at most %.4g: %s.",
			t.name, t.early, t.unit, t.late, t.early*t.factor+t.more, word))
	}
	return lines
}

// err says why the soak has failed.
func (v *verdict) err() error {
	errs := []error{v.failed}
	if v.lost > 0 {
		errs = append(errs, fmt.Errorf("%d messages lost", v.lost))
	}
	if v.wrong > 0 {
		errs = append(errs, fmt.Errorf("%d wrong verdicts", v.wrong))
	}
	if v.unanswered > 0 {
		errs = append(errs, fmt.Errorf("%d tries had no answer within %v, or the milter broke the connection", v.unanswered, answerTimeout))
	}
	if v.panics > 0 {
		errs = append(errs, fmt.Errorf("%.0f panics", v.panics))
	}
	if len(v.unplayed) > 0 {
		errs = append(errs, fmt.Errorf("faults that never happened: %s", strings.Join(v.unplayed, ", ")))
	}
	for _, t := range v.trends {
		if !t.flat && !v.tooShort {
			errs = append(errs, fmt.Errorf("%s is not flat", t.name))
		}
	}
	return errors.Join(errs...)
}
