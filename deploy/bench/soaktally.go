package main

import (
	"fmt"
	"math/bits"
	"sync"
	"time"
)

// A histogram counts durations with an error of an eighth at most, in memory that does not grow.
type histogram struct {
	counts [48 * parts]int
	total  int
	most   time.Duration
}

// parts is how many counts there are for each power of two of microseconds.
const parts = 8

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
	h.most = max(h.most, d)
}

// bucket returns the index of a duration: exact below 8 µs, then eight for each power of two.
func bucket(d time.Duration) int {
	us := uint64(max(0, d.Microseconds()))
	if us < parts {
		return int(us)
	}
	power := bits.Len64(us) - 1 // 3 or more
	return min((power-2)*parts+int(us>>(power-3))-parts, len(histogram{}.counts)-1)
}

// quantile returns the upper end of the bucket that holds it; 0 if nothing was counted.
func (h *histogram) quantile(q float64) time.Duration {
	rest := int(q*float64(h.total) + 0.5)
	for i, n := range h.counts {
		if rest -= n; rest <= 0 && h.total > 0 {
			return min(bucketEnd(i), h.most)
		}
	}
	return h.most
}

// bucketEnd returns the least duration that is beyond the bucket.
func bucketEnd(i int) time.Duration {
	next := i + 1
	if next <= parts {
		return time.Duration(next) * time.Microsecond
	}
	return time.Duration((parts+next%parts)<<(next/parts-1)) * time.Microsecond
}

// A count is what became of mail in some time.
type count struct {
	fates [mailKinds][fates]int
	time  [mailKinds]histogram
	all   histogram
}

// A tally counts what becomes of mail. It is used by many goroutines.
type tally struct {
	mu      sync.Mutex
	total   count
	recent  count // since the last sample
	issued  [mailKinds]int
	settled [mailKinds]int
	wrong   int
	errors  []string // the first wrong verdicts

	// Why, in words: how forgeries, and genuine bounces and receipts, were accepted, what was deferred, why there was no answer.
	forged, proofs, deferrals, trouble map[string]int
}

// keptErrors bounds what is kept in words.
const keptErrors = 20

func newTally() *tally {
	t := new(tally)
	t.clear()
	return t
}

// clear drops what was counted, which must leave no letter open.
func (t *tally) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total, t.recent = count{}, count{}
	t.issued, t.settled = [mailKinds]int{}, [mailKinds]int{}
	t.forged, t.proofs, t.deferrals, t.trouble = map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
}

// countBounded counts a word unless there are too many.
func countBounded(counts map[string]int, word string) {
	if len(counts) < keptErrors || counts[word] > 0 {
		counts[word]++
	}
}

// issue counts a new letter.
func (t *tally) issue(k mailKind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.issued[k]++
}

// try counts one try of a letter, and says whether the letter is settled.
func (t *tally) try(l *letter, j judgement, took time.Duration) (settled bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range []*count{&t.total, &t.recent} {
		c.fates[l.kind][j.fate]++
		if j.fate == fateReset {
			continue
		}
		c.time[l.kind].add(took)
		c.all.add(took)
	}
	switch {
	case j.fate == fateUnanswered:
		countBounded(t.trouble, j.word)
	case j.fate == fateDeferred:
		countBounded(t.deferrals, fmt.Sprintf("%v %q", l.kind, j.word))
	case j.fate == fateAccepted && l.kind == kindForged:
		countBounded(t.forged, j.word)
	case j.fate == fateAccepted && (l.kind == kindBounce || l.kind == kindReceipt):
		countBounded(t.proofs, fmt.Sprintf("%v %s", l.kind, j.word))
	}
	if j.err != nil && j.fate != fateUnanswered {
		t.wrong++
		if len(t.errors) < keptErrors {
			t.errors = append(t.errors, j.err.Error())
		}
	}
	if settled = j.fate.settles(l.kind); settled {
		t.settled[l.kind]++
	}
	return settled
}

// take returns what was counted since the last call.
func (t *tally) take() count {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.recent
	t.recent = count{}
	return c
}

// open returns how many letters are not settled.
func (t *tally) open() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range mailKinds {
		n += t.issued[k] - t.settled[k]
	}
	return n
}

// messages returns how many tries had an answer.
func (c *count) messages() (n int) {
	for k := range mailKinds {
		n += c.fates[k][fateAccepted] + c.fates[k][fateDeferred] + c.fates[k][fateRefused]
	}
	return n
}

// of returns how many tries had that fate.
func (c *count) of(f fate) (n int) {
	for k := range mailKinds {
		n += c.fates[k][f]
	}
	return n
}

// refusedForgeries returns the share of the forged messages that were refused, of those with an answer.
func (c *count) refusedForgeries() float64 {
	f := &c.fates[kindForged]
	return ratio(float64(f[fateRefused]), float64(f[fateRefused]+f[fateDeferred]+f[fateAccepted]))
}
