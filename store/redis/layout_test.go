package redis_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

// BenchmarkLayout compares ways to store records of one expiry in Redis: octets a record, and records a second of one caller that
// writes a hundred at a time. The layers of this package are the last; they are written by the package.
func BenchmarkLayout(b *testing.B) {
	const batch = 100
	expiry := time.Now().Add(8 * 24 * time.Hour)
	// keyOf spreads like a hash, without the cost of one.
	keyOf := func(n int) (k store.Key) {
		for i := range 2 {
			x := (uint64(n)*2 + uint64(i) + 1) * 0x9E3779B97F4A7C15
			x ^= x >> 29
			x *= 0xBF58476D1CE4E5B9
			x ^= x >> 32
			for j := range 8 {
				k[8*i+j] = byte(x >> (8 * j))
			}
		}
		return k
	}
	hashIn := func(buckets uint64) func(ctx context.Context, c goredis.Pipeliner, k store.Key) {
		return func(ctx context.Context, c goredis.Pipeliner, k store.Key) {
			n := (uint64(k[1])<<24 | uint64(k[2])<<16 | uint64(k[3])<<8 | uint64(k[4])) * buckets >> 32
			bucket := "bf:" + strconv.FormatUint(n, 16)
			c.HIncrBy(ctx, bucket, string(k[:]), 1)
			c.ExpireAt(ctx, bucket, expiry)
		}
	}
	layouts := []struct {
		name  string
		write func(ctx context.Context, c goredis.Pipeliner, k store.Key)
	}{
		{"a string each", func(ctx context.Context, c goredis.Pipeliner, k store.Key) {
			c.Set(ctx, "bf:"+string(k[:]), 1, time.Until(expiry))
		}},
		{"a string each, name in hex", func(ctx context.Context, c goredis.Pipeliner, k store.Key) {
			c.Set(ctx, "bf:"+hex.EncodeToString(k[:]), 1, time.Until(expiry))
		}},
		{"one hash", hashIn(1)},
		{"16384 hashes", hashIn(1 << 14)},
		{"1048576 hashes", hashIn(1 << 20)},
		{"layers", nil},
	}
	for _, records := range []int{100_000, 1_000_000, 10_000_000} {
		for _, l := range layouts {
			b.Run(fmt.Sprintf("records=%d/%s", records, l.name), func(b *testing.B) {
				srv := startServer(b)
				admin := srv.admin(b)
				s := open(b, srv.url(""))
				ctx := b.Context()
				for b.Loop() {
					before := usedMemory(b, admin)
					begin := time.Now()
					for n := 0; n < records; n += batch {
						var err error
						if l.write == nil {
							rs := make([]store.Record, batch)
							for i := range rs {
								rs[i] = store.Record{Key: keyOf(n + i), Expires: today() + 7, Count: 1}
							}
							err = s.Record(ctx, today(), "", rs...)
						} else {
							_, err = admin.Pipelined(ctx, func(c goredis.Pipeliner) error {
								for i := range batch {
									l.write(ctx, c, keyOf(n+i))
								}
								return nil
							})
						}
						if err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(records)/time.Since(begin).Seconds(), "records/s")
					b.ReportMetric(float64(usedMemory(b, admin)-before)/float64(records), "B/record")
					b.ReportMetric(float64(admin.DBSize(ctx).Val()), "keys")
				}
			})
		}
	}
}

// BenchmarkServerTime reports what the mail path asks of a server for a message that is recorded and for a bounce that is looked up
// and counted: microseconds of its processor, and octets that it receives.
func BenchmarkServerTime(b *testing.B) {
	srv := startServer(b)
	admin := srv.admin(b)
	s := open(b, srv.url(""))
	h := store.NewHasher([]byte("test"))
	const messages = 100_000
	sum := func(section string, fields ...string) (sum float64) {
		for line := range strings.Lines(admin.Info(b.Context(), section).Val()) {
			if name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); slices.Contains(fields, name) {
				n, err := strconv.ParseFloat(value, 64)
				if err != nil {
					b.Fatal(err)
				}
				sum += n
			}
		}
		return sum
	}
	cpu := func() float64 { return sum("cpu", "used_cpu_user", "used_cpu_sys") }
	received := func() float64 { return sum("stats", "total_net_input_bytes") }
	each := func(what string, f func(sender, id string) error) {
		var next atomic.Int64
		var wait sync.WaitGroup
		cpuBefore, receivedBefore := cpu(), received()
		for range 16 {
			wait.Go(func() {
				for n := next.Add(1); n <= messages; n = next.Add(1) {
					if err := f(fmt.Sprintf("user%d@example.com", n%1000), fmt.Sprintf("%d@example.com", n)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wait.Wait()
		b.ReportMetric((cpu()-cpuBefore)/messages*1e6, "server-µs/"+what)
		b.ReportMetric((received()-receivedBefore)/messages, "B-received/"+what)
	}
	ctx := b.Context()
	for b.Loop() {
		each("message", func(sender, id string) error {
			return s.Record(ctx, today(), "example.com", store.Record{Key: h.Message(sender, id), Expires: today() + 30, Count: 1},
				store.Record{Key: h.Tag(sender, today()+7, 1), Expires: today() + 7, Count: 1})
		})
		each("bounce", func(sender, id string) error {
			_, err := s.Lookup(ctx, today(), []store.Query{{Key: h.Tag(sender, today()+7, 1), Expires: today() + 7}, {Key: h.Message(sender, id)}, {Key: h.Proven(sender, id)}})
			if err == nil {
				err = s.Record(ctx, today(), "", store.Record{Key: h.Proven(sender, id), Expires: today() + 30, Count: 1})
			}
			return err
		})
	}
}
