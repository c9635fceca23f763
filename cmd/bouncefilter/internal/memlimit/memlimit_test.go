package memlimit

import (
	"context"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/fstest"
	"time"
)

const (
	v2Mount = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount = "30 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)

// host is a file system with these files.
func host(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestLimitOfTheCgroup(t *testing.T) {
	const service = "sys/fs/cgroup/system.slice/bouncefilter.service/"
	for _, tt := range []struct {
		name   string
		files  map[string]string
		want   int64
		source string
	}{
		{"no cgroups", nil, 0, ""},
		{"v2, none", map[string]string{"proc/self/cgroup": "0::/system.slice/bouncefilter.service\n", "proc/self/mountinfo": v2Mount,
			service + "memory.max": "max\n", service + "memory.high": "max\n"}, 0, ""},
		{"v2, its own", map[string]string{"proc/self/cgroup": "0::/system.slice/bouncefilter.service\n", "proc/self/mountinfo": v2Mount,
			service + "memory.max": "536870912\n", service + "memory.high": "max\n"}, 512 << 20, "/" + service + "memory.max"},
		{"v2, memory.high", map[string]string{"proc/self/cgroup": "0::/system.slice/bouncefilter.service\n", "proc/self/mountinfo": v2Mount,
			service + "memory.max": "536870912\n", service + "memory.high": "268435456\n"}, 256 << 20, "/" + service + "memory.high"},
		{"v2, of the slice above", map[string]string{"proc/self/cgroup": "0::/system.slice/bouncefilter.service\n", "proc/self/mountinfo": v2Mount,
			service + "memory.max": "536870912\n", "sys/fs/cgroup/system.slice/memory.max": "134217728\n"}, 128 << 20, "/sys/fs/cgroup/system.slice/memory.max"},
		{"v2, a container with a namespace", map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/memory.max": "67108864\n"}, 64 << 20, "/sys/fs/cgroup/memory.max"},
		{"v2, a container with the path of the host", map[string]string{"proc/self/cgroup": "0::/docker/abc\n",
			"proc/self/mountinfo":      "31 23 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory.max": "67108864\n"}, 64 << 20, "/sys/fs/cgroup/memory.max"},
		{"v2, a path outside", map[string]string{"proc/self/cgroup": "0::/../other\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/memory.max": "67108864\n"}, 64 << 20, "/sys/fs/cgroup/memory.max"},
		{"v1", map[string]string{"proc/self/cgroup": "9:name=systemd:/\n4:cpu:/x\n3:memory:/a/b\n0::/\n", "proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes":   "134217728\n",
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "268435456\n"}, 128 << 20, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes"},
		{"v1, none", map[string]string{"proc/self/cgroup": "3:memory:/a\n", "proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Find(host(tt.files), "", 0)
			if err != nil || l.Most != tt.want || l.Octets != tt.want/10*9 || l.Source != tt.source {
				t.Errorf("got %+v, %v", l, err)
			}
		})
	}
	for name, files := range map[string]map[string]string{
		"no mounts":   {"proc/self/cgroup": "0::/\n"},
		"no number":   {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/memory.max": "much\n"},
		"a directory": {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/memory.max/x": ""},
	} {
		if l, err := Find(host(files), "", 0); err == nil {
			t.Errorf("%s: no error, %+v", name, l)
		}
	}
}

func TestThisHostCanBeRead(t *testing.T) {
	if l, err := Find(os.DirFS("/"), "", 0); err != nil {
		t.Errorf("%+v: %v", l, err)
	}
}

func TestWhatComesFirst(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	debug.SetMemoryLimit(300 << 20) // as the runtime does for the variable
	files := host(map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/memory.max": "100000000\n"})
	for _, tt := range []struct {
		env        string
		configured int64
		want       Limit
	}{
		{"300MiB", 200 << 20, Limit{300 << 20, "GOMEMLIMIT", 300 << 20}},
		{"", 200 << 20, Limit{200 << 20, "limits.memory", 200 << 20}},
		{"", 0, Limit{90_000_000, "/sys/fs/cgroup/memory.max", 100_000_000}},
	} {
		if l, err := Find(files, tt.env, tt.configured); err != nil || l != tt.want {
			t.Errorf("%q, %d: %+v, %v", tt.env, tt.configured, l, err)
		}
	}
	debug.SetMemoryLimit(1<<63 - 1)
	if l, err := Find(files, "off", 200<<20); err != nil || l.Octets != 0 {
		t.Errorf("off: %+v, %v", l, err)
	}
	Limit{}.Set(0)
	Limit{Octets: 1 << 30, Source: "limits.memory"}.Set(1 << 20)
	Limit{Octets: 1 << 20, Source: "GOMEMLIMIT"}.Set(0)
	if n := debug.SetMemoryLimit(-1); n != 1<<30-1<<20 {
		t.Errorf("the runtime has a limit of %d", n)
	}
}

// What a burst has left is given back, though the heap has not grown to where the runtime collects it.
func TestMemoryIsGivenBackAfterABurst(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // nothing else collects
	burst := make([][]byte, 64)
	for i := range burst {
		burst[i] = make([]byte, 1<<20)
		for j := 0; j < len(burst[i]); j += 4096 {
			burst[i][j] = 1
		}
	}
	before := read()
	runtime.KeepAlive(burst)
	burst = nil
	ctx, cancel := context.WithCancel(t.Context())
	ticks, done := make(chan time.Time), make(chan struct{})
	go func() {
		GiveBack(ctx, ticks)
		close(done)
	}()
	ticks <- time.Time{}
	ticks <- time.Time{} // the first one was dealt with
	cancel()
	<-done
	if after := read(); after.held+60<<20 > before.held {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestWhenMemoryIsGivenBack(t *testing.T) {
	const mib = 1 << 20
	given := memory{allocated: 100 * mib}
	for _, tt := range []struct {
		name      string
		last, now memory
		want      bool
	}{
		{"busy, and needs what it holds", memory{allocated: 500 * mib}, memory{held: 100 * mib, used: 56 * mib, allocated: 600 * mib}, false},
		{"holds a little more", memory{allocated: 500 * mib}, memory{held: 100*mib + 1, used: 56 * mib, allocated: 600 * mib}, true},
		{"has become quiet", memory{allocated: 593 * mib}, memory{held: 100 * mib, used: 90 * mib, allocated: 600 * mib}, true},
		{"not yet", memory{allocated: 592 * mib}, memory{held: 100 * mib, used: 90 * mib, allocated: 600 * mib}, false},
		{"quiet since it gave back", memory{allocated: 115 * mib}, memory{held: 100 * mib, used: 90 * mib, allocated: 116 * mib}, false},
	} {
		if got := tt.now.toGive(tt.last, given); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
