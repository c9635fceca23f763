package backtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
)

// one judges a message beside sent mail: m1@example.com of two hours ago and one of 100 days ago, so that the folder reaches back.
func one(t *testing.T, l letter, change func(*Options)) (Message, *Result) {
	t.Helper()
	dir := tree(t, map[string]string{
		"in/cur/1.eml": l.String(), "in/new/.keep": "",
		"in/.Sent/cur/1.eml": sentLetter("m1@example.com", ago(26)),
		fmt.Sprintf("in/.Sent/cur/%d.2.h:2,S", ago(2400).Unix()): sentLetter("old@example.com", ago(2400)),
		"in/.Sent/new/.keep": "",
	})
	o := options(dir)
	if change != nil {
		change(&o)
	}
	r := run(t, o)
	if len(r.Messages) != 1 {
		t.Fatalf("%d messages: %+v", len(r.Messages), r.Read)
	}
	return r.Messages[0], r
}

const (
	foreign = "Received: from bot.example (bot.example [198.51.100.7]) by mx.remote.example; Mon, 23 Nov 2026 09:00:00 +0000\n"
	native  = "Received: from mail.example.com (mail.example.com [192.0.2.1]) by mx.remote.example; Mon, 23 Nov 2026 09:00:00 +0000\n"
)

func TestClasses(t *testing.T) {
	sent, at := ago(26), ago(25)
	other := func(change func(*letter)) letter {
		l := dsn("x@bot.example", "x@elsewhere.example", foreign, sent, at)
		change(&l)
		return l
	}
	for _, tt := range []struct {
		name   string
		letter letter
		change func(*Options)
		want   string // class, why, reason, whether it is sure
	}{
		{"bounce of a sent message", dsn("m1@example.com", "friend@remote.example", "", sent, at), nil, "genuine message valid sure"},
		{"in another case", dsn("M1@Example.COM", "friend@remote.example", "", sent, at), nil, "genuine message valid sure"},
		{"before it, by clocks that differ", dsn("m1@example.com", "friend@remote.example", "", sent, ago(27)), nil, "genuine message valid sure"},
		{"names nothing but a recipient to whom the user wrote", dsn("", "Friend@remote.example", "", sent, at), nil, "genuine recipient valid likely"},
		{"names nothing but another recipient", dsn("", "x@remote.example", "", sent, at), nil, "backscatter names-nothing untagged likely"},
		{"names a recipient to whom the user wrote long ago", dsn("", "friend@remote.example", "", sent, now()), func(o *Options) { o.Now = now().AddDate(0, 0, 8) }, "genuine recipient valid likely"},
		{"of a message that passed other hosts alone", dsn("x@bot.example", "x@elsewhere.example", foreign, sent, at), nil, "backscatter not-sent untagged sure"},
		{"of a message whose way is not told", dsn("x@bot.example", "x@elsewhere.example", "", sent, at), nil, "backscatter not-sent untagged likely"},
		{"of a message that passed a host of the site", dsn("x@bot.example", "x@elsewhere.example", native, sent, at), nil, "cannot-tell own-host  likely"},
		{"with a Message-ID of the site, whose way is not told", dsn("x@example.com", "x@elsewhere.example", "", sent, at), nil, "cannot-tell own-host  likely"},
		{"with a Message-ID of the site, and another way", dsn("x@example.com", "x@elsewhere.example", foreign, sent, at), nil, "backscatter not-sent untagged sure"},
		{"to a user without sent mail", other(func(l *letter) { l.original = "other@example.com" }), nil, "backscatter foreign-path untagged likely"},
		{"to one, whose way is not told", func() letter {
			l := dsn("x@bot.example", "x@elsewhere.example", "", sent, at)
			l.original = "other@example.com"
			return l
		}(), nil, "cannot-tell no-sent-mail  likely"},
		{"to another domain", other(func(l *letter) {
			l.original, l.received, l.header = "x@other.example", "none", strings.Replace(l.header, "To: user@example.com", "To: x@other.example", 1)
		}), nil, "cannot-tell no-recipient  likely"},
		{"of the own MTA", other(func(l *letter) { l.received = "by mx.example.com (Postfix) id 4B" }), nil, "genuine own-mta exempt sure"},
		{"of the own Sendmail", other(func(l *letter) { l.received = "from localhost (localhost) by mx.example.com (8.18/8.18) id 4B" }), nil, "genuine own-mta exempt sure"},
		{"to postmaster", other(func(l *letter) { l.original = "postmaster@example.com" }), nil, "unproven  exempt sure"},
		{"with a tag of another product", other(func(l *letter) { l.original = "prvs=1234abcdef=user@example.com" }), nil, "backscatter not-sent untagged sure"},
		{"automatic reply to a sent message", away("m1@example.com", at), nil, "reply  valid-message sure"},
		{"automatic reply from where the user wrote", func() letter {
			l := away("", at)
			l.header = strings.Replace(l.header, "In-Reply-To: <>\n", "", 1)
			return l
		}(), nil, "reply  valid-correspondent sure"},
		{"automatic reply to another one", away("x@bot.example", at), nil, "backscatter not-sent untagged likely"},
		{"no bounce", code(at), nil, "no-bounce  no-bounce sure"},
		{"a bounce from a mailer daemon that is not null", other(func(l *letter) { l.path = "<MAILER-DAEMON@mx.remote.example>" }), nil, "unproven  untagged sure"},
		{"without a Return-Path", other(func(l *letter) { l.path = "" }), nil, "backscatter not-sent untagged sure"},
		{"a reply without one", func() letter { l := away("x@bot.example", at); l.path = ""; return l }(), nil, "cannot-tell no-return-path  likely"},
		{"a sent message of before the time", dsn("old@example.com", "x@remote.example", "", ago(2400), at), nil, "cannot-tell own-host  likely"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, r := one(t, tt.letter, tt.change)
			sure := "likely"
			if m.Sure {
				sure = "sure"
			}
			if got := fmt.Sprintf("%s %s %s %s", m.Class, m.Why, m.Reason, sure); got != tt.want {
				t.Errorf("%s, want %s\n%+v", got, tt.want, m)
			}
			if r.Classes[m.Class] != 1 || r.Total() != 1 {
				t.Errorf("classes %v", r.Classes)
			}
		})
	}
}

