package prvs_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Exim is an independent implementation of the draft. It is an oracle for signing and for hashes. It is no oracle for
// expiry, see TestEximAcceptsOldTagsAtTheEndOfTheCycle, nor for case: it compares octets.

const (
	eximSecret    = "of the oracle"
	eximNumber    = 4
	eximAddresses = 500 // per day and direction
)

// eximDays are the days on which Exim signs and checks: ordinary ones, and those around the end of the cycle, which
// today reaches on day 21000 and an expiry of seven days on day 20993.
func eximDays() []prvs.Day {
	return []prvs.Day{
		10957, 19782, 20780, // 2000-01-01, 2024-02-29, 2026-11-23
		20991, 20992, 20993, 20994, 20998, 20999, 21000, 21001, 21006, 21007,
		24856, // 2038-01-20, when 32 bits no longer count the seconds
	}
}

func TestTagsOfEximVerify(t *testing.T) {
	exim := findExim(t)
	ring := eximRing(t)
	checked := 0
	for _, today := range eximDays() {
		addresses := randomAddresses(uint64(today), eximAddresses)
		var expressions []string
		for _, a := range addresses {
			expressions = append(expressions, fmt.Sprintf(`${prvs{\N%s\N}{%s}{%d}}`, a, eximSecret, eximNumber))
		}
		for i, tagged := range exim.expand(t, today, expressions) {
			a, expiry := addresses[i], today+7
			mac := prvs.MAC([]byte(eximSecret), eximNumber, expiry, a.String())
			if want := fmt.Sprintf("prvs=%d%03d%s=%s", eximNumber, expiry%1000, hex.EncodeToString(mac[:]), a); tagged != want {
				t.Fatalf("on %v Exim signs %s as %q; MAC gives %q", today, a, tagged, want)
			}
			if a.Fold() == a && !strings.Contains(a.Local, `"`) {
				signed, err := ring.Sign(a, prvs.Standard, today)
				if err != nil || signed.Address != tagged {
					t.Fatalf("on %v Exim signs %s as %q; Sign gives %+v, %v", today, a, tagged, signed, err)
				}
			}
			want := prvs.Result{Status: prvs.Valid, Original: a, Sender: a, Number: eximNumber, Expiry: expiry}
			verify(t, ring, tagged, today, want)
			verify(t, ring, tagged, expiry, want)
			want.Status = prvs.Expired
			verify(t, ring, tagged, expiry+1, want)

			// Relays change the case of the tag and of the domain.
			want.Status = prvs.Valid
			end := strings.IndexByte(tagged[len("prvs="):], '=') + len("prvs=")
			verify(t, ring, strings.ToUpper(tagged[:end])+tagged[end:], today, want)
			if strings.ToLower(a.Domain) == a.Domain {
				want.Original.Domain = asciiUpper(a.Domain)
				want.Sender = want.Original
				verify(t, ring, tagged[:end+1]+want.Original.String(), today, want)
			}
			checked++
		}
	}
	t.Logf("Exim signed %d addresses on %d days; all verify", checked, len(eximDays()))
}

func TestEximVerifiesOurTags(t *testing.T) {
	exim := findExim(t)
	ring := eximRing(t)
	var checked, mixed, quoted int
	for _, today := range eximDays() {
		var expressions, wants []string
		ask := func(address, want string) {
			expressions = append(expressions, fmt.Sprintf(
				`[${prvscheck{\N%s\N}{%s}{$prvscheck_result|$prvscheck_keynum|$prvscheck_address}}]`, address, eximSecret))
			wants = append(wants, want)
		}
		for _, a := range randomAddresses(uint64(today)+1, eximAddresses) {
			signed, err := ring.Sign(a, prvs.Standard, today)
			if err != nil {
				t.Fatalf("Sign(%s) on %v: %v", a, today, err)
			}
			checked++
			start := strings.Index(signed.Address, "prvs=")
			tag := signed.Address[start : start+len("prvs=KDDDSSSSSS=")]
			folded := a.Fold()
			ask(tag+folded.String(), fmt.Sprintf("[1|%d|%s]", eximNumber, folded))

			// QUIRK: Exim 4.96 compares octets, so it accepts our tag only for the folded address, and it finds no tag between
			// the quotes of a local part that is quoted as a whole.
			switch {
			case start > 0:
				quoted++
				ask(signed.Address, "[]")
			case signed.Address != tag+folded.String():
				mixed++
				ask(signed.Address, fmt.Sprintf("[|%d|%s]", eximNumber, signed.Address[len(tag):]))
			}
		}
		for i, got := range exim.expand(t, today, expressions) {
			if got != wants[i] {
				t.Fatalf("on %v Exim says %s to %s, want %s", today, got, expressions[i], wants[i])
			}
		}
	}
	if mixed == 0 || quoted == 0 {
		t.Errorf("%d addresses in mixed case, %d quoted: none of one kind", mixed, quoted)
	}
	t.Logf("we signed %d addresses on %d days; Exim verifies all: %d in mixed case once folded, "+
		"%d in its own way of quoting",
		checked, len(eximDays()), mixed, quoted)
}

