package logread

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logfile"
	"github.com/bouncefilter/bouncefilter/filter/figures"
)

// at is when the verdict of the tests was reached.
var at = time.Date(2026, 11, 23, 11, 58, 1, 0, time.UTC)

// verdict is the line of the tests without its time.
const verdict = `level=INFO msg=bounce queue_id=4ZQ client=203.0.113.7 sender=<> recipient="<\"a b\"@example.com>" domain=example.com reason=untagged ` +
	`action=monitor cause=monitor-mode report=dsn family=postfix sign=own-host reporting_mta="mx\x00=1" left_through=192.0.2.0/24 left_on=2026-11-22 other_route=192.0.2.0/24 duration=1.5ms`

// observation is what it says.
func observation() figures.Observation {
	return figures.Observation{
		At: at, Message: "bounce", Domain: "example.com", Reason: "untagged", Action: "monitor", Cause: "monitor-mode", Kind: "dsn", Family: "postfix",
		Sign: figures.OwnHost, Client: netip.MustParseAddr("203.0.113.7"), ReportingMTA: "mx\x00=1", LeftThrough: "192.0.2.0/24", LeftOn: "2026-11-22", Route: "192.0.2.0/24",
		QueueID: "4ZQ", Recipient: `"a b"@example.com`,
	}
}

