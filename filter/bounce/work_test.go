package bounce

import (
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// plenty is work for the pieces of the reader, which the tests do not count.
func plenty() *work { return newWork(1 << 20) }

// cost is what it takes to read a message whose work is not limited.
type cost struct {
	steps, most, octets int
	allocated           uint64
}

func costOf(m []byte) cost {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	text := normal(m)
	a := &analysis{work: &work{most: 1 << 60}, limits: DefaultLimits(), parts: DefaultLimits().Parts}
	a.within(text)
	runtime.ReadMemStats(&after)
	return cost{a.spent, newWork(len(text)).most, len(m), after.TotalAlloc - before.TotalAlloc}
}

// maxAllocated is how many octets may be allocated for each octet of a message; a message of any length has leastAllocated beside.
const (
	maxAllocated   = 40
	leastAllocated = 12 << 20
)

func (c cost) check(t *testing.T, what string) {
	t.Helper()
	if c.allocated > maxAllocated*uint64(c.octets)+leastAllocated {
		t.Errorf("%s: %d octets are allocated for %d", what, c.allocated, c.octets)
	}
}

func names(families map[string]recipe) []string { return slices.Sorted(maps.Keys(families)) }

// What a message costs grows with its size, and no faster.
func TestCostGrowsWithTheSize(t *testing.T) {
	const size, factor = 40 << 10, 4
	for _, families := range []map[string]recipe{costly, ordinary} {
		for _, name := range names(families) {
			short, long := costOf(families[name].message(size)), costOf(families[name].message(factor*size))
			if most := short.steps * factor * 5 / 4; long.steps > most {
				t.Errorf("%s: %d steps for %d octets, %d for %d", name, short.steps, short.octets, long.steps, long.octets)
			}
			short.check(t, name)
			long.check(t, name)
		}
	}
}

// Messages that people and mail systems send take a small part of the work that they may take, however long they are.
func TestOrdinaryMessagesAreFarFromTheBudget(t *testing.T) {
	for _, name := range names(ordinary) {
		for _, size := range []int{1 << 10, 32 << 10, DefaultLimits().BodyBytes} {
			if c := costOf(ordinary[name].message(size)); c.steps > c.most/3 {
				t.Errorf("%s: %d of %d steps for %d octets", name, c.steps, c.most, c.octets)
			}
		}
	}
}

// margin is how many times the work that a genuine message takes it could take.
const margin = 4

func TestSamplesAreFarFromTheBudget(t *testing.T) {
	list := samples(t)
	for _, k := range nullSenderKinds(t) {
		list = append(list, "null-sender/"+k.name)
	}
	if len(list) < 100 {
		t.Fatalf("only %d samples", len(list))
	}
	for _, name := range list {
		if c := costOf(sample(t, name)); margin*c.steps > c.most {
			t.Errorf("%s: %d of %d steps", name, c.steps, c.most)
		}
	}
}

// A search for the most expensive message finds none that costs out of proportion. It begins with the families that are known. Some of
// what it finds takes more work than it may, and is not read; what is quadratic would take a hundred times that.
func TestSearchForCostlyMessages(t *testing.T) {
	const size, keep, most = 24 << 10, 20, 3
	tries := 200
	if testing.Short() {
		tries = 50
	}
	for goal, value := range map[string]func(cost) int{
		"steps":     func(c cost) int { return c.steps },
		"allocated": func(c cost) int { return int(c.allocated) },
	} {
		rng := rand.New(rand.NewPCG(13, 7))
		type found struct {
			recipe
			cost
		}
		var best []found
		try := func(r recipe) {
			best = append(best, found{r, costOf(r.message(size))})
			slices.SortStableFunc(best, func(a, b found) int { return value(b.cost) - value(a.cost) })
			best = best[:min(len(best), keep)]
		}
		for _, name := range names(costly) {
			try(costly[name])
		}
		for range tries {
			from := recipe{}
			if rng.IntN(4) > 0 { // else something new
				from = best[min(rng.IntN(len(best)), rng.IntN(len(best)))].recipe
			}
			r := from.mutate(rng)
			for rng.IntN(2) == 0 {
				r = r.mutate(rng)
			}
			try(r)
		}
		worst := best[0]
		if worst.steps > most*worst.most {
			t.Errorf("%s: %d of %d steps for %d octets: %+v", goal, worst.steps, worst.most, worst.octets, worst.recipe)
		}
		worst.check(t, goal)
		t.Logf("%s: %d of %d steps, %d octets allocated: %+v", goal, worst.steps, worst.most, worst.allocated, worst.recipe)
	}
}

// A message that takes all of its work is read; with one step less it is not.
func TestWorkEnds(t *testing.T) {
	m := sample(t, "postfix-dsn")
	steps := costOf(m).steps
	r := Parse(m, Limits{Steps: steps})
	if r.Unread || r.Kind != DSN || len(r.Originals) == 0 {
		t.Errorf("with enough work: %+v", r)
	}
	r = Parse(m, Limits{Steps: steps - 1})
	if !r.Unread || !r.Truncated || r.Kind != None || len(r.Originals) > 0 || len(r.Recipients) > 0 {
		t.Errorf("with one step less: %+v", r)
	}
	if !strings.Contains(strings.Join(r.Problems, "; "), "more work") {
		t.Errorf("problems are %q", r.Problems)
	}
}

// No message costs more than its size allows, whatever it contains.
func TestTheBudgetIsKept(t *testing.T) {
	kept := 0
	for _, name := range names(costly) {
		text := normal(costly[name].message(DefaultLimits().BodyBytes))
		a := &analysis{work: newWork(len(text)), limits: DefaultLimits(), parts: DefaultLimits().Parts}
		r, ok := a.within(text)
		if ok == r.Unread || ok != (a.spent <= a.most) {
			t.Errorf("%s: read %t, unread %t, %d of %d steps", name, ok, r.Unread, a.spent, a.most)
		}
		if !ok {
			kept++
		}
	}
	if kept == 0 {
		t.Error("no family reaches the budget, so that this tests nothing")
	}
}

// A fault of the reader is no end of work.
func TestAFaultIsNotTakenForTheEndOfWork(t *testing.T) {
	defer func() {
		if p := recover(); p == nil {
			t.Error("a panic is lost")
		}
	}()
	(&analysis{}).within("From: a@b.example\n\n") // it has no work
}

func TestLineEndsBecomeLF(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb\r\n": "a\nb\n", "a\r\r\nb": "a\nb", "a\r\r\r\nb": "a\r\nb", "a\rb\r": "a\rb\r", "\r\n\r\n": "\n\n", "\r": "\r", "": "", "\n\r\n": "\n\n", "a\r\r": "a\r\r",
	} {
		if got := normal([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		for i := range len(in) {
			if got := normal([]byte(in[:i]), nil, []byte(in[i:])); got != want {
				t.Errorf("%q in pieces: %q, want %q", in, got, want)
			}
		}
	}
}

// When the returned messages were sent is found out as the message is read, within the work that it may take.
func TestSentReadsNothing(t *testing.T) {
	r := Parse(costly["dated messages"].message(64<<10), DefaultLimits())
	if len(r.Originals) < 20 {
		t.Fatalf("%d returned messages: this test shows nothing", len(r.Originals))
	}
	if n := testing.AllocsPerRun(10, func() {
		for i := range r.Originals {
			if _, _, ok := r.Sent(&r.Originals[i]); !ok {
				t.Errorf("message %d has no date", i)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
