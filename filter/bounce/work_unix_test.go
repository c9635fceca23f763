//go:build unix

package bounce

import (
	"syscall"
	"testing"
	"time"
)

// processorTime returns what the process has used of processors, the collector included.
func processorTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkStep shows that steps are honest: the processor time of a step stays within a band, whatever the message contains. What
// takes less than a millisecond in all may be outside of it. The time that a message at the limit takes is the reported ms/message.
func BenchmarkStep(b *testing.B) {
	for kind, families := range map[string]map[string]recipe{"ordinary": ordinary, "costly": costly} {
		for _, name := range names(families) {
			b.Run(kind+"/"+name, func(b *testing.B) {
				m := families[name].message(DefaultLimits().HeaderBytes + DefaultLimits().BodyBytes)
				c := costOf(m)
				b.ReportAllocs()
				start := processorTime(b)
				for b.Loop() {
					Parse(m, DefaultLimits())
				}
				ns := float64(processorTime(b)-start) / float64(b.N)
				b.ReportMetric(ns/float64(min(c.steps, c.most)), "ns/step")
				b.ReportMetric(float64(c.steps)/float64(c.octets), "steps/octet")
				b.ReportMetric(ns/1e6, "ms/message")
				b.ReportMetric(ns/1e6*(1<<20)/float64(c.octets), "ms/MiB")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
