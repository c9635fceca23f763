package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A packet is what the scripted milter received.
type packet struct {
	command command
	data    string
}

// A scriptedMilter records what it receives on one connection, and answers by its script.
type scriptedMilter struct {
	protocol uint32
	requests string                        // encoded macro requests
	answers  func(packet) (replies []byte) // nil for none

	address  string
	received chan []packet // once, when the connection ends
}

// serve starts the milter.
func (s *scriptedMilter) serve(t *testing.T) {
	t.Helper()
	s.address = filepath.Join(t.TempDir(), "milter.sock")
	s.received = make(chan []packet, 1)
	ln, err := net.Listen("unix", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		s.received <- s.converse(conn)
	}()
}

func (s *scriptedMilter) converse(conn net.Conn) []packet {
	var all []packet
	in := bufio.NewReader(conn)
	for {
		var head [5]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return all
		}
		data := make([]byte, binary.BigEndian.Uint32(head[:4])-1)
		if _, err := io.ReadFull(in, data); err != nil {
			return all
		}
		p := packet{command(head[4]), string(data)}
		all = append(all, p)
		if p.command == cmdNegotiate {
			answer := binary.BigEndian.AppendUint32(nil, offeredVersion)
			answer = binary.BigEndian.AppendUint32(answer, 1<<8)
			answer = binary.BigEndian.AppendUint32(answer, s.protocol)
			conn.Write(answered(reply(cmdNegotiate), string(answer)+s.requests))
		} else if s.answers != nil {
			conn.Write(s.answers(p))
		}
	}
}

// answered encodes a packet of a milter.
func answered(r reply, data string) []byte {
	return appendPacket(nil, command(r), []byte(data))
}

// answerAll answers each event with continue but those in except.
func answerAll(except map[command][]byte) func(packet) []byte {
	return func(p packet) []byte {
		if special, found := except[p.command]; found {
			return special
		}
		if strings.ContainsRune("CHMRTLNBE", rune(p.command)) {
			return answered(replyContinue, "")
		}
		return nil
	}
}

// A writeRecorder records how a connection is written to.
type writeRecorder struct {
	net.Conn
	writes []string
}

func (w *writeRecorder) Write(b []byte) (int, error) {
	w.writes = append(w.writes, string(b))
	return w.Conn.Write(b)
}

