package estimate

// sdsHeader returns the header bytes of a stand-alone sds of l bytes
// (src/sds.c sdsReqType). The modern table is that of Valkey 8.0 and later
// and of Redis 8.6: a header counts there as too small once the length with
// header and terminator would not fit its width.
func sdsHeader(l int64, modern bool) int64 {
	if l == 0 {
		return 3 // src/sds.c _sdsnewlen: empty strings get room to grow
	}
	slack := int64(0)
	if modern {
		slack = 1
	}
	switch {
	case l < 32:
		return 1
	case l <= 255-3*slack:
		return 3
	case l <= 65535-5*slack:
		return 5
	case l <= 1<<32-1-9*slack:
		return 9
	}
	return 17
}

// embeddedSds returns the bytes of an sds of l bytes inside another
// allocation, header and terminator included (modern table; src/sds.c
// sdswrite in Valkey 8.1.1, src/object.c kvobjCreate in Redis 8.6.3).
func embeddedSds(l int64) int64 {
	if l == 0 {
		return 2
	}
	return sdsHeader(l, true) + l + 1
}
