package logread

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"log/slog"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logline"
	"github.com/bouncefilter/bouncefilter/filter/figures"
)

// What the daemon writes is read as what it was, whatever outsiders have put into it.
func FuzzWhatTheDaemonWrites(f *testing.F) {
	f.Add("user@example.com", "mx.example.net")
	f.Add("a b\"c\\@example.com", "\x00\x1b[2J\u2028=")
	f.Add("\xff\xfe@", "x reason=valid\nlevel=INFO msg=bounce")
	f.Add("", "{\"msg\":\"bounce\"}")
	f.Fuzz(func(t *testing.T, recipient, mta string) {
		for _, form := range []logline.Form{{Format: config.FormatLogfmt}, {Format: config.FormatJSON}, {Format: config.FormatLogfmt, Journal: true}, {Format: config.FormatJSON, Journal: true}} {
			var log bytes.Buffer
			logline.New(&log, form, slog.HandlerOptions{}).Info("bounce", "recipient", "<"+recipient+">", "reason", "untagged", "action", "reject", "reporting_mta", mta)
			text := log.String()
			if form.Journal {
				text = "Nov 23 06:58:01 mx1 bouncefilter[1]: " + severity(text)
			}
			var got []figures.Observation
			stats, err := Read(strings.NewReader(text), Clock{time.Now(), time.UTC}, func(e *figures.Observation) { got = append(got, *e) })
			if err != nil || len(got) != 1 || stats.Lines != 1 {
				t.Fatalf("%d observations of %q, %+v, %v", len(got), text, stats, err)
			}
			wantRecipient, wantMTA := recipient, mta
			if form.Format == config.FormatJSON { // which has no other octets than UTF-8
				wantRecipient, wantMTA = runes(recipient), runes(mta)
			}
			if got[0].Recipient != wantRecipient || got[0].ReportingMTA != wantMTA {
				t.Errorf("%q: got %q and %q", text, got[0].Recipient, got[0].ReportingMTA)
			}
		}
	})
}

// runes replaces each octet that is not UTF-8.
func runes(s string) string { return string([]rune(s)) }

// Whatever a log has, each of its lines is accounted for.
func FuzzRead(f *testing.F) {
	f.Add([]byte("time=2026-11-23T11:58:01.000Z " + verdict + "\n"))
	f.Add([]byte(asJSON))
	f.Add([]byte("Nov 23 06:58:01 mx1 bouncefilter[17]: " + verdict))
	f.Add([]byte("Feb 30 06:58:01 mx1 x: y\n1795435081.000000 a b: c\nMon 2026-11-23 06:58:01 EST mx1 x: level="))
	f.Add([]byte("__CURSOR=s=1\n__REALTIME_TIMESTAMP=1\n" + export("MESSAGE", verdict) + "\n"))
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":"1795435081000000","MESSAGE":` + octets(verdict) + "}"))
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":"1","MESSAGE":[256,-1,"x"]}` + "\n{\"MESSAGE\":null}"))
	f.Fuzz(func(t *testing.T, log []byte) {
		observations := int64(0)
		stats, _ := Read(bytes.NewReader(log), Clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), time.UTC}, func(e *figures.Observation) {
			observations++
			if e.At.IsZero() || e.Reason == "" || e.Action == "" || len(e.Destinations) > figures.MaxDestinations || len(e.Failures) > figures.MaxFailures {
				t.Errorf("got %+v", e)
			}
		})
		if n := stats.Verdicts + stats.Tests + stats.Others + stats.Unreadable; observations != stats.Verdicts || n > stats.Lines || stats.Lines-n > 1 {
			t.Errorf("%d observations, %+v", observations, stats)
		}
	})
}