// play sends n messages in one session and returns what the milter received, the mta, and how it wrote.
func play(t *testing.T, s *scriptedMilter, msg message, n int) (got []packet, m *mta, writes []string, outcomes []outcome) {
	t.Helper()
	s.serve(t)
	m = newMTA()
	if err := m.connect("unix", s.address); err != nil {
		t.Fatal(err)
	}
	recorder := &writeRecorder{Conn: m.conn}
	m.conn = recorder
	if o, decided, err := m.greet(clientNumber(6)); err != nil || decided {
		t.Fatalf("greeting: %v, %v", &o, err)
	}
	for i := range n {
		if i > 0 {
			m.abort()
		}
		o, err := m.deliver(&msg, fmt.Sprintf("QUEUE%d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, o)
	}
	if err := m.quit(); err != nil {
		t.Fatal(err)
	}
	return <-s.received, m, recorder.writes, outcomes
}

// commands writes packets as letters; a macro packet as D and the letter of its event.
func commands(ps []packet) string {
	var words []string
	for _, p := range ps {
		word := string(rune(p.command))
		if p.command == cmdMacro {
			word += p.data[:1]
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

const tooMuch = "\x00\x00\x00\x02cX" // a continue with a trailing octet

func TestPacketsAreThoseOfPostfix(t *testing.T) {
	const (
		noConnect, noHelo, noMail, noRcpt, noBody, noHeaders, noEOH, noData = 1, 2, 4, 8, 16, 32, 64, 512
		nrConnect, nrMail, nrRcpt, nrHeader, nrEOH, nrBody, nrData          = 1 << 12, 1 << 14, 1 << 15, 1 << 7, 1 << 18, 1 << 19, 1 << 16
	)
	mail := newMail("joe@example.org", outsider, "joe")
	headers := strings.Repeat("DL L ", len(mail.headers))
	tests := []struct {
		name       string
		protocol   uint32
		answers    map[command][]byte
		messages   int
		want       string
		roundTrips int
		at         command
	}{
		{
			name: "a milter that declines nothing gets macros before every event", messages: 1,
			want:       "O DC C DH H DM M DR R DT T " + headers + "DN N DB B DE E A A Q",
			roundTrips: 21, at: cmdEndBody,
		},
		{
			name:     "declined events leave their macros, but for header and body",
			protocol: noConnect | noHelo | noMail | noRcpt | noData | noHeaders | noEOH | noBody, messages: 1,
			want:       "O DC DH DM DR DT DE E A A Q",
			roundTrips: 2, at: cmdEndBody,
		},
		{
			name:     "events without a reply are sent and not waited for",
			protocol: nrConnect | noHelo | nrMail | nrRcpt | nrData | nrHeader | nrEOH | nrBody,
			answers: map[command][]byte{cmdConnect: nil, cmdMail: nil, cmdRcpt: nil, cmdData: nil, cmdHeader: nil,
				cmdEndHeader: nil, cmdBody: nil}, messages: 1,
			want:       "O DC C DH DM M DR R DT T " + headers + "DN N DB B DE E A A Q",
			roundTrips: 2, at: cmdEndBody,
		},
		{
			name: "two messages with one abort between them", messages: 2, protocol: noHeaders | noEOH | noBody,
			want:       "O DC C DH H DM M DR R DT T DE E A DM M DR R DT T DE E A A Q",
			roundTrips: 11, at: cmdEndBody,
		},
		{
			name: "skip spares the milter the other headers", messages: 1,
			answers:    map[command][]byte{cmdHeader: answered(replySkip, "")},
			want:       "O DC C DH H DM M DR R DT T DL L DN N DB B DE E A A Q",
			roundTrips: 10, at: cmdEndBody,
		},
		{
			name: "accept at RCPT ends the message, not the session", messages: 2,
			answers:    map[command][]byte{cmdRcpt: answered(replyAccept, "")},
			want:       "O DC C DH H DM M DR R A DM M DR R A A Q",
			roundTrips: 7, at: cmdRcpt,
		},
		{
			name: "a refusal at DATA ends the message", messages: 1,
			answers:    map[command][]byte{cmdData: answered(replyCode, "550 5.7.1 no\x00")},
			want:       "O DC C DH H DM M DR R DT T A A Q",
			roundTrips: 6, at: cmdData,
		},
		{
			name: "progress is no answer", messages: 1, protocol: noHeaders | noEOH | noBody,
			answers:    map[command][]byte{cmdEndBody: slices.Concat(answered(replyProgress, ""), answered(replyAccept, ""))},
			want:       "O DC C DH H DM M DR R DT T DE E A A Q",
			roundTrips: 7, at: cmdEndBody,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &scriptedMilter{protocol: tt.protocol, answers: answerAll(tt.answers)}
			got, m, _, outcomes := play(t, s, mail, tt.messages)
			if c := commands(got); c != tt.want {
				t.Errorf("packets\n got %s\nwant %s", c, tt.want)
			}
			if m.roundTrips != tt.roundTrips {
				t.Errorf("%d round trips, want %d", m.roundTrips, tt.roundTrips)
			}
			if at := outcomes[0].at; at != tt.at {
				t.Errorf("decided at %q, want %q", at, tt.at)
			}
		})
	}
}

func TestEventsWithoutReplyWaitInTheBufferUntilDataOrAFullBuffer(t *testing.T) {
	const (
		noHelo                                                     = 2
		nrConnect, nrMail, nrRcpt, nrHeader, nrEOH, nrBody, nrData = 1 << 12, 1 << 14, 1 << 15, 1 << 7, 1 << 18, 1 << 19, 1 << 16
	)
	s := &scriptedMilter{
		protocol: nrConnect | noHelo | nrMail | nrRcpt | nrData | nrHeader | nrEOH | nrBody,
		answers: func(p packet) []byte {
			if p.command == cmdEndBody {
				return answered(replyAccept, "")
			}
			return nil
		},
	}
	_, m, writes, _ := play(t, s, newMail("joe@example.org", outsider, "joe"), 1)
	var sizes []int
	for _, w := range writes {
		sizes = append(sizes, len(w))
	}
	// The envelope up to DATA, two full buffers of header and body, the rest with end of message, the farewell.
	if len(writes) != 5 || sizes[1] != unixWriteSize || sizes[2] != unixWriteSize {
		t.Fatalf("writes of %v octets, want the envelope, %d, %[2]d, the rest and the farewell", sizes, unixWriteSize)
	}
	// Header and body follow the envelope without an answer to it. The farewell follows the answer to end of message.
	if m.stalls != 1 {
		t.Errorf("%d stalls, want 1", m.stalls)
	}
	if !strings.HasSuffix(writes[0], "\x00\x00\x00\x01T") {
		t.Errorf("first write does not end with DATA: %q", writes[0])
	}
	if !strings.HasSuffix(writes[3], "\x00\x00\x00\x01E") {
		t.Errorf("fourth write does not end with end of message: %q", writes[3])
	}
}

func TestMacrosAreThoseRequested(t *testing.T) {
	s := &scriptedMilter{
		requests: "\x00\x00\x00\x00{client_addr} {daemon_port}\x00" + "\x00\x00\x00\x02{auth_authen}\x00" + "\x00\x00\x00\x03\x00",
		answers:  answerAll(nil),
	}
	got, _, _, _ := play(t, s, newMail("joe@example.org", outsider, "joe"), 1)
	macros := map[string]string{}
	for _, p := range got {
		if p.command == cmdMacro {
			macros[p.data[:1]] = p.data[1:]
		}
	}
	for event, want := range map[string]string{
		"C": "{client_addr}\x00203.0.113.7\x00{daemon_port}\x0025\x00",
		"H": "",
		"M": "{auth_authen}\x00joe\x00",
		// An empty request means the default; the queue ID is not known yet.
		"R": "{rcpt_addr}\x00" + outsider + "\x00{rcpt_host}\x00news.example.net\x00{rcpt_mailer}\x00smtp\x00",
		"T": "i\x00QUEUE1\x00",
		"L": "i\x00QUEUE1\x00",
	} {
		if macros[event] != want {
			t.Errorf("macros of %s\n got %q\nwant %q", event, macros[event], want)
		}
	}
}

func TestASecondMessageHasNoQueueIDBeforeData(t *testing.T) {
	got, _, _, _ := play(t, &scriptedMilter{answers: answerAll(nil)}, newMail("joe@example.org", outsider, "joe"), 2)
	var with []string
	for _, p := range got {
		if p.command == cmdMacro && strings.HasPrefix(p.data[1:], "i\x00QUEUE") && strings.ContainsAny(p.data[:1], "MRTE") {
			with = append(with, p.data[:1])
		}
	}
	if want := []string{"T", "E", "T", "E"}; !slices.Equal(with, want) {
		t.Errorf("macros of %v carry a queue ID, want those of %v", with, want)
	}
}

func TestEachMessageHasItsOwnIDs(t *testing.T) {
	got, _, _, _ := play(t, &scriptedMilter{answers: answerAll(nil)}, newBounce("joe@example.org", "joe@example.org"), 2)
	for _, id := range []string{"QUEUE1", "QUEUE2"} {
		header, body := 0, 0
		for _, p := range got {
			if p.command == cmdHeader && strings.Contains(p.data, "Message-ID\x00<20261123120000."+id+"@") {
				header++
			}
			if p.command == cmdBody && strings.Contains(p.data, "Message-ID: <20261123115800."+id+"@") {
				body++
			}
		}
		if header != 1 || body != 1 {
			t.Errorf("ID %s is in %d headers and %d returned messages, want 1 and 1", id, header, body)
		}
	}
}

func TestMalformedAnswersAreErrors(t *testing.T) {
	for name, answers := range map[string]map[command][]byte{
		"trailing octet":          {cmdMail: []byte(tooMuch)},
		"unknown answer":          {cmdMail: answered('X', "")},
		"change before its time":  {cmdRcpt: answered(changeSender, "<a@example.org>\x00")},
		"unterminated change":     {cmdEndBody: answered(changeSender, "<a@example.org>")},
		"reply that is no reply":  {cmdRcpt: answered(replyCode, "250 fine\x00")},
		"reply without its NUL":   {cmdRcpt: answered(replyCode, "550 5.7.1 no")},
		"packet of length zero":   {cmdRcpt: []byte("\x00\x00\x00\x00c")},
		"packet beyond all limit": {cmdRcpt: []byte("\xff\xff\xff\xffc")},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scriptedMilter{answers: answerAll(answers)}
			s.serve(t)
			m := newMTA()
			if err := m.connect("unix", s.address); err != nil {
				t.Fatal(err)
			}
			defer m.close()
			if _, _, err := m.greet(clientNumber(0)); err != nil {
				t.Fatal(err)
			}
			msg := newMail("joe@example.org", outsider, "joe")
			if o, err := m.deliver(&msg, "QUEUE1"); err == nil {
				t.Errorf("no error, outcome %v", &o)
			}
		})
	}
}

func TestAnMTABreaksOffWhereItIsTold(t *testing.T) {
	s := &scriptedMilter{answers: answerAll(nil)}
	s.serve(t)
	m := newMTA()
	if err := m.open("unix", s.address, clientNumber(6)); err != nil {
		t.Fatal(err)
	}
	m.reset = cmdData
	msg := newMail(plainAddress, outsider, "joe")
	if _, err := m.deliver(&msg, "QUEUE1"); !errors.Is(err, errReset) {
		t.Errorf("error %v", err)
	}
	if got := commands(<-s.received); got != "O DC C DH H DM M DR R DT T" {
		t.Errorf("the milter got %s", got)
	}
}

func TestMalformedAgreementsAreErrors(t *testing.T) {
	agreement := func(version, actions, protocol uint32, rest string) []byte {
		b := binary.BigEndian.AppendUint32(nil, version)
		b = binary.BigEndian.AppendUint32(b, actions)
		return append(binary.BigEndian.AppendUint32(b, protocol), rest...)
	}
	for name, data := range map[string][]byte{
		"too short":               agreement(6, 0, 0, "")[:11],
		"another version":         agreement(2, 0, 0, ""),
		"action not offered":      agreement(6, 1<<9, 0, ""),
		"protocol flag not known": agreement(6, 0, 1<<21, ""),
		"unknown macro stage":     agreement(6, 0, 0, "\x00\x00\x00\x07i\x00"),
		"unterminated request":    agreement(6, 0, 0, "\x00\x00\x00\x01i"),
		"request cut short":       agreement(6, 0, 0, "\x00\x00\x00"),
	} {
		if a, err := parseAgreement(data); err == nil {
			t.Errorf("%s: no error, %+v", name, a)
		}
	}
}
