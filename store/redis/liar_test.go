package redis_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/redis"
)

// What another user of the server can do who lacks the hash secret.

func publish(t *testing.T, s *redis.Store, b store.Broadcast) {
	t.Helper()
	if _, err := s.Publish(t.Context(), b, false); err != nil {
		t.Fatal(err)
	}
}

// names returns the broadcasts of a topic that are believed, with their last days.
func names(t *testing.T, s *redis.Store, topic string) []string {
	t.Helper()
	bs, err := s.Broadcasts(t.Context(), topic, today())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, b := range bs {
		all = append(all, fmt.Sprintf("%s %s +%d", b.Name, b.Value, b.Expires-today()))
	}
	slices.Sort(all)
	return all
}

func TestALiarCannotProlongChangeOrMoveABroadcast(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s, admin := open(t, srv.url("")), srv.admin(t)
	b := store.Broadcast{Topic: "a", Name: "x", Value: []byte("value"), Expires: today() + 2}
	publish(t, s, b)
	genuine := admin.HGet(t.Context(), "bouncefilter:broadcasts:a", "x").Val()
	day := fmt.Sprint(int(today() + 2))
	if !strings.Contains(genuine, day) {
		t.Fatalf("%q lacks the last day: this test shows nothing", genuine)
	}
	for name, lie := range map[string]struct{ hash, field, value string }{
		"prolonged":            {"bouncefilter:broadcasts:a", "x", strings.Replace(genuine, day, fmt.Sprint(int(today()+300)), 1)},
		"changed":              {"bouncefilter:broadcasts:a", "x", genuine + "!"},
		"under another name":   {"bouncefilter:broadcasts:a", "y", genuine},
		"under another topic":  {"bouncefilter:broadcasts:b", "x", genuine},
		"not signed":           {"bouncefilter:broadcasts:a", "y", day + " value"},
		"under another secret": {"bouncefilter:broadcasts:a", "y", store.NewHasher([]byte("other")).Sign(day+" value", "bouncefilter:broadcasts:a", "y")},
		"nothing":              {"bouncefilter:broadcasts:a", "y", ""},
	} {
		before := s.Doubts().Broadcasts
		admin.Del(t.Context(), "bouncefilter:broadcasts:a", "bouncefilter:broadcasts:b")
		admin.HSet(t.Context(), lie.hash, lie.field, lie.value)
		topic := strings.TrimPrefix(lie.hash, "bouncefilter:broadcasts:")
		if got := names(t, s, topic); len(got) != 0 || s.Doubts().Broadcasts != before+1 {
			t.Errorf("%s: believed %q, %d doubts", name, got, s.Doubts().Broadcasts-before)
		}
		// It stays: a daemon that has another hash secret by mistake must not remove what the others wrote.
		if n := admin.HLen(t.Context(), lie.hash).Val(); n != 1 {
			t.Errorf("%s: %d fields", name, n)
		}
		// A daemon can put the genuine one in its place.
		if done, err := s.Publish(t.Context(), store.Broadcast{Topic: topic, Name: lie.field, Value: []byte("v"), Expires: today()}, true); err != nil || !done {
			t.Errorf("%s: published %t, %v", name, done, err)
		}
	}
}

