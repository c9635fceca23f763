package bounce

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// collectionEnv is the name of an environment variable with the path of a labelled collection: messages, and index.jsonl, which
// says what they contain. Collections of real mail are large and have licences of their own, so this repository contains none.
const collectionEnv = "BOUNCE_COLLECTION"

// labelled is a line of the index. Only what is known for sure ("high") is compared.
type labelled struct {
	Path     string
	Kind     string
	KindConf string   `json:"kind_conf"`
	Accept   []string `json:"kind_accept"`
	Truth    map[string]struct {
		Value any
		Conf  string
		Alt   []any
	}
}

// share counts how often something was right.
type share struct{ right, of int }

func (s *share) count(right bool) {
	s.of++
	if right {
		s.right++
	}
}

func (s share) percent() float64 { return 100 * float64(s.right) / float64(max(s.of, 1)) }

func TestCollection(t *testing.T) {
	dir := os.Getenv(collectionEnv)
	if dir == "" {
		t.Skip(collectionEnv + " is not set")
	}
	f, err := os.Open(filepath.Join(dir, "index.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shares := map[string]*share{}
	for _, name := range []string{"kind of bounces", "ham left alone", "Message-ID", "recipients", "status"} {
		shares[name] = &share{}
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l labelled
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		compare(t, dir, &l, shares)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for name, least := range map[string]float64{
		"kind of bounces": 98, "ham left alone": 100, "Message-ID": 98, "recipients": 96, "status": 95,
	} {
		s := shares[name]
		t.Logf("%s: %.1f %% of %d", name, s.percent(), s.of)
		if s.of == 0 || s.percent() < least {
			t.Errorf("%s: %.1f %% of %d, want %.0f %%", name, s.percent(), s.of, least)
		}
	}
}

func compare(t *testing.T, dir string, l *labelled, shares map[string]*share) {
	t.Helper()
	message, err := os.ReadFile(filepath.Join(dir, l.Path))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Read(bytes.NewReader(message), Limits{})
	if err != nil {
		t.Errorf("%s: %v", l.Path, err)
	}
	if c := costOf(message); margin*c.steps > c.most {
		t.Errorf("%s: %d of %d steps", l.Path, c.steps, c.most)
	}
	count := func(name string, want, got any) {
		right := fmt.Sprint(want) == fmt.Sprint(got)
		shares[name].count(right)
		if !right {
			t.Logf("%s: %s is %v, want %v", l.Path, name, got, want)
		}
	}
	bounces := l.Kind == string(DSN) || l.Kind == string(Bounce)
	switch {
	case bounces && l.KindConf == "high":
		count("kind of bounces", true, slices.Contains(l.Accept, string(r.Kind)))
	case l.Kind == string(None):
		count("ham left alone", true, r.Kind == None || r.Kind == AutoReply)
	}
	if !bounces {
		return
	}
	if id := l.Truth["orig_msgid"]; id.Conf == "high" && id.Value != nil {
		count("Message-ID", strings.Trim(fmt.Sprint(id.Value), "<>"), r.Original().MessageID)
	}
	got := map[string]bool{}
	for _, rcpt := range r.Recipients {
		got[label(rcpt.Address)] = true
	}
	if rcpts := l.Truth["recipients"]; rcpts.Conf == "high" {
		right := len(got) == len(rcpts.Alt)
		for _, same := range rcpts.Alt {
			right = right && slices.ContainsFunc(same.([]any), func(a any) bool { return got[label(fmt.Sprint(a))] })
		}
		count("recipients", true, right)
	}
	if status := l.Truth["status"]; status.Conf == "high" && status.Value != nil {
		want, have := map[string]bool{}, map[string]bool{}
		for _, s := range status.Value.([]any) {
			want[fmt.Sprint(s)] = true
		}
		for _, rcpt := range r.Recipients {
			have[rcpt.Status] = true
		}
		count("status", slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(have)))
	}
}

// label writes an address as the index does: in lower case, without quotation marks at its ends, which quoted local parts
// lose there.
func label(address string) string { return strings.Trim(strings.ToLower(address), `"`) }
