package figures

import (
	"slices"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// Who can write to a log or to a store can write anything there. What is read is written the same way again.
func FuzzFigures(f *testing.F) {
	f.Add("verdict", "example.com|untagged|reject|||dsn", "example.net 5.1.1 2,example.org - 1 tag", "a@b")
	f.Add("failure", "%2A.example.edu|b.example|5.1.1|tag", "", "prvs=1787000000=user@example.com")
	f.Add("sighting", "example.com|192.0.2.0%2F24|2026-11-22", "", "")
	f.Add("other", "|", "other 5 1", "\xff@\x00")
	f.Fuzz(func(t *testing.T, topic, name, failures, address string) {
		if k, err := parseKey(topic, name); err == nil {
			again, err := parseKey(string(k.Topic), k.format())
			if err != nil || again != k {
				t.Errorf("%+v is read again as %+v, %v", k, again, err)
			}
			var p packed
			p.set(5, &k)
			if hour, again := p.unpack(); again != k || hour != 5 {
				t.Errorf("%+v is unpacked as %+v", k, again)
			}
		}
		if fs, err := ParseFailures(failures); err == nil {
			if again, err := ParseFailures(FormatFailures(fs)); err != nil || !slices.Equal(again, fs) {
				t.Errorf("%+v is read again as %+v, %v", fs, again, err)
			}
		}
		n := Note{Sender: Masked(address), ReportingMTA: printable(name), QueueID: printable(topic)}
		text, err := sealNote(&n, testHasher())
		if err != nil {
			t.Fatal(err)
		}
		n.Node = "mx1"
		if again, ok := openNote(store.Note{Node: "mx1", Text: text}, testHasher()); !ok || again != n {
			t.Errorf("%+v is read again as %+v", n, again)
		}
		if again, ok := openNote(store.Note{Text: name}, testHasher()); ok {
			t.Errorf("%q is read as %+v", name, again)
		}
	})
}
