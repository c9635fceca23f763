package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/d--j/go-milter"
)

// Every event comes with what the MTA sent, and gets its one reply.
func TestEvents(t *testing.T) {
	r := &recorder{}
	input := offer +
		frame('C', "mx.example.net\x004\x00\x19192.0.2.1\x00") + frame('H', "helo.example\x00") +
		frame('M', "<a@example.org>\x00SIZE=1\x00BODY=8BITMIME\x00") + frame('R', "<b@example.com>\x00NOTIFY=NEVER\x00") + frame('R', "c@example.com\x00") +
		frame('T', "") + frame('L', "Subject\x00hello\x00") + frame('L', "X\x00\x00") + frame('B', "12345") + frame('E', "") +
		frame('A', "") + frame('A', "") + frame('K', "") +
		frame('C', "h6\x006\x00\x19IPv6:2001:db8::1\x00") + frame('C', "h6\x006\x00\x19[2001:db8::1]\x00") + frame('C', "local\x00L\x00\x00/run/s\x00") + frame('C', "localhost\x00U") +
		frame('Q', "") + frame('H', "behind the end\x00")
	replies := served(t, input, r)
	want := []string{
		"new", "connect mx.example.net tcp4 25 192.0.2.1", "helo helo.example",
		"mail a@example.org SIZE=1 BODY=8BITMIME", "rcpt b@example.com NOTIFY=NEVER", "rcpt c@example.com", "data",
		"header Subject hello", "header X", "body 5", "end", "abort", "new",
		"abort", // connections come before what was there
		"connect h6 tcp6 25 2001:db8::1", "connect h6 tcp6 25 2001:db8::1", "connect local unix 0 /run/s", "connect localhost unknown 0",
	}
	if !slices.Equal(r.events, want) {
		t.Errorf("events\n got %q\nwant %q", r.events, want)
	}
	agreed := frame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x00\x00\x00")
	if wantReplies := agreed + strings.Repeat(frame('c', ""), 9) + frame('a', "") + strings.Repeat(frame('c', ""), 4); replies != wantReplies {
		t.Errorf("replies\n got %q\nwant %q", replies, wantReplies)
	}
	if len(r.faults) > 0 || len(r.failures) > 0 || len(r.reached) > 0 {
		t.Errorf("faults %q, failures %v, limits %q", r.faults, r.failures, r.reached)
	}
}

func TestEventsWithoutAReply(t *testing.T) {
	r := &recorder{agreed: milter.OptNoConnReply | milter.OptNoHeloReply | milter.OptNoMailReply | milter.OptNoRcptReply | milter.OptNoDataReply |
		milter.OptNoHeaderReply | milter.OptNoBodyReply}
	replies := served(t, offer+frame('C', "h\x00U")+frame('H', "h\x00")+frame('M', "<>\x00")+frame('R', "<b>\x00")+frame('T', "")+
		frame('L', "A\x00b\x00")+frame('B', "x")+frame('E', ""), r)
	if !strings.HasSuffix(replies, frame('a', "")) || strings.Count(replies, frame('c', "")) > 0 || len(r.events) != 9 {
		t.Errorf("replies %q, events %q", replies, r.events)
	}
}

func TestRepliesWithText(t *testing.T) {
	reply, err := milter.RejectWithCodeAndReason(450, "4.7.1 later")
	if err != nil {
		t.Fatal(err)
	}
	if got := served(t, offer+frame('R', "<b>\x00"), &recorder{reply: reply}); !strings.HasSuffix(got, frame('y', "450 4.7.1 later\x00")) {
		t.Errorf("replies %q", got)
	}
}

