package policyrelay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

// service is a policy service that answers each request with the recipient it has seen, and ends a connection after some of them.
type service struct {
	requests int // of a connection; 0 for any number
	dials    int
}

func (s *service) dial(context.Context) (net.Conn, error) {
	s.dials++
	ours, theirs := net.Pipe()
	go func() {
		defer func() { _ = theirs.Close() }()
		r := bufio.NewReader(theirs)
		for n := 0; s.requests == 0 || n < s.requests; n++ {
			request, err := readBlock(r)
			if err != nil {
				return
			}
			recipient := ""
			for line := range strings.Lines(string(request)) {
				if address, ok := strings.CutPrefix(line, "recipient="); ok {
					recipient = strings.TrimSpace(address)
				}
			}
			if _, err := theirs.Write([]byte("action=REJECT " + recipient + "\n\n")); err != nil {
				return
			}
		}
	}()
	return ours, nil
}

const request = "request=smtpd_access_policy\nsender=prvs=0000000000=a@remote.example\nrecipient=%\nsize=12\n\n"

func TestRecipientsHaveNoTags(t *testing.T) {
	for _, requests := range []int{0, 1} {
		s := &service{requests: requests}
		var in, want string
		for address, plain := range map[string]string{
			"all@example.com":                      "all@example.com",
			"prvs=1234abcdef=all@example.com":      "all@example.com",
			"all+prvs=1234abcdef@example.com":      "all@example.com",
			"prvs=1234abcdef=user@foreign.example": "user@foreign.example",
			"":                                     "",
		} {
			in += strings.Replace(request, "%", address, 1)
			want += "action=REJECT " + plain + "\n\n"
		}
		var out bytes.Buffer
		if err := Run(t.Context(), strings.NewReader(in), &out, s.dial); err != nil || out.String() != want {
			t.Errorf("%d requests a connection: %v, replies\n%s\nexpected\n%s", requests, err, out.String(), want)
		}
		if connections := map[int]int{0: 1, 1: 5}[requests]; s.dials != connections {
			t.Errorf("%d requests a connection: dialled %d times", requests, s.dials)
		}
	}
}

func TestTheRestOfARequestStays(t *testing.T) {
	in := "request=smtpd_access_policy\nsender=prvs=0000000000=a@remote.example\nrecipient=prvs=1234abcdef=b@example.com\nhelo_name=\n\n"
	want := strings.Replace(in, "prvs=1234abcdef=", "", 1)
	if got := string(plain([]byte(in))); got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

func TestFaults(t *testing.T) {
	down := errors.New("down")
	none := func(context.Context) (net.Conn, error) { return nil, down }
	silent := func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = readBlock(bufio.NewReader(theirs))
			_ = theirs.Close()
		}()
		return ours, nil
	}
	for name, tt := range map[string]struct {
		in   string
		dial Dial
		want string // of the error
	}{
		"no service":          {request, none, "connect to the policy service: down"},
		"no reply":            {request, silent, "ask the policy service: EOF"},
		"half a request":      {"request=smtpd_access_policy\n", none, "read a request of Postfix: unexpected EOF"},
		"an endless line":     {strings.Repeat("x", 2*maxLength), none, "read a request of Postfix: more than 1 MiB"},
		"an endless list":     {strings.Repeat("x=y\n", maxLength), none, "read a request of Postfix: more than 1 MiB"},
		"nothing but the end": {"", none, ""},
	} {
		err := Run(t.Context(), strings.NewReader(tt.in), new(bytes.Buffer), tt.dial)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, expected %q", name, err, tt.want)
		}
	}
}
