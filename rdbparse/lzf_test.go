package rdbparse

// compressLZF compresses as servers do, more or less: a copy wherever the same
// three bytes stood within reach.
func compressLZF(src []byte) []byte {
	var out []byte
	last := map[[3]byte]int{}
	from := 0
	literals := func(to int) {
		for from < to {
			n := min(to-from, 32)
			out = append(append(out, byte(n-1)), src[from:from+n]...)
			from += n
		}
	}
	for i := 0; i < len(src); {
		n, back := 0, 0
		if i+3 <= len(src) {
			three := [3]byte(src[i:])
			if at, ok := last[three]; ok && i-at <= lzfWindow {
				back = i - at - 1
				for n < 264 && i+n < len(src) && src[at+n] == src[i+n] {
					n++
				}
			}
			last[three] = i
		}
		if n < 3 {
			i++
			continue
		}
		literals(i)
		if n-2 < 7 {
			out = append(out, byte((n-2)<<5|back>>8), byte(back))
		} else {
			out = append(out, byte(7<<5|back>>8), byte(n-2-7), byte(back))
		}
		i += n
		from = i
	}
	literals(len(src))
	return out
}

// naiveLZF is LZF as its page in the format's description puts it, a byte at a
// time. It says false of what does not expand to just n bytes.
func naiveLZF(src []byte, n int) (out []byte, ok bool) {
	for i := 0; i < len(src); {
		c := int(src[i])
		i++
		if c < 32 {
			for range c + 1 {
				if i == len(src) {
					return nil, false
				}
				out = append(out, src[i])
				i++
			}
		} else {
			length := c >> 5
			if length == 7 {
				if i == len(src) {
					return nil, false
				}
				length += int(src[i])
				i++
			}
			if i == len(src) {
				return nil, false
			}
			back := (c&31)<<8 | int(src[i])
			i++
			for range length + 2 {
				at := len(out) - back - 1
				if at < 0 {
					return nil, false
				}
				out = append(out, out[at])
			}
		}
		if len(out) > n {
			return nil, false
		}
	}
	return out, len(out) == n
}