// read reads a log whose reader is at noon, five hours behind UTC.
func read(t *testing.T, log string) ([]figures.Observation, Stats) {
	t.Helper()
	var observations []figures.Observation
	stats, err := Read(strings.NewReader(log), logfile.Clock{Now: at.Add(time.Hour), Zone: time.FixedZone("EST", -5*3600)}, func(e *figures.Observation) {
		observations = append(observations, *e)
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := stats.Verdicts + stats.Tests + stats.Others + stats.Unreadable; n != stats.Lines {
		t.Errorf("%d of %d lines are accounted for", n, stats.Lines)
	}
	return observations, stats
}

// export writes a field of the journal that is not plain text.
func export(name, value string) string {
	return name + "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(value)))) + value + "\n"
}

// octets writes a text as journalctl -o json has one that is not plain.
func octets(text string) string {
	list := make([]int, len(text))
	for i := range text {
		list[i] = int(text[i])
	}
	s, _ := json.Marshal(list)
	return string(s)
}

func quoted(text string) string {
	s, _ := json.Marshal(text)
	return string(s)
}

const asJSON = `{"time":"2026-11-23T06:58:01-05:00","level":"INFO","msg":"bounce","queue_id":"4ZQ","client":"203.0.113.7","sender":"<>","recipient":"<\"a b\"@example.com>",` +
	`"domain":"example.com","reason":"untagged","action":"monitor","cause":"monitor-mode","report":"dsn","family":"postfix","sign":"own-host","reporting_mta":"mx\u0000=1","left_through":"192.0.2.0/24","left_on":"2026-11-22","other_route":"192.0.2.0/24"}`

func TestForms(t *testing.T) {
	withoutTime := strings.Replace(asJSON, `"time":"2026-11-23T06:58:01-05:00",`, "", 1)
	for _, tt := range []struct{ name, log string }{
		{"logfmt", "time=2026-11-23T11:58:01.000Z " + verdict},
		{"logfmt in another zone", "time=2026-11-23T06:58:01.000-05:00 " + verdict},
		{"JSON", asJSON},
		{"syslog", "Nov 23 06:58:01 mx1 bouncefilter[17]: " + verdict},
		{"syslog, with a second time", "Nov 23 06:58:09 mx1 bouncefilter[17]: time=2026-11-23T11:58:01.000Z " + verdict},
		{"syslog, without a process", "Nov 23 06:58:01 mx1 bouncefilter: " + verdict},
		{"syslog, JSON", "Nov 23 06:58:01 mx1 bouncefilter[17]: " + withoutTime},
		{"syslog with a date", "2026-11-23T11:58:01.000000+00:00 mx1 bouncefilter[17]: " + verdict},
		{"a container", "2026-11-23T11:58:01.000000000Z " + verdict},
		{"severity", "2026-11-23T11:58:01.000000000Z <6>" + verdict},
		{"journalctl -o short-precise", "Nov 23 06:58:01.000000 mx1 bouncefilter[17]: " + verdict},
		{"journalctl -o short-iso", "2026-11-23T06:58:01-0500 mx1 bouncefilter[17]: " + verdict},
		{"journalctl -o short-full", "Mon 2026-11-23 06:58:01 EST mx1 bouncefilter[17]: " + verdict},
		{"journalctl -o short-full --utc", "Mon 2026-11-23 11:58:01 UTC mx1 bouncefilter[17]: " + verdict},
		{"journalctl -o short-unix", "1795435081.000000 mx1 bouncefilter[17]: " + verdict},
		{"journalctl -o json", `{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1795435081000000","MESSAGE":` + quoted(verdict) + `}`},
		{"journalctl -o json, octets", `{"__REALTIME_TIMESTAMP":"1795435081000000","MESSAGE":` + octets(verdict) + `}`},
		{"journalctl -o json of JSON", `{"__REALTIME_TIMESTAMP":"1795435081000000","MESSAGE":` + quoted(withoutTime) + `}`},
		{"journalctl -o export", "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795435081000000\n_COMM=bouncefilter\nMESSAGE=" + verdict + "\n"},
		{"journalctl -o export, octets", "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795435081000000\n" + export("OTHER", "a\n\nMESSAGE=x\n") + export("MESSAGE", verdict) + "PRIORITY=6\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			observations, stats := read(t, tt.log+"\n")
			if len(observations) != 1 || stats.Lines != 1 || stats.First != at || stats.Last != at {
				t.Fatalf("%d observations, %+v", len(observations), stats)
			}
			if observations[0].At = observations[0].At.UTC(); !reflect.DeepEqual(observations[0], observation()) {
				t.Errorf("got %+v", observations[0])
			}
		})
	}
}

func TestEntriesOfAJournalFollowEachOther(t *testing.T) {
	entry := "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795435081000000\nMESSAGE=" + verdict + "\n\n"
	observations, stats := read(t, entry+strings.Replace(entry, verdict, "started", 1)+entry)
	if len(observations) != 2 || stats.Lines != 3 || stats.Others != 1 {
		t.Errorf("%d observations, %+v", len(observations), stats)
	}
}

func TestWhatIsNoVerdict(t *testing.T) {
	stamped := "time=2026-11-23T11:58:01.000Z " + verdict
	for _, tt := range []struct {
		name, log string
		want      Stats
	}{
		{"another program", "Nov 23 06:58:01 mx1 postfix/smtpd[9]: connect from unknown[203.0.113.7]", Stats{Others: 1}},
		{"text that an outsider has put into a line of another program", "Nov 23 06:58:01 mx1 postfix/smtpd[9]: reject: helo=<" + stamped + ">", Stats{Others: 1}},
		{"the same, as if of a program", "Nov 23 06:58:01 mx1 postfix/smtpd[9]: reject x bouncefilter[9]: " + stamped, Stats{Others: 1}},
		{"another line of the daemon", "time=2026-11-23T11:58:01.000Z level=INFO msg=summary signed=3", Stats{Others: 1}},
		{"JSON of another program", `{"level":"info","msg":"ready"}`, Stats{Others: 1}},
		{"a test", stamped + " test=true", Stats{Tests: 1}},
		{"a test in JSON", strings.Replace(asJSON, "{", `{"test":true,`, 1), Stats{Tests: 1}},
		{"no time", verdict, Stats{Unreadable: 1}},
		{"cut off in a text", stamped[:strings.Index(stamped, "mx")+2], Stats{Unreadable: 1}},
		{"cut off before the action", stamped[:strings.Index(stamped, "action")], Stats{Unreadable: 1}},
		{"JSON that is cut off", asJSON[:100], Stats{Unreadable: 1}},
		{"a reason that there is not", strings.Replace(stamped, "untagged", "unheard", 1), Stats{Unreadable: 1}},
		{"failures that cannot be read", stamped + ` failures="a b c"`, Stats{Unreadable: 1}},
		{"no end of a line", strings.Repeat("x", 3*logfile.MaxLine), Stats{Unreadable: 1}},
		{"an entry with too long a message", "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795435081000000\n" + export("MESSAGE", strings.Repeat("x", logfile.MaxLine+1)), Stats{Unreadable: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			observations, stats := read(t, "\n"+tt.log+"\n\n")
			tt.want.Lines = 1
			if len(observations) != 0 || stats != tt.want {
				t.Errorf("%d observations, %+v", len(observations), stats)
			}
			if observations, _ := read(t, tt.log+"\n\n"+stamped); len(observations) != 1 {
				t.Errorf("the line behind it: %d observations", len(observations))
			}
		})
	}
}

func TestJournalThatIsCutOff(t *testing.T) {
	whole := "__CURSOR=s=1\n" + export("MESSAGE", verdict)
	if _, err := Read(strings.NewReader(whole[:60]), logfile.Clock{Now: at, Zone: time.UTC}, func(*figures.Observation) {}); err == nil {
		t.Error("no error")
	}
}

func TestSentAndFailed(t *testing.T) {
	const sent = "time=2026-11-23T11:58:01.000Z level=INFO msg=outbound client=local sender=<u@example.com> recipient=<x@Example.NET> domain=example.com reason=signed action=sign"
	observations, _ := read(t, sent+"\n"+sent+` destinations=a.example,b.example`+"\n"+
		`time=2026-11-23T11:58:01.000Z level=INFO msg=bounce recipient=<u@example.com> domain=example.com reason=valid action=accept failures="a.example 5.1.1 2,b.example - 1 tag"`)
	if len(observations) != 3 || !reflect.DeepEqual(observations[0].Destinations, []string{"example.net"}) || !observations[0].Local ||
		!reflect.DeepEqual(observations[1].Destinations, []string{"a.example", "b.example"}) ||
		!reflect.DeepEqual(observations[2].Failures, []figures.Failure{{Destination: "a.example", Status: "5.1.1", Count: 2}, {Destination: "b.example", Count: 1, BecauseOfTag: true}}) {
		t.Errorf("got %+v", observations)
	}
}
