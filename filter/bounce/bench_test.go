package bounce

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// typical returns a delivery status notification of about 6 KiB: trace fields, a report, and a returned message with its
// own trace and a short body.
func typical(b *testing.B) []byte {
	var trace strings.Builder
	for i := range 11 {
		fmt.Fprintf(&trace, "Received: from relay%d.sender.example (relay%d.sender.example [192.0.2.%d])\n"+
			"\tby mx%d.sender.example (Postfix) with ESMTPS id 4XyZ%d\n\tfor <bert@rcpt.example>; Tue,  3 Mar 2026 10:00:0%d +0000 (UTC)\n", i, i, i, i, i, i)
	}
	m := string(sample(b, "postfix-dsn"))
	m = trace.String() + strings.Replace(m, "Return-Path: <anna@sender.example>\n", "Return-Path: <anna@sender.example>\n"+trace.String(), 1)
	return []byte(strings.Replace(m, "Here they are.\n", strings.Repeat("Here they are, all of them, as they were agreed upon.\n", 15), 1))
}

func BenchmarkDSN(b *testing.B) {
	data := typical(b)
	if r, err := Read(bytes.NewReader(data), Limits{}); err != nil || r.Kind != DSN || len(data) < 5<<10 || len(data) > 7<<10 {
		b.Fatalf("%d octets: %+v, %v", len(data), r, err)
	}
	benchmark(b, func() io.Reader { return bytes.NewReader(data) }, len(data))
}

// Text has to be searched for phrases; this is the longer way.
func BenchmarkTextBounce(b *testing.B) {
	data := sample(b, "exim-two-recipients")
	benchmark(b, func() io.Reader { return bytes.NewReader(data) }, len(data))
}

func BenchmarkOrdinaryMail(b *testing.B) {
	data := []byte("From: Bert <bert@rcpt.example>\nTo: anna@sender.example\nSubject: Minutes\n\n" +
		strings.Repeat("Nothing that was returned, but some words about this and that.\n", 100))
	benchmark(b, func() io.Reader { return bytes.NewReader(data) }, len(data))
}

// Whether ordinary words are those of a bounce, a reply or something else matters most with the null sender.
func BenchmarkOrdinaryMailWithNullSender(b *testing.B) {
	data := []byte("Return-Path: <>\nFrom: Bert <bert@rcpt.example>\nTo: anna@sender.example\nSubject: Minutes\n\n" +
		strings.Repeat("Nothing that was returned, but some words about this and that.\n", 100))
	benchmark(b, func() io.Reader { return bytes.NewReader(data) }, len(data))
}

// A bounce of 30 MB costs what the limit costs, however long it is.
func BenchmarkBounceOf30MB(b *testing.B) {
	head := bytes.TrimSuffix(typical(b), []byte("--b1--\n"))
	line := strings.Repeat("QmFzZTY0", 9) + "\n"
	benchmark(b, func() io.Reader {
		return io.LimitReader(&counter{head: bytes.NewReader(head), line: line}, 30<<20)
	}, DefaultLimits().BodyBytes)
}

func benchmark(b *testing.B, open func() io.Reader, size int) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(open(), Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
