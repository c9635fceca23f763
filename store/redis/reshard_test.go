package redis_test

import (
	"os/exec"
	"testing"

	"github.com/bouncefilter/bouncefilter/store/redistest"
)

// Slots move from one master to another while mail is recorded. Nothing is lost, not even sight of.
func TestReshardUnderLoad(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	here, there := open(t, c.URL("")), open(t, c.URL(""))
	record(t, here, key(0))
	l := startLoad(here)
	l.await(t, 1000)
	look(t, there, key(0))
	masters := c.Masters(t)
	from, to := masters[0].Client(t).ClusterMyID(t.Context()).Val(), masters[1].Client(t).ClusterMyID(t.Context()).Val()
	out, err := exec.Command("redis-cli", "--cluster", "reshard", masters[0].Addr, "--cluster-from", from, "--cluster-to", to,
		"--cluster-slots", "1000", "--cluster-yes").CombinedOutput()
	if err != nil {
		t.Fatalf("reshard: %v\n%s", err, out[max(0, len(out)-1000):])
	}
	l.await(t, 1000)
	l.stop()
	missing := 0
	for n := range l.acked {
		if found, _ := lookAgain(t, there, key(n)); !found {
			missing++
		}
	}
	if missing > 0 || l.failed.Load() > 0 {
		t.Errorf("%d records of %d are missing, %d tries failed", missing, len(l.acked), l.failed.Load())
	}
}