// What is neither a bounce nor from the null sender is ordinary mail.
func TestOrdinaryMail(t *testing.T) {
	at := ago(5)
	daemon := ordinary(1, at)
	daemon.path = "<postmaster@remote.example>"
	dir := tree(t, map[string]string{
		"1.eml": ordinary(0, at).String(), "2.eml": daemon.String(), "3.eml": strings.Replace(ordinary(3, at).String(), "Return-Path: <friend@remote.example>\n", "", 1),
		"4.eml": ordinary(4, ago(2400)).String(), "notes.txt": "no mail at all\n",
	})
	r := run(t, options(dir))
	if c := r.Read; c.Messages != 4 || c.Ordinary != 3 || c.Older != 1 || c.OtherFiles != 1 || r.Total() != 0 {
		t.Errorf("%+v, %v", c, r.Messages)
	}
}

// The same mail gives the same classes in every form, and in every order of files.
func TestForms(t *testing.T) {
	in := []string{
		dsn("m1@example.com", "friend@remote.example", "", ago(26), ago(25)).String(),
		dsn("x@bot.example", "x@elsewhere.example", foreign, ago(26), ago(24)).String(),
		code(ago(23)).String(),
		ordinary(1, ago(22)).String(),
	}
	in[2] += "\n>From here on, a quoted line.\nFrom here on, one that is not a separator.\n"
	old := sentLetter("old@example.com", ago(600))
	sent := []string{sentLetter("m1@example.com", ago(26)), old}
	separator := "From MAILER-DAEMON Mon Nov 23 10:00:00 2026\n"
	box := func(list []string, length bool) string {
		var b strings.Builder
		for _, m := range list {
			b.WriteString(separator)
			if length {
				head, body, _ := strings.Cut(m, "\n\n")
				body += "\n\nFrom joe Mon Nov 23 10:00:00 2026\nwhich is not quoted\n"
				m = fmt.Sprintf("%s\nContent-Length: %d\n\n%s", head, len(body), body)
			}
			b.WriteString(m + "\n")
		}
		return b.String()
	}
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	single := func(folder, sentFolder string, change func(string) string) map[string]string {
		files := map[string]string{}
		for i, m := range in {
			files[fmt.Sprintf("%s/%d", folder, i)] = change(m)
		}
		for i, m := range sent {
			files[fmt.Sprintf("%s/%d", sentFolder, i)] = change(m)
		}
		return files
	}
	same := func(s string) string { return s }
	maildir := single("user/Maildir/cur", "user/Maildir/.INBOX.Gesendete Objekte/cur", same)
	maildir["user/Maildir/new/.x"], maildir["user/Maildir/.INBOX.Gesendete Objekte/new/.x"] = "", ""
	maildir["user/Maildir/dovecot-uidlist"] = "3 V1 N5\n"
	packed := single("Maildir/cur", "Maildir/.Sent/cur", compress)
	packed["Maildir/new/.x"], packed["Maildir/.Sent/new/.x"] = "", ""
	reversed := slices.Clone(in)
	slices.Reverse(reversed)
	for name, files := range map[string]map[string]string{
		"Maildir++":              maildir,
		"Maildir, compressed":    packed,
		"messages":               single("inbox", "Sent Items", same),
		"messages with CRLF":     single("inbox", "Sent Items", crlf),
		"mboxo":                  {"mail": box(in, false), "sent-mail-nov-2026": box(sent, false)},
		"mbox with CRLF":         {"mail": crlf(box(in, false)), "Sent": crlf(box(sent, false))},
		"mboxcl2":                {"mail": box(in, true), "Sent": box(sent, true)},
		"mbox, the other way":    {"z/mail": box(reversed, false), "a/Sent.mbox": box(sent, false)},
		"mbox behind an alias":   {"mail": box(in, false), ".&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-/cur/1": sent[0], ".&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-/new/1": old},
		"mbox, sent mail in mbx": {"mail": box(in, false), "Inbox.sbd/Sent": box(sent, false)},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, options(tree(t, files)))
			var got []string
			for _, m := range r.Messages {
				got = append(got, fmt.Sprintf("%s/%s", m.Class, m.Why))
			}
			if want := "genuine/message backscatter/not-sent no-bounce/"; strings.Join(got, " ") != want {
				t.Errorf("%v\n%+v", got, r.Read)
			}
			if r.Read.Sent != 2 || r.Read.Ordinary != 1 || r.Read.Unread != 0 {
				t.Errorf("%+v %v", r.Read, r.Unread)
			}
		})
	}
}

