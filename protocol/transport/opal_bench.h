/* The bench binding in C: an implementation behind opal_iut.h, at the end of a stream of bytes. */

#ifndef OPAL_BENCH_H
#define OPAL_BENCH_H

#include "opal_iut.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Serve the tester whose records come from one descriptor and go to another, until it goes: a pipe, a socket, a
 * serial line in raw mode. Both planes' rules, both clocks. Returns what a program should end with: 0 when the tester
 * has gone, 1 when the binding was broken, with a sentence on standard error. */
int opal_bench_serve(const opal_iut *iut, int in, int out);

/* The same over standard input and output. What the implementation prints meanwhile goes to standard error: among the
 * records it would be taken for one. */
int opal_bench_stdio(const opal_iut *iut);

#ifdef __cplusplus
}
#endif

#endif
