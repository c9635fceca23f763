package events

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The example of Standard Webhooks, whose libraries in other languages have it as a test.
func TestSignatureOfTheStandard(t *testing.T) {
	secret, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
	if err != nil {
		t.Fatal(err)
	}
	h := newHook("http://127.0.0.1", secret, func() time.Time { return time.Unix(1614265330, 0) })
	header := http.Header{}
	h.sign(header, "msg_p5jXN8AQM9LWM0D4loKWxJek", []byte(`{"test": 2432232314}`))
	if got, want := header.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if header.Get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || header.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("got %v", header)
	}
}

func TestSecrets(t *testing.T) {
	of := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for text, ok := range map[string]bool{
		of(23): false, of(24): true, of(64): true, of(65): false, "": false, of(32)[6:]: false, "whsec_hunter2!": false,
	} {
		_, err := ParseSecret(text)
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

var event = [][]byte{[]byte(`{"id":"evt_1","recipient":"a@example.net"}` + "\n")}

// What each answer of a receiver means.
func TestAnswersOfAReceiver(t *testing.T) {
	now := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, tt := range []struct {
		name   string
		status int
		header map[string]string
		body   string
		taken  bool
		refuse bool
		after  time.Duration
	}{
		{name: "200", status: 200, taken: true},
		{name: "204", status: 204, taken: true},
		{name: "200 with a long answer", status: 200, body: strings.Repeat("x", 1<<20), taken: true},
		{name: "302 is not followed", status: 302, header: map[string]string{"Location": other.URL}},
		{name: "307 is not followed", status: 307, header: map[string]string{"Location": other.URL}},
		{name: "400", status: 400, refuse: true},
		{name: "413", status: 413, refuse: true},
		{name: "415", status: 415, refuse: true},
		{name: "422", status: 422, refuse: true},
		{name: "401 may be put right", status: 401},
		{name: "404 may be put right", status: 404},
		{name: "410", status: 410, after: longestLater},
		{name: "429 with seconds", status: 429, header: map[string]string{"Retry-After": "17"}, after: 17 * time.Second},
		{name: "503 with a date", status: 503, header: map[string]string{"Retry-After": "Mon, 30 Nov 2026 08:01:30 GMT"}, after: 90 * time.Second},
		{name: "503 with a date that has passed", status: 503, header: map[string]string{"Retry-After": "Mon, 30 Nov 2026 07:01:30 GMT"}},
		{name: "503 with nonsense", status: 503, header: map[string]string{"Retry-After": "-1"}},
		{name: "500", status: 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got *http.Request
			var body []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, body = r, must(t)(io.ReadAll(r.Body))
				for name, value := range tt.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer server.Close()
			h := newHook(server.URL+"/hook?token=hunter2", make([]byte, 24), func() time.Time { return now })
			defer h.close()
			n, err := h.deliver(t.Context(), event)
			if (n == 1 && err == nil) != tt.taken || errors.Is(err, errRefused) != tt.refuse {
				t.Errorf("%d taken, %v", n, err)
			}
			if later, ok := errors.AsType[laterError](err); ok != (!tt.taken && !tt.refuse) || later.after != tt.after {
				t.Errorf("later: %v %v", later.after, ok)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the URL: %v", err)
			}
			if got.Method != "POST" || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("webhook-id") != "evt_1" ||
				got.Header.Get("webhook-timestamp") != "1796025600" || !strings.HasPrefix(got.Header.Get("webhook-signature"), "v1,") {
				t.Errorf("%s %v", got.Method, got.Header)
			}
			if !bytes.Equal(append(body, '\n'), event[0]) {
				t.Errorf("body %q", body)
			}
		})
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests to where an answer has sent them", n)
	}
}

func must(t *testing.T) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		if err != nil {
			t.Error(err)
		}
		return b
	}
}

// A receiver that is not there, resets, is silent, or has no certificate that is trusted: an error without the URL, and not for good.
func TestAReceiverThatDoesNotAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	}()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	for name, url := range map[string]string{
		"resets": "http://u:hunter2@" + ln.Addr().String(), "not there": "http://u:hunter2@" + gone.Addr().String() + "/hunter2",
		"silent": "http://u:hunter2@" + silent.Addr().String(), "no trusted certificate": untrusted.URL + "/hunter2",
	} {
		h := newHook(url, nil, time.Now)
		patience := time.Minute
		if name == "silent" {
			patience = 200 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		n, err := h.deliver(ctx, event)
		cancel()
		if n != 0 || err == nil || errors.Is(err, errRefused) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if name == "no trusted certificate" && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
		_ = h.close()
	}
}
