package logread

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
)

func BenchmarkRead(b *testing.B) {
	log := strings.Repeat("Nov 23 06:58:01 mx1 bouncefilter[17]: "+verdict+"\n", 100) + strings.Repeat("time=2026-11-23T11:58:01.000Z "+verdict+"\n", 100)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(strings.NewReader(log), Clock{at, time.UTC}, func(*figures.Observation) {}); err != nil {
			b.Fatal(err)
		}
	}
}
