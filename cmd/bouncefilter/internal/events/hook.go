package events

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// hook posts events to a URL, each in a request of its own, signed as Standard Webhooks has it
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
type hook struct {
	url    string
	secret []byte
	now    func() time.Time
	client *http.Client
}

const (
	hookTimeout = 15 * time.Second // of one request, with its answer
	// maxHookHeader and maxHookBody are how many octets of an answer are read. Nothing in it matters but the status and Retry-After.
	maxHookHeader = 16 << 10
	maxHookBody   = 4 << 10
)

func newHook(url string, secret []byte, now func() time.Time) *hook {
	return &hook{url: url, secret: secret, now: now, client: &http.Client{
		Timeout: hookTimeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: maxHookHeader, MaxConnsPerHost: 1, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: hookTimeout,
		},
		// A redirection would send addresses of users, and a password in the URL, to a place that the operator did not name.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// batch is 1, so that a receiver which is slow, or a daemon that is killed, repeats one event and not many.
func (h *hook) batch() int { return 1 }

func (h *hook) deliver(ctx context.Context, lines [][]byte) (int, error) {
	for i, line := range lines {
		if err := h.post(ctx, line); err != nil {
			return i, err
		}
	}
	return len(lines), nil
}

func (h *hook) post(ctx context.Context, line []byte) error {
	body := bytes.TrimSuffix(line, []byte{'\n'})
	id, err := idOf(body)
	if err != nil {
		return errors.Join(errRefused, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("post an event: the URL cannot be used") // the error has the URL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "bouncefilter")
	h.sign(req.Header, id, body)
	resp, err := h.client.Do(req)
	if err != nil {
		if of, ok := errors.AsType[*url.Error](err); ok {
			err = of.Err // without the URL
		}
		return fmt.Errorf("post an event: %w", err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxHookBody) // so that the connection can be used again
	_ = resp.Body.Close()
	return h.answered(resp)
}

// sign sets the header fields of Standard Webhooks. Without a secret there is no signature.
func (h *hook) sign(header http.Header, id string, body []byte) {
	at := strconv.FormatInt(h.now().Unix(), 10)
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", at)
	if len(h.secret) == 0 {
		return
	}
	mac := hmac.New(sha256.New, h.secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// answered says what an answer means: nil if the event was taken.
func (h *hook) answered(resp *http.Response) error {
	switch status := resp.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnsupportedMediaType,
		status == http.StatusUnprocessableEntity:
		return fmt.Errorf("post an event: %w: status %d", errRefused, status)
	case status == http.StatusGone: // the receiver wants no more; only the operator can obey
		return laterError{fmt.Errorf("post an event: status %d: the receiver is gone for good; change http in [events]", status), longestLater}
	default:
		return laterError{fmt.Errorf("post an event: status %d", status), retryAfter(resp.Header.Get("Retry-After"), h.now())}
	}
}

// retryAfter returns for how long a Retry-After field asks (RFC 9110 section 10.2.3): a number of seconds or a date. It is 0 if it asks for
// nothing, or cannot be read.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// The octets of a secret (Standard Webhooks: 24 to 64).
const (
	minSecret = 24
	maxSecret = 64
)

// ParseSecret reads the secret of a hook: "whsec_" and octets in base64, as Standard Webhooks has it. No error holds any of it.
func ParseSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), "whsec_")
	if !ok {
		return nil, errors.New("it does not begin with whsec_")
	}
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("behind whsec_ it is no base64")
	}
	if len(secret) < minSecret || len(secret) > maxSecret {
		return nil, fmt.Errorf("it has %d octets, and must have %d to %d", len(secret), minSecret, maxSecret)
	}
	return secret, nil
}

func (h *hook) close() error {
	h.client.CloseIdleConnections()
	return nil
}
