#include "textflag.h"
#include "go_asm.h"

// FACTORS loads V16 with l in its lower and h in its upper half.
#define FACTORS(l, h) \
	MOVD $l, R2       \
	VMOV R2, V16.D[0] \
	MOVD $h, R2       \
	VMOV R2, V16.D[1]

// FOLD multiplies lane by the factors in V16: lower half by lower, upper by upper.
#define FOLD(lane) \
	VPMULL2 lane.D2, V16.D2, V17.Q1      \
	VPMULL  lane.D1, V16.D1, lane.Q1     \
	VEOR    V17.B16, lane.B16, lane.B16

// NEXT folds lane and adds the 16 bytes in data.
#define NEXT(data, lane) \
	FOLD(lane) \
	VEOR data.B16, lane.B16, lane.B16

// INTO folds lane and adds it to the lane after it.
#define INTO(lane, after) \
	FOLD(lane) \
	VEOR lane.B16, after.B16, after.B16

// func foldCRC(crc uint64, p []byte) (l, h uint64)
TEXT ·foldCRC(SB), NOSPLIT, $0-48
	MOVD   p_base+8(FP), R0
	MOVD   p_len+16(FP), R1
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R0), [V4.B16, V5.B16, V6.B16, V7.B16]
	MOVD   crc+0(FP), R2
	VEOR   V16.B16, V16.B16, V16.B16
	VMOV   R2, V16.D[0]
	VEOR   V16.B16, V0.B16, V0.B16
	SUBS   $(2*const_foldStep), R1
	BLT    lanes
	FACTORS(const_foldStepL, const_foldStepH)

	PCALIGN $16
step:
	VLD1.P 64(R0), [V20.B16, V21.B16, V22.B16, V23.B16]
	VLD1.P 64(R0), [V24.B16, V25.B16, V26.B16, V27.B16]
	NEXT(V20, V0)
	NEXT(V21, V1)
	NEXT(V22, V2)
	NEXT(V23, V3)
	NEXT(V24, V4)
	NEXT(V25, V5)
	NEXT(V26, V6)
	NEXT(V27, V7)
	SUBS   $const_foldStep, R1
	BGE    step

lanes:
	FACTORS(const_foldLaneL, const_foldLaneH)
	INTO(V0, V1)
	INTO(V1, V2)
	INTO(V2, V3)
	INTO(V3, V4)
	INTO(V4, V5)
	INTO(V5, V6)
	INTO(V6, V7)
	ADDS $(const_foldStep-16), R1
	BLT  done

rest:
	VLD1.P 16(R0), [V20.B16]
	NEXT(V20, V7)
	SUBS   $16, R1
	BGE    rest

done:
	VMOV V7.D[0], R2
	MOVD R2, l+32(FP)
	VMOV V7.D[1], R2
	MOVD R2, h+40(FP)
	RET
