package storetest

import (
	"encoding/binary"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// benchParallel is how many callers per processor the parallel benchmarks have: about the sessions of a busy server.
const benchParallel = 8

// Benchmark measures the calls of the mail path: records and lookups, from one caller and from many, and a record that a Guard has
// written before. newStore is as in [Run].
func Benchmark(b *testing.B, newStore func(b *testing.B) store.Store) {
	day := today()
	var n atomic.Uint64
	next := func() (r store.Record) {
		// Spread like a hash, without the cost of one.
		binary.BigEndian.PutUint64(r.Key[:], n.Add(1)*0x9E3779B97F4A7C15)
		r.Expires = day + 7
		return r
	}
	write := func(b *testing.B, s store.Store) {
		if err := s.Record(b.Context(), day, "example.com", next()); err != nil {
			b.Error(err)
		}
	}
	read := func(b *testing.B, s store.Store, qs []store.Query) {
		a, err := s.Lookup(b.Context(), day, qs)
		if err != nil || !a.Found[0] {
			b.Errorf("Lookup: %v, %v", a, err)
		}
	}
	filled := func(b *testing.B) (store.Store, []store.Query) {
		s := newStore(b)
		qs := make([]store.Query, 1)
		for i := range 1000 {
			r := next()
			r.Expires = day + store.Day(i%8)
			qs[0] = store.Query{Key: r.Key, Expires: r.Expires}
			if err := s.Record(b.Context(), day, "example.com", r); err != nil {
				b.Fatal(err)
			}
		}
		return s, qs
	}

	b.Run("record", func(b *testing.B) {
		s := newStore(b)
		b.ReportAllocs()
		for b.Loop() {
			write(b, s)
		}
	})
	b.Run("record, parallel", func(b *testing.B) {
		s := newStore(b)
		b.SetParallelism(benchParallel)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				write(b, s)
			}
		})
	})
	b.Run("lookup", func(b *testing.B) {
		s, qs := filled(b)
		b.ReportAllocs()
		for b.Loop() {
			read(b, s, qs)
		}
	})
	b.Run("lookup on any day", func(b *testing.B) {
		s, qs := filled(b)
		qs[0].Expires = 0
		b.ReportAllocs()
		for b.Loop() {
			read(b, s, qs)
		}
	})
	b.Run("lookup, parallel", func(b *testing.B) {
		s, qs := filled(b)
		b.SetParallelism(benchParallel)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				read(b, s, qs)
			}
		})
	})
	b.Run("known to the guard", func(b *testing.B) {
		g := guard.New(newStore(b), guard.Options{Logger: slog.New(slog.DiscardHandler)})
		r := next()
		b.ReportAllocs()
		for b.Loop() {
			if err := g.Record(b.Context(), day, "example.com", r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
