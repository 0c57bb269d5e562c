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