// Without domains, those of the authors of sent mail are taken; without sent mail, it is an error.
func TestProposedDomains(t *testing.T) {
	dir := tree(t, map[string]string{"Sent/1.eml": sentLetter("m1@example.com", ago(26)), "2.eml": dsn("m1@example.com", "friend@remote.example", "", ago(26), ago(25)).String()})
	o := options(dir)
	o.Domains = nil
	if r := run(t, o); !r.Proposed || len(r.Domains) != 1 || r.Domains[0] != "example.com" || r.Classes[Genuine] != 1 {
		t.Errorf("%v %v", r.Domains, r.Classes)
	}
	o.Paths = []string{filepath.Join(dir, "2.eml")}
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrNoDomain) {
		t.Errorf("%v", err)
	}
}

// Mail in a folder that the operator names is sent mail.
func TestNamedSentFolder(t *testing.T) {
	dir := tree(t, map[string]string{"out/a/1.eml": sentLetter("m1@example.com", ago(26)), "2.eml": dsn("m1@example.com", "friend@remote.example", "", ago(26), ago(25)).String()})
	o := options(dir)
	if r := run(t, o); r.Classes[Genuine] != 0 || r.Read.Sent != 0 {
		t.Errorf("before: %v", r.Classes)
	}
	o.Sent = []string{filepath.Join(dir, "out")}
	if r := run(t, o); r.Classes[Genuine] != 1 || r.Read.Sent != 1 {
		t.Errorf("%v", r.Classes)
	}
	o.Paths, o.Sent = append(o.Paths, filepath.Join(dir, "2.eml")), nil
	if r := run(t, o); r.Read.Copies != 1 {
		t.Errorf("a message that is read twice: %+v", r.Read)
	}
}

