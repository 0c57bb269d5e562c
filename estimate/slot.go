package estimate

// Slot is the cluster slot of a key, 0 to 16383: CRC-16 (XMODEM) of the part
// in braces if there is one that is not empty, else of the whole name
// (cluster.c@redis-7.2.6 keyHashSlot).
func Slot(key []byte) int {
	for i, c := range key {
		if c != '{' {
			continue
		}
		for j := i + 1; j < len(key); j++ {
			if key[j] == '}' {
				if j > i+1 {
					key = key[i+1 : j]
				}
				break
			}
		}
		break
	}
	crc := uint16(0)
	for _, b := range key {
		crc ^= uint16(b) << 8
		for range 8 {
			crc = crc<<1 ^ 0x1021&-(crc>>15)
		}
	}
	return int(crc & 16383)
}
