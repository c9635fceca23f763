package bounce

import "strings"

// phrases is a list of words that are searched for all at once. To search for one after the other costs milliseconds for
// a few kilobytes of text. Here the next three octets of the text say which of the words can begin there.
type phrases struct {
	words  []string
	byHash [1 << 12]uint16 // the number, counted from 1, of the first of the words whose first three octets have this hash
	next   []uint16        // for each of the words, that of the next one with the same hash
}

// phraseOctets is how many octets are hashed, and how many each of the words has at least.
const phraseOctets = 3

func newPhrases(words []string) *phrases {
	p := &phrases{words: words, next: make([]uint16, len(words)+1)}
	for i, w := range words {
		h := phraseHash(w, 0)
		p.next[i+1], p.byHash[h] = p.byHash[h], uint16(i+1)
	}
	return p
}

func phraseHash(s string, i int) uint16 {
	return uint16((uint32(s[i])<<16 | uint32(s[i+1])<<8 | uint32(s[i+2])) * 0x9e3779b1 >> 20)
}

// in says whether s contains any of the words.
func (p *phrases) in(s string) bool { return p.first(s) >= 0 }

// first returns where the first of the words begins that s contains, or -1.
func (p *phrases) first(s string) int {
	for i := 0; i+phraseOctets <= len(s); i++ {
		for n := p.byHash[phraseHash(s, i)]; n > 0; n = p.next[n] {
			if strings.HasPrefix(s[i:], p.words[n-1]) {
				return i
			}
		}
	}
	return -1
}

// lowest returns the index of the first of the words, in their order, that s contains, or -1.
func (p *phrases) lowest(s string) int {
	for w, end := range p.ends(s) {
		if end >= 0 {
			return w
		}
	}
	return -1
}

// ends returns where each of the words ends that s contains, the first time, and -1 for the others.
func (p *phrases) ends(s string) []int {
	ends := make([]int, len(p.words))
	for i := range ends {
		ends[i] = -1
	}
	for i := 0; i+phraseOctets <= len(s); i++ {
		for n := p.byHash[phraseHash(s, i)]; n > 0; n = p.next[n] {
			if w := p.words[n-1]; ends[n-1] < 0 && strings.HasPrefix(s[i:], w) {
				ends[n-1] = i + len(w)
			}
		}
	}
	return ends
}