// Macros last until an event of an earlier or the same stage comes, or the message is decided about; only those that were asked for are
// kept.
func TestMacros(t *testing.T) {
	const name = milter.MacroAuthAuthen
	macro := func(event, value string) string { return frame('D', event+"j\x00host\x00"+name+"\x00"+value+"\x00") }
	r := &recorder{requests: NewRequests(MacroRequest{milter.StageMail, []string{name, "i"}}, MacroRequest{milter.StageRcpt, []string{"i"}})}
	input := offer + macro("C", "connect") + frame('C', "h\x00U") + macro("M", "mail") + frame('M', "<>\x00") +
		macro("R", "rcpt") + frame('R', "<b>\x00") + frame('D', "R") + frame('R', "<c>\x00") + macro("T", "data") + frame('T', "") + frame('E', "") +
		frame('M', "<>\x00") + frame('A', "") + frame('M', "<>\x00")
	replies := served(t, input, r)
	var got []string
	for i, e := range r.events {
		got = append(got, strings.Fields(e)[0]+"="+r.macros[i])
	}
	want := []string{"new=", "connect=connect", "mail=mail", "rcpt=rcpt", "rcpt=mail", "data=data", "end=data", "abort=connect",
		"mail=connect", "abort=connect", "mail=connect"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if asked := "\x00\x00\x00\x02" + name + " i\x00" + "\x00\x00\x00\x03i\x00"; !strings.Contains(replies, asked) {
		t.Errorf("asked for %q", replies)
	}
	for octets, want := range map[int]int{maxMacro: 1, maxMacro + 1: 0} {
		var kept macros
		if kept.set([]byte("Mi\x00"+strings.Repeat("Q", octets)+"\x00"), r.requests); len(kept) != want {
			t.Errorf("a value of %d octets: kept %d", octets, len(kept))
		}
	}
	var kept macros
	if kept.set([]byte("Mj\x00host\x00i\x00Q"), r.requests); len(kept) != 1 || kept[0].value != "Q" {
		t.Errorf("kept %v", kept)
	}
}

func TestChanges(t *testing.T) {
	all := func(m milter.Modifier) error {
		return errors.Join(m.DeleteRecipient("a"), m.AddRecipient("<b>", ""), m.AddRecipient("c", "NOTIFY=NEVER"), m.ChangeFrom("d\r\ne", ""),
			m.ChangeFrom("f", "RET=HDRS"), m.AddHeader("G", "1\r\n 2"), m.ChangeHeader(2, "H", ""), m.InsertHeader(0, "I", "3"), m.Quarantine("why"), m.Progress())
	}
	replies := served(t, offer+frame('E', ""), &recorder{changes: all})
	want := frame('-', "<a>\x00") + frame('+', "<b>\x00") + frame('2', "<c>\x00NOTIFY=NEVER\x00") + frame('e', "<d e>\x00") + frame('e', "<f>\x00RET=HDRS\x00") +
		frame('h', "G\x001\n 2\x00") + frame('m', "\x00\x00\x00\x02H\x00\x00") + frame('i', "\x00\x00\x00\x00I\x003\x00") + frame('q', "why\x00") + frame('p', "") + frame('a', "")
	if !strings.HasSuffix(replies, want) {
		t.Errorf("replies\n got %q\nwant %q", replies, want)
	}
	for name, tt := range map[string]struct {
		offered string // actions
		change  func(milter.Modifier) error
		want    error
	}{
		"sender, not allowed":         {"\x00", func(m milter.Modifier) error { return m.ChangeFrom("a", "") }, milter.ErrModificationNotAllowed},
		"recipient, not allowed":      {"\x00", func(m milter.Modifier) error { return m.AddRecipient("a", "") }, milter.ErrModificationNotAllowed},
		"arguments, not allowed":      {"\x04", func(m milter.Modifier) error { return m.AddRecipient("a", "NOTIFY=NEVER") }, milter.ErrModificationNotAllowed},
		"only with arguments":         {"\x80", func(m milter.Modifier) error { return m.AddRecipient("a", "") }, nil},
		"deletion, not allowed":       {"\x00", func(m milter.Modifier) error { return m.DeleteRecipient("a") }, milter.ErrModificationNotAllowed},
		"header, not allowed":         {"\x00", func(m milter.Modifier) error { return m.AddHeader("a", "b") }, milter.ErrModificationNotAllowed},
		"change of header":            {"\x00", func(m milter.Modifier) error { return m.ChangeHeader(1, "a", "b") }, milter.ErrModificationNotAllowed},
		"insertion, with the other":   {"\x10", func(m milter.Modifier) error { return m.InsertHeader(1, "a", "b") }, nil},
		"quarantine, not allowed":     {"\x00", func(m milter.Modifier) error { return m.Quarantine("a") }, milter.ErrModificationNotAllowed},
		"body":                        {"\xff", func(m milter.Modifier) error { return m.ReplaceBody(nil) }, milter.ErrModificationNotAllowed},
		"header of the longest value": {"\x01", func(m milter.Modifier) error { return m.AddHeader("a", strings.Repeat("x", maxChange-3)) }, nil},
	} {
		var got error
		served(t, frame('O', "\x00\x00\x00\x06\x00\x00\x00"+tt.offered+"\x00\x1f\xff\xff")+frame('E', ""), &recorder{changes: func(m milter.Modifier) error {
			got = tt.change(m)
			return nil
		}})
		if !errors.Is(got, tt.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	// A change that cannot be made ends the connection, and the MTA tries again.
	for name, change := range map[string]func(milter.Modifier) error{
		"too long": func(m milter.Modifier) error { return m.AddHeader("a", strings.Repeat("x", maxChange-2)) },
		"failed":   func(milter.Modifier) error { return fmt.Errorf("a fault") },
	} {
		r := &recorder{changes: change}
		if replies := served(t, offer+frame('E', ""), r); strings.HasSuffix(replies, frame('a', "")) || len(r.failures) != 1 {
			t.Errorf("%s: replies %q, failures %v", name, replies, r.failures)
		}
	}
}

// A panic ends the connection that it is about, without a reply and without half of one.
func TestPanicEndsTheConnection(t *testing.T) {
	r := &recorder{changes: func(m milter.Modifier) error {
		if err := m.AddHeader("A", "b"); err != nil {
			t.Error(err)
		}
		panic("fault")
	}}
	replies := served(t, offer+frame('E', ""), r)
	if strings.HasSuffix(replies, frame('a', "")) || strings.Contains(replies, "A\x00b") || fmt.Sprint(r.panics) != "[fault]" || r.closed != 1 {
		t.Errorf("replies %q, panics %v, closed %d times", replies, r.panics, r.closed)
	}
}

// Changes belong to the end of the message: MTAs take them for a fault before.
func TestNoChangeBeforeTheEnd(t *testing.T) {
	w, _ := pair(t, Options{})
	w.actions, w.version = 0x1ff, 6
	if err := (modifier{w}).ChangeFrom("a", ""); !errors.Is(err, milter.ErrModificationNotAllowed) || w.out != nil {
		t.Errorf("%v, sent %q", err, w.out)
	}
}

func TestOldMTA(t *testing.T) {
	r := &recorder{changes: func(m milter.Modifier) error {
		if err := m.ChangeFrom("a", ""); !errors.Is(err, milter.ErrModificationNotAllowed) {
			t.Errorf("CHGFROM in version 2: %v", err)
		}
		return nil
	}}
	replies := served(t, frame('O', "\x00\x00\x00\x02\x00\x00\x00\x3f\x00\x00\x00\x7f")+frame('E', ""), r)
	if want := frame('O', "\x00\x00\x00\x02\x00\x00\x00\x3f\x00\x00\x00\x00") + frame('a', ""); replies != want {
		t.Errorf("replies %q", replies)
	}
}
