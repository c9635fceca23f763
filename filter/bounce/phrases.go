package bounce

import "strings"

// phrases is a list of words that are searched for all at once. To search for one after the other costs milliseconds for
// a few kilobytes of text. Here the next three octets of the text say whether any of the words can begin there.
type phrases struct {
	words  []string
	begins [1 << 10]uint64 // a bit for each hash of the first three octets of words
	byHash map[uint16][]int
}

// phraseOctets is how many octets are hashed, and how many each of the words has at least.
const phraseOctets = 3

func newPhrases(words []string) *phrases {
	p := &phrases{words: words, byHash: make(map[uint16][]int, len(words))}
	for i, w := range words {
		h := phraseHash(w, 0)
		p.begins[h>>6] |= 1 << (h & 63)
		p.byHash[h] = append(p.byHash[h], i)
	}
	return p
}

func phraseHash(s string, i int) uint16 {
	return uint16((uint32(s[i])<<16 | uint32(s[i+1])<<8 | uint32(s[i+2])) * 0x9e3779b1 >> 16)
}

// in says whether s contains any of the words.
func (p *phrases) in(s string) bool {
	for i := 0; i+phraseOctets <= len(s); i++ {
		h := phraseHash(s, i)
		if p.begins[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, w := range p.byHash[h] {
			if strings.HasPrefix(s[i:], p.words[w]) {
				return true
			}
		}
	}
	return false
}

// lowest returns the index of the first of the words, in their order, that s contains, or -1.
func (p *phrases) lowest(s string) int {
	low := -1
	for i := 0; i+phraseOctets <= len(s); i++ {
		h := phraseHash(s, i)
		if p.begins[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, w := range p.byHash[h] {
			if (low < 0 || w < low) && strings.HasPrefix(s[i:], p.words[w]) {
				low = w
			}
		}
	}
	return low
}
