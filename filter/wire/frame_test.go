package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
)

func TestLengths(t *testing.T) {
	for length, want := range map[uint32]Fault{0: FaultEmpty, 1: "", MaxFrame: "", 512 << 20: "", 512<<20 + 1: FaultLength, 1<<32 - 1: FaultLength} {
		if got := checkLength(length); got != want {
			t.Errorf("%d: got %q, want %q", length, got, want)
		}
	}
}

// grammar says what check wants of the content of each command, in another way than check does. The content of a command
// without a rule is free.
var grammar = map[byte]*regexp.Regexp{
	cmdConnect:   regexp.MustCompile(`(?s)^[^\x00]*\x00(?:U|[L46]..)`),
	cmdHelo:      regexp.MustCompile(`\x00`),
	cmdMail:      regexp.MustCompile(`\x00`),
	cmdRcpt:      regexp.MustCompile(`\x00`),
	cmdHeader:    regexp.MustCompile(`(?s)^[^\x00]*\x00.`),
	cmdMacro:     regexp.MustCompile(`(?s).`),
	cmdNegotiate: regexp.MustCompile(`(?s).{12}`),
}

// repairedGrammar says what is true after check, which repairs in place.
var repairedGrammar = map[byte]*regexp.Regexp{
	cmdConnect: regexp.MustCompile(`(?s)^[^\x00]*\x00(?:U|[L46]..)`),
	cmdHeader:  regexp.MustCompile(`(?s)^[^\x00]*\x00(?:\x00|[^\x00]+\x00?)$`),
}

// follows says whether the content of a frame follows a grammar. Each octet counts as one character.
func follows(rules map[byte]*regexp.Regexp, cmd byte, data []byte) bool {
	rule := rules[cmd]
	if rule == nil {
		return true
	}
	text := make([]rune, len(data))
	for i, b := range data {
		text[i] = rune(b)
	}
	return rule.MatchString(string(text))
}

// check runs on random content made of the octets that matter to it.
func TestCheckFollowsTheGrammar(t *testing.T) {
	const octets = "\x00\x00U46LX:1.\xff"
	random := rand.New(rand.NewPCG(1, 2))
	refused := map[byte]int{}
	for range 200_000 {
		cmd := "CHMRLDOTBEZ"[random.IntN(11)]
		data := make([]byte, random.IntN(14))
		for i := range data {
			data[i] = octets[random.IntN(len(octets))]
		}
		before := slices.Clone(data)
		_, fatal := check(cmd, data)
		if fatal {
			refused[cmd]++
		}
		if want := !follows(grammar, cmd, before); fatal != want {
			t.Fatalf("%c: a frame of %d octets is refused: %t, want %t", cmd, len(before), fatal, want)
		}
		if !fatal && !follows(repairedGrammar, cmd, data) {
			t.Fatalf("%c: %q was repaired to %q", cmd, before, data)
		}
		if f, _ := check(cmd, data); !fatal && f != "" {
			t.Fatalf("%c: %q was repaired to %q, which is at fault: %s", cmd, before, data, f)
		}
	}
	if len(refused) != len(grammar) {
		t.Errorf("refused, by command: %v", refused)
	}
}

// FuzzFrames: whatever an MTA sends, every frame that is passed on follows the grammar of its command, frames are passed
// on whole and in order, and the session survives them.
func FuzzFrames(f *testing.F) {
	for _, m := range malformed {
		f.Add([]byte(m))
	}
	f.Add([]byte(offer + frame('C', "host\x004\x00\x19192.0.2.1\x00") + frame('M', "<>\x00") + frame('R', "<a@b>\x00A=B\x00") + frame('T', "") + frame('L', "a\x00b\x00") + frame('B', "x") + frame('E', "")))
	f.Fuzz(func(t *testing.T, input []byte) {
		got, _ := passed(t, string(input), func(c *Conn) { c.WantContent() })
		for first := true; got != ""; first = false {
			if len(got) < 5 {
				t.Fatalf("part of a frame: %q", got)
			}
			n := 4 + int(binary.BigEndian.Uint32([]byte(got)))
			if n == 4 {
				t.Fatal("an empty frame was passed on")
			}
			if n > len(got) {
				t.Fatalf("part of a frame: %.100q", got)
			}
			cmd, data := got[4], []byte(got[5:n])
			if (cmd == 'O') != first {
				t.Fatalf("negotiation not first and only first: %q", cmd)
			}
			if !follows(grammar, cmd, data) || !follows(repairedGrammar, cmd, data) {
				t.Fatalf("a frame at fault was passed on: %q %.100q", cmd, data)
			}
			if fault, _ := check(cmd, slices.Clone(data)); fault != "" {
				t.Fatalf("a frame at fault was passed on: %q %.100q: %s", cmd, data, fault)
			}
			got = got[n:]
		}
		served(t, string(input), &recorder{})
	})
}
