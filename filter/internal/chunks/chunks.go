// Package chunks holds texts that come piece by piece and stay in memory for as long as their senders take: the contents of bounces under
// way. A [Text] grows by whole chunks, so that it takes little more than its length, and copies nothing when it grows.
//
// Where the operating system allows it, chunks are outside of the heap. The collector lets the heap grow to twice what is in use, so
// that a text in it would take its size twice. What a [Pool] holds is therefore not in runtime.MemStats and not bounded by GOMEMLIMIT.
package chunks

import "sync"

const (
	// Size is how many octets a chunk has: most bounces fit into one.
	Size = 8 << 10
	// slab is how many chunks are mapped at once.
	slab = 64
	// warm is how many free chunks keep their memory, so that ordinary mail need not ask for it.
	warm = 128
)

// Pool hands out chunks. It keeps the addresses of those that come back, for the next text, and gives their memory to the operating
// system. The zero Pool is empty and ready for use, by many goroutines.
type Pool struct {
	mu         sync.Mutex
	warm, cold [][]byte // free chunks, with and without memory
	used       int
}

// get returns a chunk with the length 0.
func (p *Pool) get() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used++
	if len(p.warm) > 0 {
		return pop(&p.warm)
	}
	if len(p.cold) == 0 {
		b := mapped(slab * Size)
		for i := range slab {
			p.cold = append(p.cold, b[i*Size:i*Size:(i+1)*Size])
		}
	}
	return pop(&p.cold)
}

func pop(list *[][]byte) []byte {
	last := len(*list) - 1
	c := (*list)[last]
	*list = (*list)[:last]
	return c
}

// put takes chunks back.
func (p *Pool) put(chunks [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range chunks {
		if len(p.warm) < warm {
			p.warm = append(p.warm, c[:0])
			continue
		}
		unload(c[:Size])
		p.cold = append(p.cold, c[:0])
	}
	p.used -= len(chunks)
}

// Used returns how many octets the chunks of all texts have.
func (p *Pool) Used() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used * Size
}

// Text is a text in chunks of a pool. It belongs to one goroutine, which calls Free when the text is not needed any more.
type Text struct {
	pool   *Pool
	chunks [][]byte
}

// New makes an empty text.
func (p *Pool) New() *Text { return &Text{pool: p} }

// Append adds a piece.
func (t *Text) Append(piece []byte) { add(t, piece) }

// AppendString adds a piece.
func (t *Text) AppendString(piece string) { add(t, piece) }

func add[P []byte | string](t *Text, piece P) {
	for len(piece) > 0 {
		last := len(t.chunks) - 1
		if last < 0 || len(t.chunks[last]) == Size {
			t.chunks = append(t.chunks, t.pool.get())
			last++
		}
		c := t.chunks[last]
		n := min(len(piece), Size-len(c))
		t.chunks[last] = append(c, piece[:n]...)
		piece = piece[n:]
	}
}

// Held returns how many octets the chunks of the text have.
func (t *Text) Held() int { return len(t.chunks) * Size }

// Chunks returns the text. It is valid until the next call of another method.
func (t *Text) Chunks() [][]byte { return t.chunks }

// Free gives the chunks back. The text is empty then.
func (t *Text) Free() {
	t.pool.put(t.chunks)
	t.chunks = nil
}
