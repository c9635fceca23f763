package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// counted is a store that counts what would change it.
type counted struct {
	storetest.Fake
	changes int
}

func (c *counted) Publish(context.Context, store.Broadcast, bool) (bool, error) {
	c.changes++
	return true, nil
}
func (c *counted) Withdraw(context.Context, string, string) error  { c.changes++; return nil }
func (c *counted) RemoveNode(context.Context, string) error        { c.changes++; return nil }
func (c *counted) MarkIncomplete(context.Context, store.Gap) error { c.changes++; return nil }
func (c *counted) Lookup(_ context.Context, _ store.Day, qs []store.Query) (store.Answer, error) {
	return store.Answer{Found: make([]bool, len(qs)), Counts: make([]uint32, len(qs))}, nil
}

// answering is a daemon with such a store.
type answering struct {
	stub
	st *counted
}

func (a *answering) Store() store.Store { return a.st }
func (a *answering) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	return a.st.Lookup(ctx, today, qs)
}
func (*answering) Barrier(context.Context) (passed, waited bool) { return true, false }

// Whatever is asked: the server answers, a question changes nothing in the store, a refused request neither, and one that is taken makes one
// change. A lookup that is understood is understood the same way when it is asked again.
func FuzzRequest(f *testing.F) {
	for _, s := range [][3]string{
		{"GET", "/status", ""}, {"GET", "/keys", ""}, {"GET", "/known", ""}, {"POST", "/barrier", ""}, {"GET", "/nodes", ""},
		{"POST", "/lookup", `{"today":20000,"queries":[{"key":"00112233445566778899aabbccddeeff","expires":20007}]}`},
		{"POST", "/lookup", `{"queries":[{"key":"0g"}]}`}, {"POST", "/lookup", "["}, {"DELETE", "/nodes?name=mx", ""},
		{"POST", "/incomplete", `{"From":"2026-11-29T00:00:00Z","Until":"2026-11-30T00:00:00Z"}`}, {"POST", "/incomplete", "{}"}, {"GET", "/broadcasts?topic=revoked&today=20000", ""},
		{"GET", "/broadcasts?today=99999999999", ""}, {"POST", "/broadcasts?new", `{"Topic":"t","Name":"n","Value":"eA==","Expires":20000}`},
		{"POST", "/broadcasts", `{"Topic":"t"}`}, {"DELETE", "/broadcasts?topic=t&name=n", ""}, {"PUT", "/../status", "x"}, {"HEAD", "/status", ""},
		{"POST", "/tests", ""}, {"DELETE", "/tests?mark=x", ""},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") || method == "" || strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' }) {
			t.Skip("net/http does not read such a request")
		}
		d := &answering{st: &counted{}}
		s := &Server{daemon: d, barrier: make(chan struct{}, 1), http: &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}}
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, target
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r)

		changes := 0
		if w.Code == http.StatusOK && (method == "DELETE" && u.Path != "/tests" || method == "POST" && (u.Path == "/incomplete" || u.Path == "/broadcasts")) {
			changes = 1
		}
		if d.st.changes != changes {
			t.Errorf("%s %s makes %d changes, and is answered with %d", method, target, d.st.changes, w.Code)
		}
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusServiceUnavailable,
			http.StatusMovedPermanently, http.StatusTemporaryRedirect: // of a path that is not clean
		default:
			t.Errorf("%s %s is answered with %d %s", method, target, w.Code, w.Body)
		}
		var l lookup
		if json.Unmarshal([]byte(body), &l) != nil {
			return
		}
		qs, err := l.queries()
		if err != nil {
			return
		}
		text, err := json.Marshal(newLookup(l.Today, qs))
		if err != nil {
			t.Fatal(err)
		}
		var again lookup
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if same, err := again.queries(); err != nil || again.Today != l.Today || !reflect.DeepEqual(same, qs) {
			t.Errorf("%s\nis asked as %s, %v", body, text, err)
		}
	})
}
