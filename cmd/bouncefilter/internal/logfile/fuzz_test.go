package logfile

import (
	"strings"
	"testing"
	"time"
)

// What a line has for its text is what is behind its prefix, up to its end: text in its middle never is.
func FuzzParse(f *testing.F) {
	f.Add("Nov 23 06:58:01 mx1 bouncefilter[17]: level=INFO msg=x")
	f.Add("Feb 30 06:58:01 mx1 x: y")
	f.Add("Mon 2026-11-23 06:58:01 EST mx1 x: level=")
	f.Add("<22>1795435081.000000 a b: c")
	f.Add(`{"__REALTIME_TIMESTAMP":"1","MESSAGE":[256,-1,"x"]}`)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, line string) {
		l := Clock{Now: now, Zone: time.UTC}.Parse(line)
		if IsEntry([]byte(line)) || strings.Contains(withoutPriority(line), realtime) {
			return
		}
		if !strings.HasSuffix(line, l.Text) || l.Program != "" && !strings.Contains(line, l.Program) || l.Cut {
			t.Errorf("%+v of %q", l, line)
		}
	})
}
