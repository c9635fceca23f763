// Package page is the page of a daemon for a person: whether it works, what it refused and would refuse, and what to do. A [Page] is
// served at / of the admin listener. It is made of templates here, has no script and asks for nothing else, and says the same as the command
// report, of whose [report.Report] it is made.
//
// A view reads the store at most once in a while, see [readInterval]; no two read it at the same time.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/report"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Source is what the daemon has from its store.
type Source = report.Source

// Local is what the daemon knows without its store.
type Local struct {
	Node, Version string
	Store         string // URL, without a password
	Lifetime      int    // see report.Input
	Config        string // the configuration that commands must be told; "" for the usual one

	// Unhealthy says in words why mail does not pass; "" if it does.
	Unhealthy string
	// Circuit is whether the store takes what the mail path gives it.
	Circuit bool
	// Waiting are the messages that wait in the journal, Octets their size, Lost the records that were lost since the start.
	Waiting      int
	Octets       int64
	Lost         uint64
	Unreadable   int // keys whose secrets cannot be read
	ReloadFailed bool
	Connections  uint64 // of MTAs, since the start
}

// Options are what a page needs.
type Options struct {
	Source Source
	Local  func() Local
	// Verify verifies the tag of an address. ours says whether its domain is one of ours.
	Verify func(a prvs.Address) (r prvs.Result, ours bool)
	// Limited is called for each address that is not judged because of the limit, with the limit. See [maxWrongTags].
	Limited func(r *http.Request, limit int)
	Now     func() time.Time
	Log     *slog.Logger
}

// Page is an http.Handler for GET, HEAD and POST of /. A POST has a form with the field address.
type Page struct {
	o      Options
	reader reader
	wrong  wrongTags
}

// New makes a page.
func New(o Options) *Page {
	return &Page{o: o, reader: reader{source: o.Source, now: o.Now}, wrong: wrongTags{left: maxWrongTags}}
}

//go:embed page.css
var css string

//go:embed page.html
var html string

// pageTemplate is the page.
var pageTemplate = template.Must(template.New("page").Funcs(functions).Parse(html))

// policy is the Content-Security-Policy of the page: the style sheet is in the page, the icon is a data: URL.
var policy = func() string {
	sum := sha256.Sum256([]byte(css))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// maxForm bounds the body of a form, in octets: an address has 320 at most, three times as many as they are sent.
const maxForm = 4096

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var j *judgement
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form cannot be read", http.StatusBadRequest)
			return
		}
		j = p.judge(r, r.PostForm.Get("address"))
	}
	l := p.o.Local()
	v := newView(l, p.reader.get(r.Context(), l), p.o.Now())
	v.Judgement = j
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		p.o.Log.Error("cannot make the page", "error", err)
		http.Error(w, "the page cannot be made; see the log of bouncefilter", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(b.Bytes()) // the client may be gone
}