// QUIRK: Exim 4.96 does not subtract days modulo 1000, so that a tag of the last days of the cycle does not expire.
// This is why Exim is no oracle for expiry.
func TestEximAcceptsOldTagsAtTheEndOfTheCycle(t *testing.T) {
	exim := findExim(t)
	ring := eximRing(t)
	signed, err := ring.Sign(prvs.Address{Local: "user", Domain: "example.com"}, prvs.Standard, 20992)
	if err != nil {
		t.Fatal(err)
	}
	tagged, err := prvs.ParseAddress(signed.Address)
	if err != nil {
		t.Fatal(err)
	}
	for _, today := range []prvs.Day{20992, 20999, 21000, 21002} {
		got := exim.expand(t, today, []string{
			fmt.Sprintf(`[${prvscheck{\N%s\N}{%s}{$prvscheck_result}}]`, signed.Address, eximSecret),
		})
		want := prvs.Valid
		if today > signed.Expiry {
			want = prvs.Expired
		}
		if status := ring.Verify(tagged, today).Status; got[0] != "[1]" || status != want {
			t.Errorf("%s on %v: Exim says %s, we say %v; want [1], %v", signed.Address, today, got[0], status, want)
		}
	}
}

func verify(t *testing.T, ring *prvs.Ring, tagged string, today prvs.Day, want prvs.Result) {
	t.Helper()
	a, err := prvs.ParseAddress(tagged)
	if err != nil {
		t.Fatal(err)
	}
	if got := ring.Verify(a, today); got != want {
		t.Fatalf("Verify(%s) on %v = %+v, want %+v", tagged, today, got, want)
	}
}

func eximRing(t *testing.T) *prvs.Ring {
	t.Helper()
	ring, err := prvs.NewRing([]prvs.Key{
		{Number: eximNumber, State: prvs.StateSign, Secret: []byte(eximSecret)},
	}, prvs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// exim is an exim4 binary that can be run on any day.
type exim struct{ path, faketime string }

// findExim returns the Exim that the environment names, or skips the test.
func findExim(t *testing.T) exim {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short: it runs Exim")
	}
	missing := t.Skipf
	if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
		missing = t.Fatalf
	}
	path := os.Getenv("BOUNCEFILTER_EXIM")
	if path == "" {
		missing("BOUNCEFILTER_EXIM does not name an exim4 binary; deploy/test gets one and runs this test")
	}
	faketime, err := exec.LookPath("faketime")
	if err != nil {
		missing("no faketime, with which Exim is run on other days; deploy/test installs it: %v", err)
	}
	e := exim{path, faketime}

	// The dynamic linker preloads faketime into a set-uid program only for root.
	const day = prvs.Day(20780)
	if got, want := e.expand(t, day, []string{"${substr{0}{10}{$tod_zulu}}"}), "2026112312"; got[0] != want {
		t.Fatalf("Exim believes that it is %s, want %s: does faketime work, and is %s set-uid?", got[0], want, path)
	}
	return e
}

// expand returns Exim's expansions of the expressions at noon of a day. Exim reads them from standard input, one on each line,
// so thousands take as long as one. It needs no configuration.
func (e exim) expand(t *testing.T, day prvs.Day, expressions []string) []string {
	t.Helper()
	cmd := exec.Command(e.faketime, day.String()+" 12:00:00", e.path, "-C", "/dev/null", "-be")
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.Stdin = strings.NewReader(strings.Join(expressions, "\n") + "\n")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	// Each answer follows a prompt; nothing follows the last prompt.
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(expressions)+1 {
		t.Fatalf("%s: %d answers to %d expressions\n%s", cmd, len(lines)-1, len(expressions), stderr.String())
	}
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "> ")
	}
	return lines[:len(expressions)]
}

// randomAddresses returns n addresses that can be signed, the same ones for the same seed: in lower and in mixed case, with
// all characters of an atom, dots, letters above ASCII, quotes and escapes, address literals.
func randomAddresses(seed uint64, n int) []prvs.Address {
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(alphabet []rune, most int) string {
		s := make([]rune, 1+random.IntN(most))
		for i := range s {
			s[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(s)
	}
	var (
		letters = []rune("abcdefghijklmnopqrstuvwxyz0123456789")
		atext   = []rune("abcxyz0189...===+++!#$%&'*-/?^_`{|}~")
		beyond  = []rune("abc=.+äöüßéñ日本語жя")
		quoted  = []rune("abc =+.@<>(),:;[]é")
	)
	var addresses []prvs.Address
	for len(addresses) < n {
		var local string
		switch random.IntN(5) {
		case 0:
			local = pick(letters, 20)
		case 1, 2:
			local = pick(atext, 40)
		case 3:
			local = pick(beyond, 20)
		case 4:
			local = `"` + pick(quoted, 20) + []string{"", `\"`, `\\`}[random.IntN(3)] + `"`
		}
		domain := pick(letters, 20) + "." + pick(letters, 10) + ".example"
		switch random.IntN(8) {
		case 0:
			domain = fmt.Sprintf("[192.0.2.%d]", random.IntN(256))
		case 1:
			domain = pick([]rune("äöüéñ日本語жя"), 10) + ".example"
		}
		if random.IntN(3) == 0 {
			local = randomCase(random, local)
		}
		if random.IntN(4) == 0 {
			domain = randomCase(random, domain)
		}
		a, err := prvs.ParseAddress(local + "@" + domain)
		if err == nil && prvs.CanSign(a) == nil {
			addresses = append(addresses, a)
		}
	}
	return addresses
}

func randomCase(random *rand.Rand, s string) string {
	return strings.Map(func(r rune) rune {
		if random.IntN(2) == 0 {
			return []rune(strings.ToUpper(string(r)))[0]
		}
		return r
	}, s)
}

func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}
