package view

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

func TestWhatIsLoggedOfTheCompleteness(t *testing.T) {
	first := store.DayOf(testDay) - 100
	full := store.Completeness{Since: testDay.AddDate(0, 0, -100)}
	st := &storetest.Fake{First: map[string]store.Day{"example.com": first}}
	f := start(t, st)
	for _, step := range []struct {
		name     string
		complete store.Completeness
		log      string
	}{
		{"complete from the beginning", full, `level=INFO msg="the record of signed mail is complete" since=2026-08-15`},
		{"the same", full, ""},
		{"records were lost", store.Completeness{Since: testDay}, `level=WARN msg="the record of signed mail may lack what was sent before`},
		{"more were lost", store.Completeness{Since: testDay, Gaps: []store.Gap{{From: testDay.Add(time.Hour), Until: testDay.Add(2 * time.Hour)}}},
			"gaps=\"2026-11-23T13:00:00Z to 2026-11-23T14:00:00Z\""},
		{"all is gone", store.Completeness{}, `level=WARN msg="the record of signed mail is gone`},
		{"the server may evict", store.Completeness{Reason: "the server may evict records"}, `level=WARN msg="the store cannot vouch for its record`},
		{"it may not any more", store.Completeness{Since: testDay.Add(2 * time.Hour)}, "may lack what was sent before"},
	} {
		st.Answer.Complete = step.complete
		from := len(f.log.String())
		f.refreshFirstSigned(t.Context())
		f.refreshCompleteness(t.Context())
		log := f.log.String()[from:]
		if step.log == "" && strings.Contains(log, "record") || !strings.Contains(log, step.log) {
			t.Errorf("%s: want %q in the log, got:\n%s", step.name, step.log, log)
		}
		if got := f.Completeness(); !got.Equal(step.complete) {
			t.Errorf("%s: %+v, want %+v", step.name, got, step.complete)
		}
	}
}

// A wiped store does not set a domain back that this daemon has seen signing.
func TestWipedStoreKeepsADomainsBeginning(t *testing.T) {
	st := &storetest.Fake{}
	f := start(t, st)
	st.First = map[string]store.Day{"example.com": 100}
	f.refreshFirstSigned(t.Context())
	st.First = map[string]store.Day{"example.com": 200, "example.org": 200}
	f.refreshFirstSigned(t.Context())
	for domain, want := range map[string]store.Day{"example.com": 100, "example.org": 200} {
		if got, _ := f.FirstSigned(domain); got != want {
			t.Errorf("%s: %v", domain, got)
		}
	}
	st.First = map[string]store.Day{}
	f.refreshFirstSigned(t.Context())
	if got, ok := f.FirstSigned("example.com"); got != 100 || !ok {
		t.Errorf("after a wipe: %v %v", got, ok)
	}
}
