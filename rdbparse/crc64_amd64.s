#include "textflag.h"
#include "go_asm.h"

// FACTORS loads x with l in its lower and h in its upper half.
#define FACTORS(l, h, x) \
	MOVQ       $l, AX \
	MOVQ       AX, x  \
	MOVQ       $h, AX \
	MOVQ       AX, X9 \
	PUNPCKLQDQ X9, x

// FOLD multiplies lane by the factors in X8: lower half by lower, upper by upper.
#define FOLD(lane) \
	MOVO      lane, X9        \
	PCLMULQDQ $0x00, X8, lane \
	PCLMULQDQ $0x11, X8, X9   \
	PXOR      X9, lane

// NEXT folds lane and adds the 16 bytes at off, which need not be aligned.
#define NEXT(off, lane) \
	MOVOU off(SI), X10 \
	FOLD(lane)         \
	PXOR  X10, lane

// INTO folds lane and adds it to the lane after it.
#define INTO(lane, after) \
	FOLD(lane) \
	PXOR lane, after

// func foldCRC(crc uint64, p []byte) (l, h uint64)
TEXT ·foldCRC(SB), NOSPLIT, $0-48
	MOVQ  p_base+8(FP), SI
	MOVQ  p_len+16(FP), CX
	MOVOU 0(SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	MOVOU 64(SI), X4
	MOVOU 80(SI), X5
	MOVOU 96(SI), X6
	MOVOU 112(SI), X7
	MOVQ  crc+0(FP), X8
	PXOR  X8, X0
	ADDQ  $const_foldStep, SI
	SUBQ  $(2*const_foldStep), CX
	JLT   lanes
	FACTORS(const_foldStepL, const_foldStepH, X8)

	PCALIGN $32
step:
	NEXT(0, X0)
	NEXT(16, X1)
	NEXT(32, X2)
	NEXT(48, X3)
	NEXT(64, X4)
	NEXT(80, X5)
	NEXT(96, X6)
	NEXT(112, X7)
	ADDQ $const_foldStep, SI
	SUBQ $const_foldStep, CX
	JGE  step

lanes:
	FACTORS(const_foldLaneL, const_foldLaneH, X8)
	INTO(X0, X1)
	INTO(X1, X2)
	INTO(X2, X3)
	INTO(X3, X4)
	INTO(X4, X5)
	INTO(X5, X6)
	INTO(X6, X7)
	ADDQ $(const_foldStep-16), CX
	JLT  done

rest:
	NEXT(0, X7)
	ADDQ $16, SI
	SUBQ $16, CX
	JGE  rest

done:
	MOVQ   X7, l+32(FP)
	PSRLDQ $8, X7
	MOVQ   X7, h+40(FP)
	RET

// WIDE loads l and h into each 16 bytes of Z8.
#define WIDE(l, h) \
	MOVQ        $l, AX         \
	VMOVQ       AX, X8         \
	MOVQ        $h, AX         \
	VMOVQ       AX, X9         \
	VPUNPCKLQDQ X9, X8, X8     \
	VSHUFI64X2  $0, Z8, Z8, Z8

// WIDENEXT folds four lanes at once and adds the 64 bytes at off; a and b are scratch.
#define WIDENEXT(off, lanes, a, b) \
	VPCLMULQDQ $0x00, Z8, lanes, a \
	VPCLMULQDQ $0x11, Z8, lanes, b \
	VMOVDQU64  off(SI), lanes      \
	VPTERNLOGQ $0x96, a, b, lanes

// WIDEINTO folds four lanes and adds them to the four after them.
#define WIDEINTO(lanes, after) \
	VPCLMULQDQ $0x00, Z8, lanes, Z9  \
	VPCLMULQDQ $0x11, Z8, lanes, Z10 \
	VPTERNLOGQ $0x96, Z9, Z10, after

// func foldWide(crc uint64, p []byte) (l, h uint64)
TEXT ·foldWide(SB), NOSPLIT, $0-48
	MOVQ      p_base+8(FP), SI
	MOVQ      p_len+16(FP), CX
	VMOVDQU64 0(SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 128(SI), Z2
	VMOVDQU64 192(SI), Z3
	VMOVQ     crc+0(FP), X8 // and zeros above
	VPXORQ    Z8, Z0, Z0
	ADDQ      $const_wideStep, SI
	SUBQ      $(2*const_wideStep), CX
	JLT       widelanes
	WIDE(const_wideStepL, const_wideStepH)

	PCALIGN $32
widestep:
	WIDENEXT(0, Z0, Z9, Z10)
	WIDENEXT(64, Z1, Z11, Z12)
	WIDENEXT(128, Z2, Z13, Z14)
	WIDENEXT(192, Z3, Z16, Z17)
	ADDQ $const_wideStep, SI
	SUBQ $const_wideStep, CX
	JGE  widestep

widelanes:
	WIDE(const_wideLaneL, const_wideLaneH)
	WIDEINTO(Z0, Z1)
	WIDEINTO(Z1, Z2)
	WIDEINTO(Z2, Z3)
	VEXTRACTI64X2 $0, Z3, X4
	VEXTRACTI64X2 $1, Z3, X5
	VEXTRACTI64X2 $2, Z3, X6
	VEXTRACTI64X2 $3, Z3, X7
	VZEROUPPER
	FACTORS(const_foldLaneL, const_foldLaneH, X8)
	INTO(X4, X5)
	INTO(X5, X6)
	INTO(X6, X7)
	ADDQ $(const_wideStep-16), CX
	JLT  widedone

widerest:
	NEXT(0, X7)
	ADDQ $16, SI
	SUBQ $16, CX
	JGE  widerest

widedone:
	MOVQ   X7, l+32(FP)
	PSRLDQ $8, X7
	MOVQ   X7, h+40(FP)
	RET
