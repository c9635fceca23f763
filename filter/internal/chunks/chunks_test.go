package chunks

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func whole(t *Text) []byte { return bytes.Join(t.Chunks(), nil) }

func TestATextIsWhatWasAdded(t *testing.T) {
	var p Pool
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		text, want := p.New(), []byte(nil)
		for range rng.IntN(20) {
			piece := bytes.Repeat([]byte{byte(rng.IntN(256))}, rng.IntN(3*Size))
			if rng.IntN(2) == 0 {
				text.Append(piece)
			} else {
				text.AppendString(string(piece))
			}
			want = append(want, piece...)
		}
		if got := whole(text); !bytes.Equal(got, want) {
			t.Fatalf("%d octets, want %d", len(got), len(want))
		}
		if held := (len(want) + Size - 1) / Size * Size; text.Held() != held || p.Used() != held {
			t.Errorf("%d octets take %d, and %d of the pool, want %d", len(want), text.Held(), p.Used(), held)
		}
		text.Free()
		text.Free()
		if p.Used() != 0 || len(whole(text)) != 0 {
			t.Fatalf("%d octets in use after Free", p.Used())
		}
	}
}

// What is in chunks is not in the heap, or the collector would let that grow to twice the size.
func TestChunksAreOutsideTheHeap(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("they are in the heap here")
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var p Pool
	before, text := heap(), p.New()
	text.AppendString(strings.Repeat("x", 16<<20))
	if grown := int64(heap() - before); grown > 1<<20 {
		t.Errorf("16 MiB in chunks take %d octets of the heap", grown)
	}
	text.Free()
}

func TestTextsOfManyGoroutines(t *testing.T) {
	var p Pool
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			piece := bytes.Repeat([]byte{byte('a' + g)}, 3*Size+1)
			for range 50 {
				text := p.New()
				text.Append(piece)
				if !bytes.Equal(whole(text), piece) {
					t.Error("a text has octets of another one")
				}
				text.Free()
			}
		})
	}
	wg.Wait()
	if p.Used() != 0 {
		t.Errorf("%d octets in use", p.Used())
	}
}
