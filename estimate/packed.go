package estimate

import "math"

// ziplistFrame is an empty ziplist, header and end mark (src/ziplist.c
// ZIPLIST_HEADER_SIZE and ZIPLIST_END_SIZE, Redis 6.2.16).
const ziplistFrame = 11

// listpackEntry adds the backward length to an encoded entry (src/listpack.c
// lpEncodeBacklen: seven bits a byte, the last of each width left out).
func listpackEntry(enc int64) int64 {
	switch {
	case enc <= 127:
		return enc + 1
	case enc < 16383:
		return enc + 2
	case enc < 2097151:
		return enc + 3
	case enc < 268435455:
		return enc + 4
	}
	return enc + 5
}

// listpackInt returns the bytes of a whole listpack entry that holds an
// integer (src/listpack.c lpEncodeIntegerGetType).
func listpackInt(v int64) int64 {
	switch {
	case 0 <= v && v <= 127:
		return 1 + 1
	case -4096 <= v && v <= 4095:
		return 2 + 1
	case v == int64(int16(v)):
		return 3 + 1
	case -1<<23 <= v && v < 1<<23:
		return 4 + 1
	case v == int64(int32(v)):
		return 5 + 1
	}
	return 9 + 1
}

// listpackStr returns the bytes of a whole listpack entry that holds a text
// of n bytes, which must not be a canonical integer (src/listpack.c
// lpEncodeString).
func listpackStr(n int64) int64 {
	switch {
	case n < 64:
		return listpackEntry(n + 1)
	case n < 4096:
		return listpackEntry(n + 2)
	}
	return listpackEntry(n + 5)
}

// ziplistSize adds up a ziplist under construction. Each entry also stores
// the size of the one before, in 1 byte or 5 (src/ziplist.c
// zipStorePrevEntryLength, Redis 6.2.16).
type ziplistSize struct {
	sum  int64 // bytes of all entries
	prev int64 // bytes of the last one
}

func (z *ziplistSize) add(body int64) {
	if z.prev < 254 { // src/ziplist.c ZIP_BIG_PREVLEN
		body++
	} else {
		body += 5
	}
	z.sum += body
	z.prev = body
}

// addInt adds an integer (src/ziplist.c zipTryEncoding).
func (z *ziplistSize) addInt(v int64) {
	switch {
	case 0 <= v && v <= 12:
		z.add(1)
	case v == int64(int8(v)):
		z.add(2)
	case v == int64(int16(v)):
		z.add(3)
	case -1<<23 <= v && v < 1<<23:
		z.add(4)
	case v == int64(int32(v)):
		z.add(5)
	default:
		z.add(9)
	}
}

// addStr adds a text of n bytes that is not a canonical integer (src/ziplist.c
// zipStoreEntryEncoding).
func (z *ziplistSize) addStr(n int64) {
	switch {
	case n <= 63:
		z.add(n + 1)
	case n <= 16383:
		z.add(n + 2)
	default:
		z.add(n + 5)
	}
}

// total returns the bytes of the ziplist.
func (z *ziplistSize) total() int64 { return ziplistFrame + z.sum }

// intsetWidth returns the bytes an intset needs per member to hold v
// (src/intset.c _intsetValueEncoding).
func intsetWidth(v int64) int64 {
	switch v {
	case int64(int16(v)):
		return 2
	case int64(int32(v)):
		return 4
	}
	return 8
}

// sampled imitates how objectComputeSize (src/object.c of all lines but Redis
// 8.6) extrapolates: asize + sum/samples*count in doubles, truncated. Every
// step is rounded on its own, so that no machine fuses two of them.
func sampled(asize, sum float64, samples, count int64) int64 {
	if samples == 0 {
		return int64(asize)
	}
	mean := float64(sum / float64(samples))
	rest := float64(mean * float64(count))
	total := float64(asize + rest)
	if total >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(total)
}
