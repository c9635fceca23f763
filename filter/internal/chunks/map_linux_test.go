package chunks

import "testing"

// Processors with pages of 16 or 64 KiB are common: a chunk that shares its page with others keeps its memory.
func TestAChunkWithoutPagesOfItsOwnIsNotUnloaded(t *testing.T) {
	for page, want := range map[int]bool{Size / 2: true, Size: true, 2 * Size: false, 8 * Size: false} {
		if got := wholePages(Size, page); got != want {
			t.Errorf("pages of %d octets: %t", page, got)
		}
	}
}
