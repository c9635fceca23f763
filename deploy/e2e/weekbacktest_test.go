package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// testBacktest holds what backtest foresees to what bouncefilter did: with all that the site without it has, its mailboxes, those of sent
// mail, and the log of Postfix, and with the mail alone.
func (w *week) testBacktest(t *testing.T) {
	saved := w.savedMail(t)
	for name, paths := range map[string][]string{"mail and log": {saved, w.savedLog(t)}, "mail": {saved}} {
		t.Run(name, func(t *testing.T) {
			arguments := []string{"backtest", "--json", "--since", w.first.Format(time.DateOnly), "--domain", "example.com", "--domain", "example.org", "--domain", "example.net"}
			out, status := w.run(t, append(arguments, paths...)...)
			if status != 0 {
				t.Fatalf("exit status %d: %s", status, out)
			}
			var result struct {
				Messages []struct {
					MessageID string `json:"message_id"`
					Class     string
					Why       string
					Time      time.Time
				}
			}
			if err := json.Unmarshal([]byte(out), &result); err != nil {
				t.Fatal(err)
			}
			want := map[string]*weekMail{}
			for _, m := range w.mail {
				if !m.outbound && !m.wrongTag { // the site has no address with a tag
					want[m.messageID()] = m
				}
			}
			differ := map[string]int{}
			for _, got := range result.Messages {
				m := want[strings.Trim(got.MessageID, "<>")]
				if m == nil {
					t.Errorf("%+v is none of the messages that came in", got)
					continue
				}
				class := m.class
				if name == "mail" && class == "backscatter" && m.mayBeOurs() {
					class = "cannot-tell" // the log alone tells that it was not sent from here
				}
				if delete(want, m.messageID()); got.Class != class {
					differ[fmt.Sprintf("%s to %s: %s (%s), want %s", m.name, m.domain, got.Class, got.Why, class)]++
				}
				if !got.Time.Truncate(time.Hour).Equal(m.at) {
					differ[fmt.Sprintf("%s to %s: came at %v, not within an hour of %v", m.name, m.domain, got.Time, m.at)]++
				}
			}
			for _, m := range want {
				differ[m.name+" to "+m.domain+": not seen"]++
			}
			for _, what := range slices.Sorted(maps.Keys(differ)) {
				t.Errorf("%d times %s", differ[what], what)
			}
		})
	}
}

// mayBeOurs says whether the saved mail alone does not tell that a message was not sent from here: the mail that it returns came from a host
// that has called itself one of the site.
func (w *weekMail) mayBeOurs() bool {
	return strings.Contains(w.text(), "from mail."+w.domain+" (unknown")
}

var (
	weekMark    = regexp.MustCompile(`(?mi)^Message-ID: <week\.([0-9]+)@`)
	stampOfPost = regexp.MustCompile(`(?m)^(Received: from [^;]*by mx\.example\.com \(Postfix\)[^;]*; ).*$`)
)

// savedMail copies the mailboxes of the site without bouncefilter, as if they were from the week, and adds those of sent mail.
func (w *week) savedMail(t *testing.T) (folder string) {
	t.Helper()
	folder = filepath.Join(w.dir, "saved")
	files, err := filepath.Glob(filepath.Join(w.plain.dir, "mail", "*", "*", "new", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d messages in the mailboxes, %v", len(files), err)
	}
	for _, file := range files {
		text := readFile(t, file)
		number := weekMark.FindStringSubmatch(text)
		if number == nil {
			t.Fatalf("%s is none of the week's messages", file)
		}
		var m *weekMail
		for _, m = range w.mail {
			if itoa(m.number) == number[1] {
				break
			}
		}
		text = stampOfPost.ReplaceAllString(text, "${1}"+m.date(0))
		w.save(t, filepath.Join(folder, m.domain, filepath.Base(filepath.Dir(filepath.Dir(file)))), m, text)
	}
	for _, m := range w.mail {
		if m.outbound {
			local, _, _ := strings.Cut(m.from, "@")
			w.save(t, filepath.Join(folder, m.domain, local, ".Sent"), m, m.text())
		}
	}
	return folder
}

// save puts a message into a Maildir, at its time.
func (w *week) save(t *testing.T, maildir string, m *weekMail, text string) {
	t.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(maildir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := m.at.Add(half)
	name := filepath.Join(maildir, "cur", fmt.Sprintf("%d.V%d.mx:2,S", at.Unix(), m.number))
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

// savedLog copies the log of the Postfix without bouncefilter, as if it were from the week.
func (w *week) savedLog(t *testing.T) (file string) {
	t.Helper()
	log, begin := w.plain.log(), 0
	var b strings.Builder
	for _, h := range w.hours {
		for line := range strings.Lines(log[begin:h.offset]) {
			b.WriteString(h.at.Add(half).In(time.Local).Format(time.Stamp) + line[len(time.Stamp):])
		}
		begin = h.offset
	}
	file = filepath.Join(w.dir, "mail.log")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
