package rdbparse

// Checksum adds p to the running CRC-64 of a dump; it starts at zero.
func Checksum(crc uint64, p []byte) uint64 { return updateCRC(crc, p) }
