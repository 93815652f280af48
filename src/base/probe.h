/* probe.h - places in the program that a tracer can stop at or count (USDT): bpftrace, perf, gdb.
 *
 * A probe is one nop, and a note in the file that says where it is, what it is called, and where
 * its arguments are (the format of SystemTap's sys/sdt.h, version 3).  It costs nothing else until
 * a tracer overwrites the nop, so probes stay in releases.  The names and arguments are listed in
 * docs/tracing.md. */
/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/base.h"

#if defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__))

/* Arguments are unsigned and have 8 bytes; the compiler says where each one is: a number, a
 * register, or a place in memory. */
#ifdef __x86_64__
#define PROBE_ARG(x) "nor"((uint64_t)(x))
#else
#define PROBE_ARG(x) "r"((uint64_t)(x))
#endif

/* The notes have addresses as linked; that of the base shows how far the program was moved, even by
 * prelink. */
#define PROBE_ASM(name, places, ...)                                                               \
	__asm__ volatile("990:	nop\n"                                                              \
			 "	.pushsection .note.stapsdt, \"?\", \"note\"\n"                          \
			 "	.balign 4\n"                                                            \
			 "	.4byte 992f-991f, 994f-993f, 3\n"                                       \
			 "991:	.asciz \"stapsdt\"\n"                                               \
			 "992:	.balign 4\n"                                                        \
			 "993:	.8byte 990b, _.stapsdt.base, 0\n"                                   \
			 "	.asciz \"fly_atc\"\n"                                                   \
			 "	.asciz \"" #name "\"\n"                                            \
			 "	.asciz \"" places "\"\n"                                           \
			 "994:	.balign 4\n"                                                        \
			 "	.popsection\n"                                                          \
			 "	.ifndef _.stapsdt.base\n"                                               \
			 "	.pushsection .stapsdt.base, \"aG\", \"progbits\", "                     \
			 ".stapsdt.base, comdat\n"                                                 \
			 "	.weak _.stapsdt.base\n"                                                 \
			 "	.hidden _.stapsdt.base\n"                                               \
			 "_.stapsdt.base: .space 1\n"                                              \
			 "	.size _.stapsdt.base, 1\n"                                              \
			 "	.popsection\n"                                                          \
			 "	.endif\n" ::__VA_ARGS__)

#define PROBE3(name, a, b, c)                                                                      \
	PROBE_ASM(name, "8@%0 8@%1 8@%2", PROBE_ARG(a), PROBE_ARG(b), PROBE_ARG(c))
#define PROBE4(name, a, b, c, d)                                                                   \
	PROBE_ASM(name, "8@%0 8@%1 8@%2 8@%3", PROBE_ARG(a), PROBE_ARG(b), PROBE_ARG(c),           \
		PROBE_ARG(d))
#define PROBE5(name, a, b, c, d, e)                                                                \
	PROBE_ASM(name, "8@%0 8@%1 8@%2 8@%3 8@%4", PROBE_ARG(a), PROBE_ARG(b), PROBE_ARG(c),      \
		PROBE_ARG(d), PROBE_ARG(e))
#define PROBE6(name, a, b, c, d, e, f)                                                             \
	PROBE_ASM(name, "8@%0 8@%1 8@%2 8@%3 8@%4 8@%5", PROBE_ARG(a), PROBE_ARG(b), PROBE_ARG(c), \
		PROBE_ARG(d), PROBE_ARG(e), PROBE_ARG(f))

#else

#define PROBE3(name, a, b, c)	    ((void)(a), (void)(b), (void)(c))
#define PROBE4(name, a, b, c, d)    ((void)(a), (void)(b), (void)(c), (void)(d))
#define PROBE5(name, a, b, c, d, e) ((void)(a), (void)(b), (void)(c), (void)(d), (void)(e))
#define PROBE6(name, a, b, c, d, e, f)                                                             \
	((void)(a), (void)(b), (void)(c), (void)(d), (void)(e), (void)(f))

#endif
