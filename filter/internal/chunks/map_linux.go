package chunks

import (
	"os"
	"syscall"
)

// mapped returns memory of its own, which takes none before it is written to. Huge pages would make of one chunk hundreds.
func mapped(octets int) []byte {
	b, err := syscall.Mmap(-1, 0, octets, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, octets) // no address space is left, or no more mappings are allowed: the heap may have some
	}
	_ = syscall.Madvise(b, syscall.MADV_NOHUGEPAGE) // a kernel without them does not know it
	return b
}

// unload gives the memory of a chunk to the operating system. Its addresses stay valid, and its content is lost.
func unload(chunk []byte) {
	if wholePages(len(chunk), os.Getpagesize()) {
		_ = syscall.Madvise(chunk, syscall.MADV_DONTNEED)
	}
}

// wholePages says whether a chunk has pages of its own. Where pages are larger, it shares one with others, whose content would be lost
// with it: madvise(2) rounds the length up to whole pages.
func wholePages(octets, page int) bool { return octets%page == 0 }
