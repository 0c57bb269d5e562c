package estimate

import "math/bits"

// Allocator is the malloc a server is built with. A dump does not name it;
// INFO memory does, though not the quantum (MEMORY MALLOC-STATS prints that).
type Allocator uint8

const (
	Jemalloc    Allocator = iota // vendored, --with-lg-quantum=3 (deps/Makefile, Redis 6.2.16 and all later)
	JemallocQ16                  // a distribution's own libjemalloc, as Debian's packages use: quantum 16
	Libc                         // glibc malloc; real sizes are 16 higher now and then
	numAllocators
)

var allocatorNames = [numAllocators]string{"jemalloc", "jemalloc-q16", "libc"}

func (a Allocator) String() string {
	if a < numAllocators {
		return allocatorNames[a]
	}
	return "unknown"
}

// ParseAllocator is the inverse of String.
func ParseAllocator(name string) (Allocator, bool) {
	for i, s := range allocatorNames {
		if s == name {
			return Allocator(i), true
		}
	}
	return 0, false
}

// largestClass is the largest size class an int64 holds. Larger requests,
// which only a damaged dump makes, get it too.
const largestClass = 7 << 60

// Class returns the bytes the allocator hands out for a request of n.
func (a Allocator) Class(n int64) int64 {
	if a == Libc || uint64(n-9) > largestClass-9 {
		return a.classRare(n)
	}
	// Four classes per doubling, but never closer than the quantum 8<<a
	// (jemalloc 5.1.0 to 5.3.0, include/jemalloc/internal/sc.h).
	n--
	step := int64(1) << (bits.Len64(uint64(n|32<<a)) - 3)
	return (n | (step - 1)) + 1
}

// classRare serves what Class has no rule for: jemalloc's smallest class,
// which both quanta have, what is beyond its largest, and glibc.
func (a Allocator) classRare(n int64) int64 {
	if a != Libc {
		return max(8, min(n, largestClass))
	}
	// glibc malloc.c: a chunk is a multiple of 16 with 8 bytes of header, 32
	// at least. From M_MMAP_THRESHOLD on it is a mapping of its own, whole
	// pages with 16 bytes of header; the threshold's later moves are unknowable.
	n = min(n, largestClass)
	chunk := max((n+8+15)&^15, 32)
	if chunk < 128<<10 {
		return chunk - 8
	}
	return (chunk+8+4095)&^4095 - 16
}
