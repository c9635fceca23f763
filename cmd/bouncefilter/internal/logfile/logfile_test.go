package logfile

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTimesWithoutAYear(t *testing.T) {
	for _, tt := range []struct{ now, text, want string }{
		{"2026-11-23T12:00:00Z", "Nov 23 11:00:00", "2026-11-23T11:00:00Z"},
		{"2026-11-23T12:00:00Z", "Nov  3 11:00:00", "2026-11-03T11:00:00Z"},
		{"2026-11-23T12:00:00Z", "Nov 24 11:00:00", "2026-11-24T11:00:00Z"}, // a clock that is ahead, or a zone
		{"2026-11-23T12:00:00Z", "Nov 25 11:00:00", "2025-11-25T11:00:00Z"},
		{"2027-01-01T12:00:00Z", "Dec 31 23:59:59", "2026-12-31T23:59:59Z"},
		{"2026-12-31T23:59:59Z", "Jan  1 00:00:00", "2027-01-01T00:00:00Z"},
		{"2026-11-23T12:00:00Z", "Feb 29 11:00:00", "2024-02-29T11:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		got, _, found := Clock{now, time.UTC}.time(tt.text + " mx1 x")
		if !found || got.Format(time.RFC3339) != tt.want {
			t.Errorf("at %s, %s is %v, want %s", tt.now, tt.text, got, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]string{
		"Nov 23 10:00:00 mx postfix/smtpd[1]: text: more":                      "2026-11-23T10:00:00Z mx postfix/smtpd 1 text: more",
		"Nov  3 10:00:00 mx sendmail: text":                                    "2026-11-03T10:00:00Z mx sendmail  text",
		"Dec 31 10:00:00 mx sendmail[1]: the year before":                      "2025-12-31T10:00:00Z mx sendmail 1 the year before",
		"Nov 24 11:00:00 mx sendmail[1]: a clock that is ahead":                "2026-11-24T11:00:00Z mx sendmail 1 a clock that is ahead",
		"<22>Nov 23 10:00:00 mx sendmail[1]: text":                             "2026-11-23T10:00:00Z mx sendmail 1 text",
		"2026-11-23T10:00:00.123456+01:00 mx postfix/qmgr[1]: text":            "2026-11-23T09:00:00Z mx postfix/qmgr 1 text",
		"2026-11-23T10:00:00+0100 mx postfix/qmgr[1]: text":                    "2026-11-23T09:00:00Z mx postfix/qmgr 1 text",
		"Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000":               "",
		"time=2026-11-23T10:00:00Z level=INFO msg=bounce reason=untagged x=: ": "",
		"": "",
	} {
		l := Clock{Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Zone: time.UTC}.Parse(s)
		got := ""
		if !l.Time.IsZero() && l.Program != "" {
			got = strings.Join([]string{l.Time.UTC().Format(time.RFC3339), l.Host, l.Program, l.PID, l.Text}, " ")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestRead(t *testing.T) {
	const entry = "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795435081000000\n_HOSTNAME=mx\nSYSLOG_IDENTIFIER=postfix/smtpd\n_PID=7\n"
	at := time.Date(2026, 11, 23, 11, 58, 1, 0, time.UTC)
	of := Line{Time: at, Host: "mx", Program: "postfix/smtpd", PID: "7", Text: "a: b"}
	for _, tt := range []struct {
		name, log string
		want      []Line
	}{
		{"syslog", "Nov 23 11:58:01 mx postfix/smtpd[7]: a: b\n", []Line{of}},
		{"an entry, and what follows it", entry + "MESSAGE=a: b\n\n" + entry + "MESSAGE=<6>a: b", []Line{of, of}},
		{"an entry without a cursor", strings.TrimPrefix(entry, "__CURSOR=s=1\n") + "MESSAGE=a: b\n", []Line{of}},
		{"an entry with too long a text", entry + "MESSAGE=" + strings.Repeat("x", MaxLine) + "\n\nNov 23 11:58:01 mx postfix/smtpd[7]: a: b\n",
			[]Line{{Time: at, Host: "mx", Program: "postfix/smtpd", PID: "7", Cut: true}, of}},
		{"JSON", `{"__REALTIME_TIMESTAMP":"1795435081000000","_HOSTNAME":"mx","SYSLOG_IDENTIFIER":"postfix/smtpd","_PID":"7","MESSAGE":[97,58,32,98]}`, []Line{of}},
		{"JSON of another sort", `{"msg":"__REALTIME_TIMESTAMP"}`, []Line{{Text: `{"msg":"__REALTIME_TIMESTAMP"}`}}},
		{"JSON that is cut off", `{"__REALTIME_TIMESTAMP":"179`, []Line{{Text: `{"__REALTIME_TIMESTAMP":"179`}}},
		{"a line of MaxLine octets, and a longer one", strings.Repeat("x", MaxLine-1) + "\n\n" + strings.Repeat("x", MaxLine+1) + "\nz", []Line{{Text: strings.Repeat("x", MaxLine-1)}, {Cut: true}, {Text: "z"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []Line
			err := Read(strings.NewReader(tt.log), Clock{Now: at, Zone: time.UTC}, func(l Line) bool { got = append(got, l); return true })
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%.300v, %v", got, err)
			}
		})
	}
}