func TestALiarCannotSpeakForANode(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s, admin := open(t, srv.url("")), srv.admin(t)
	if err := s.Heartbeat(t.Context(), store.Node{Name: "mx1", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	genuine := admin.HGet(t.Context(), "bouncefilter:nodes", "mx1").Val()
	admin.HSet(t.Context(), "bouncefilter:nodes", "mx2", genuine,
		"mx3", fmt.Sprintf(`{"name":"mx3","seen":%q,"keys":[{"number":5,"signs":true}]}`, time.Now().Format(time.RFC3339)))
	nodes, err := s.Nodes(t.Context())
	if err != nil || len(nodes) != 1 || nodes[0].Name != "mx1" || s.Doubts().Heartbeats != 2 {
		t.Errorf("%+v, %d doubts, %v", nodes, s.Doubts().Heartbeats, err)
	}
	admin.HSet(t.Context(), "bouncefilter:nodes", "mx1", strings.Replace(genuine, `"keys":null`, `"keys":[{"number":5,"signs":true}]`, 1))
	for name, tt := range map[string]struct {
		s    *redis.Store
		want int // the one that was seen before
	}{"this node": {s, 1}, "a new node": {open(t, srv.url("")), 0}} {
		if nodes, err := tt.s.Nodes(t.Context()); err != nil || len(nodes) != tt.want || len(nodes) > 0 && len(nodes[0].Keys) > 0 {
			t.Errorf("%s: a changed heartbeat: %+v, %v", name, nodes, err)
		}
	}
}

// Without its heartbeat, nobody would wait for a node that is cut off, or for one that does not have a new key.
func TestALiarCannotHideANode(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s, admin := open(t, srv.url("")), srv.admin(t)
	const hash = "bouncefilter:nodes"
	names := func() string {
		t.Helper()
		ns, err := s.Nodes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, n := range ns {
			all = append(all, n.Name)
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	leave := func() {
		t.Helper()
		if err := open(t, srv.url("")).RemoveNode(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	beat(t, s)
	early := admin.HGet(t.Context(), hash, "a").Val()
	leave()
	mark := admin.HGet(t.Context(), hash, "a").Val()
	if got := names(); got != "" {
		t.Fatalf("after it has left: %q", got)
	}
	beat(t, s)
	if got := names(); got != "a" {
		t.Fatalf("after it is back: %q", got)
	}
	seen := func() time.Time {
		ns, _ := s.Nodes(t.Context())
		return ns[0].Seen
	}
	before := seen()
	for name, lie := range map[string]func(){
		"its heartbeat is removed":         func() { admin.HDel(t.Context(), hash, "a") },
		"all are removed":                  func() { admin.Del(t.Context(), hash) },
		"an earlier mark is put back":      func() { admin.HSet(t.Context(), hash, "a", mark) },
		"an earlier heartbeat is put back": func() { admin.HSet(t.Context(), hash, "a", early) },
	} {
		lie()
		if got := names(); got != "a" || !seen().Equal(before) {
			t.Errorf("%s: %q, seen %v, before %v", name, got, seen(), before)
		}
	}
	leave()
	if got := names(); got != "" {
		t.Errorf("after it has left again: %q", got)
	}
}

// With an earlier first-signed day, bounces of mail that left unsigned would be refused.
func TestALiarCannotMoveAFirstSignedDay(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s, admin := open(t, srv.url("")), srv.admin(t)
	record(t, s, key(1))
	genuine := admin.HGet(t.Context(), "bouncefilter:domains", "first:example.com").Val()
	admin.HSet(t.Context(), "bouncefilter:domains", "first:example.net", genuine, "first:example.org", fmt.Sprint(int(today()-100)))
	days, err := s.FirstSigned(t.Context())
	if want := map[string]store.Day{"example.com": today()}; err != nil || !maps.Equal(days, want) || s.Doubts().FirstSigned != 2 {
		t.Errorf("%v, %d doubts, %v", days, s.Doubts().FirstSigned, err)
	}
	admin.HSet(t.Context(), "bouncefilter:domains", "first:example.com", fmt.Sprint(int(today()-100)))
	if days, err := s.FirstSigned(t.Context()); err != nil || len(days) != 0 {
		t.Errorf("a changed day: %v, %v", days, err)
	}
}

// With an earlier start, the absence of records that never were would count.
func TestALiarCannotMoveTheStartOfTheRecord(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s, admin := open(t, srv.url("")), srv.admin(t)
	record(t, s, key(1))
	before := fmt.Sprint(time.Now().Add(-time.Hour).UnixMilli())
	for name, lie := range map[string]func(){
		"not signed":       func() { admin.HSet(t.Context(), "bouncefilter:state", "start", before) },
		"of another place": func() { admin.HSet(t.Context(), "bouncefilter:state", "start", startAt(time.Now(), "x:state")) },
		"a loss without a start": func() {
			admin.HDel(t.Context(), "bouncefilter:state", "start")
			admin.HSet(t.Context(), "bouncefilter:state", "gap:0:"+before, "")
		},
	} {
		lie()
		for who, s := range map[string]*redis.Store{"this node": s, "a new node": open(t, srv.url(""))} {
			if _, since := look(t, s, key(1)); !since.IsZero() {
				t.Errorf("%s, %s: complete since %v", name, who, since)
			}
		}
	}
	admin.HSet(t.Context(), "bouncefilter:state", "start", before)
	a, err := s.Lookup(t.Context(), today(), nil)
	if err != nil || !strings.Contains(a.Complete.Reason, "hash secret") || a.Complete.Remedy == "" {
		t.Errorf("%+v, %v", a.Complete, err)
	}
}

func TestALiarCannotHideARestart(t *testing.T) {
	t.Parallel()
	srv := startServer(t, "--dbfilename", "dump.rdb")
	admin := srv.admin(t)
	if _, since := look(t, srv.openAged(t), key(1)); time.Since(since) < 30*time.Minute {
		t.Fatalf("complete since %v: this test shows nothing", since)
	}
	if err := admin.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	srv.Kill(t)
	srv.Start(t)
	run := ""
	for line := range strings.Lines(admin.Info(t.Context(), "server").Val()) {
		if id, ok := strings.CutPrefix(line, "run_id:"); ok {
			run = strings.TrimSpace(id)
		}
	}
	restarted := time.Now()
	admin.HSet(t.Context(), "bouncefilter:state", "run", run)
	if _, since := look(t, open(t, srv.url("")), key(1)); !since.After(restarted) {
		t.Errorf("complete since %v, restarted at %v", since, restarted)
	}
}

func TestALiarCannotTakeALossBack(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s, admin := srv.openAged(t), srv.admin(t)
	now := time.Now().Truncate(time.Millisecond).UTC()
	gaps := []store.Gap{{Until: now.Add(-30 * time.Minute)}, {From: now.Add(-20 * time.Minute), Until: now.Add(-10 * time.Minute)}}
	for _, g := range gaps {
		if err := s.MarkIncomplete(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	completeness := func(s *redis.Store) string {
		a, err := s.Lookup(t.Context(), today(), store.AnyDay(key(1)))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(a.Complete.Since, a.Complete.Gaps)
	}
	want := completeness(s)
	if want != fmt.Sprint(gaps[0].Until, gaps) {
		t.Fatalf("%s: this test shows nothing", want)
	}
	for name := range admin.HGetAll(t.Context(), "bouncefilter:state").Val() {
		if strings.HasPrefix(name, "gap:") {
			admin.HDel(t.Context(), "bouncefilter:state", name)
		}
	}
	if got := completeness(s); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	examine(t, s)
	if got := completeness(open(t, srv.url(""))); got != want {
		t.Errorf("another node: %s, want %s", got, want)
	}
}

// With a later time, what was lost before would count as on record.
func TestALiarCannotMoveTheTimeUntilWhichAProcessHasKeptAll(t *testing.T) {
	t.Parallel()
	srv := startServer(t, "--dbfilename", "dump.rdb")
	s, admin := srv.openAged(t), srv.admin(t)
	examine(t, s)
	beat(t, s)
	if err := admin.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	kept := ""
	for name := range admin.HGetAll(t.Context(), "bouncefilter:state").Val() {
		if strings.HasPrefix(name, "kept:") {
			kept = name
		}
	}
	if kept == "" {
		t.Fatal("no time was kept: this test shows nothing")
	}
	srv.Kill(t)
	srv.Start(t)
	if n := admin.HSet(t.Context(), "bouncefilter:state", kept, fmt.Sprint(time.Now().Add(time.Hour).UnixMilli())).Val(); n != 0 {
		t.Fatal("the field was not there: this test shows nothing")
	}
	a, err := func() (store.Answer, error) {
		look(t, s, key(1))
		return s.Lookup(t.Context(), today(), store.AnyDay(key(1)))
	}()
	if err != nil || !a.Complete.Since.After(time.Now()) && (len(a.Complete.Gaps) == 0 || !a.Complete.Gaps[0].From.IsZero()) {
		t.Errorf("%+v, %v", a.Complete, err)
	}
}