// Nothing is changed: no file appears, disappears or gets another time, that of the last access included.
func TestNothingIsChanged(t *testing.T) {
	dir := tree(t, map[string]string{
		"in/new/1": dsn("m1@example.com", "friend@remote.example", "", ago(26), ago(25)).String(), "in/cur/2": code(ago(4)).String(), "in/tmp/3": "half",
		"mbox": "From MAILER-DAEMON Mon Nov 23 10:00:00 2026\n" + code(ago(5)).String(),
		"log":  "Nov 23 10:00:00 mx postfix/qmgr[1]: 4BXyzT3Wq1z: from=<user@example.com>, size=1, nrcpt=1 (queue active)\n",
	})
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	state := func() string {
		var b strings.Builder
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, _ error) error {
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if e.IsDir() {
				fmt.Fprintln(&b, path, info.ModTime())
				return nil
			}
			fmt.Fprintln(&b, path, info.ModTime(), accessTime(info), info.Size(), info.Mode())
			return nil
		})
		return b.String()
	}
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, _ error) error {
		if !e.IsDir() {
			if err := os.Chtimes(path, long.Add(-time.Hour), long); err != nil { // read before it was written: an mbox with new mail
				t.Fatal(err)
			}
		}
		return nil
	})
	before := state()
	if r := run(t, options(dir)); r.Total() != 3 || r.Read.Logs != 1 {
		t.Errorf("%+v", r.Read)
	}
	if after := state(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// Links that lead in circles end, and a folder that two links lead to is read once. What cannot be read is named.
func TestLinksAndUnreadable(t *testing.T) {
	dir := tree(t, map[string]string{"a/cur/1": code(ago(4)).String(), "a/new/.x": "", "b/packed": "\x28\xb5\x2f\xfd zstd",
		"b/mbox.gz": compress("From MAILER-DAEMON Mon Nov 23 10:00:00 2026\n" + code(ago(5)).String())})
	for link, target := range map[string]string{"a/cur/loop": "loop", "a/.up": "..", "b/again": "../a", "b/gone": "nowhere", "c": "a"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, options(dir, filepath.Join(dir, "missing"), os.DevNull))
	if r.Total() != 1 || r.Read.Messages != 1 || r.Read.Copies != 0 {
		t.Errorf("%+v", r.Read)
	}
	var named []string
	for _, u := range r.Unread {
		named = append(named, strings.TrimPrefix(u.Path, dir+"/"))
	}
	slices.Sort(named)
	if want := "/dev/null a/cur/loop b/gone b/mbox.gz b/packed missing"; strings.Join(named, " ") != want || r.Read.Unread != 6 {
		t.Errorf("unread: %v, %d", named, r.Read.Unread)
	}
}

// Folders within each other are bounded.
func TestDepth(t *testing.T) {
	for depth, unread := range map[int]int{maxDepth: 0, maxDepth + 1: 1} {
		dir := tree(t, map[string]string{strings.Repeat("d/", depth) + "1.eml": code(ago(4)).String()})
		if r := run(t, options(dir)); r.Read.Unread != unread || r.Total() != 1-unread {
			t.Errorf("depth %d: %+v", depth, r.Read)
		}
	}
}

// If it is interrupted while it reads, what was read is judged.
func TestInterrupted(t *testing.T) {
	dir := made(t, 4000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := options(dir)
	o.Progress = func(p Progress) {
		if !p.Judging && p.Messages >= 100 {
			cancel()
		}
	}
	r, err := Run(ctx, o)
	if err != nil || !r.Interrupted || r.Read.Messages >= 4000 || r.Read.Messages < 100 || r.Total() == 0 || r.NotJudged != 0 {
		t.Errorf("%v, %+v, %d judged, %d not", err, r.Read, r.Total(), r.NotJudged)
	}

	// What was sent may be in what was not read: the lack of it says nothing.
	for _, m := range r.Messages {
		if m.Class == Backscatter && (m.Why != WhyPath || !strings.HasPrefix(m.Original, "spam")) {
			t.Errorf("%+v", m)
		}
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(p Progress) {
		if p.Judging {
			cancel()
		}
	}
	if r, err = Run(ctx, o); err != nil || !r.Interrupted || r.Read.Messages != 4000 || r.Total() == 0 || r.Total()+r.NotJudged != 600 {
		t.Errorf("while it judges: %v, %+v, %d judged, %d not", err, r.Read, r.Total(), r.NotJudged)
	}
}

// The figures of the result add up to those of its messages, and the text fits the screen.
func TestResult(t *testing.T) {
	r := run(t, options(made(t, 2000)))
	if r.Total() != 300 || r.Classes[Genuine] != 100 || r.Classes[Backscatter] != 100 || r.Classes[NoBounce] != 100 || r.Read.Sent != 500 || r.Read.Ordinary != 1200 {
		t.Errorf("%v %+v", r.Classes, r.Read)
	}
	days := 0
	for _, d := range r.Days {
		for _, n := range d.Classes {
			days += n
		}
	}
	if days != 300 || r.AcceptedBy[0] != (Named{"valid", 100}) || r.RefusedBy[0] != (Named{"untagged", 100}) || r.Targets[0] != (Named{"user@example.com", 100}) ||
		r.Null[0] != (Named{"shop.example", 100}) || r.Reporters[0] != (Named{"remote.example", 100}) {
		t.Errorf("%d in days; %v %v %v %v %v", days, r.AcceptedBy, r.RefusedBy, r.Targets, r.Null, r.Reporters)
	}
	var b strings.Builder
	if err := Print(&b, r, 0); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for _, l := range lines {
		if len([]rune(l)) > screen.Width {
			t.Errorf("%d columns: %s", len([]rune(l)), l)
		}
	}
	if len(lines) > 40 {
		t.Errorf("%d lines", len(lines))
	}
	for _, want := range []string{"Backscatter                                          100   33%   REFUSED\n", "from shop.example 100\n", "Next: look at some of what would be refused"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}

// What others wrote does not reach a terminal as it is.
func TestBacktestPrintsNoControlCharacters(t *testing.T) {
	m := Message{File: "a\x1b[2J", Offset: 5, Length: 7, MessageID: "x\n\u009b2J\xff", Recipient: "u\t@example.com", Why: WhyAbsent, Time: now()}
	if got, want := m.Line(), "a?[2J@5+7\tnot-sent\t2026-11-23T12:00:00Z\tu?@example.com\t<x??2J?>"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What is kept of a message is not its text.
func TestTextIsNotHeld(t *testing.T) {
	const messages, octets = 100, 400_000
	dir := t.TempDir()
	for i := range messages {
		l := dsn(fmt.Sprintf("spam%d@bot.example", i), "x@elsewhere.example", foreign, ago(26), ago(25))
		l.body += strings.Repeat("The returned text.\n", octets/19)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(l.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	r := run(t, options(dir))
	if grown := int64(held() - before); grown > messages*octets/4 || r.Classes[Backscatter] != messages {
		t.Errorf("%d octets are held of %d messages", grown, r.Classes[Backscatter])
	}
	runtime.KeepAlive(r)
}

// The manual shows what is printed, and has all classes and what they rest on.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("../../../../deploy/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(text)
	_, example, _ := strings.Cut(manual, "<!-- backtest: held by a test -->\n```text\n")
	example, _, _ = strings.Cut(example, "```\n")
	if want := exampleOfTheManual(t); example != want {
		t.Errorf("the manual shows\n%s\nand this is printed:\n%s", example, want)
	}
	_, table, _ := strings.Cut(manual, "<!-- classes: held by a test -->\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, c := range Classes {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(string(c)) + "` .*$").FindString(table)
		if row == "" {
			t.Errorf("no row of %s", c)
		}
		for _, why := range whysOf[c] {
			if !strings.Contains(row, "`"+string(why)+"`") {
				t.Errorf("the row of %s lacks %s", c, why)
			}
		}
	}
}

// exampleOfTheManual is what is printed about four weeks of mail of three users.
func exampleOfTheManual(t *testing.T) string {
	files := map[string]string{}
	add := func(user int, folder, text string) {
		files[fmt.Sprintf("user%d/%s/%d", user, folder, len(files))] = strings.ReplaceAll(text, "user@", fmt.Sprintf("user%d@", user))
		files[fmt.Sprintf("user%d/%s/new/.keep", user, strings.TrimSuffix(folder, "cur"))] = ""
	}
	for day := range 28 {
		for user := range 3 {
			hours := 24*day + user
			sent := ago(hours + 1)
			id := fmt.Sprintf("m%d.%d@example.com", day, user)
			for i := range 10 {
				add(user, "cur", ordinary(100*hours+i, ago(hours)).String())
			}
			add(user, ".Sent/cur", sentLetter(id, sent))
			if day%3 == 0 {
				add(user, "cur", dsn(id, "friend@remote.example", "", sent, ago(hours)).String())
			}
			if day%7 == user {
				add(user, "cur", away(id, ago(hours)).String())
				add(user, "cur", code(ago(hours)).String())
			}
			for i := range user * user * max(0, 4-max(day-9, 9-day)) * 3 {
				add(user, "cur", dsn(fmt.Sprintf("spam%d@bot.example", i), "nobody@elsewhere.example", foreign, sent, ago(hours)).String())
			}
		}
	}
	other := dsn("", "x@elsewhere.example", "", ago(30), ago(29))
	other.original = "info@example.com"
	add(2, "cur", other.String())
	files["mail.log"] = strings.ReplaceAll(postfixLog, "user@example.com", "user0@example.com")
	var b strings.Builder
	if err := Print(&b, run(t, options(tree(t, files))), 0); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
