/* What an implementation of OPAL is to those that run it in one process: a table of functions.
 *
 *     opalink certify cabi:./libmodule.so      a shared library that exports `opal_iut_get`
 *     return opal_bench_stdio(opal_iut_get())  the same source as a program; see opal_bench.h
 *
 * Bytes go in, bytes come out, and the time is an argument: no thread, no clock, no socket, no callback. Fuzzers and
 * firmware share this header; C99 alone is needed, and opal.h for the names of the numbers.
 *
 * Whoever runs an implementation calls it from one thread. `begin` comes before all else. Times are nanoseconds since
 * `begin` and never go back. Pointers are valid during the call that gets them.
 */

#ifndef OPAL_IUT_H
#define OPAL_IUT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this table: another means that one of its members has changed. */
#define OPAL_IUT_ABI 1u

/* As a time: not at all. */
#define OPAL_IUT_NEVER UINT64_MAX

/* The longest packet that a header can describe, legal or not: neither side ever hands over more. */
#define OPAL_IUT_ROOM 65555u

typedef struct {
    uint32_t abi;        /* OPAL_IUT_ABI */
    uint8_t role;        /* what it is: an OPAL_BindRole_, not the tester */
    uint8_t planes;      /* what its lanes can carry: OPAL_Plane_ flags */
    uint64_t operations; /* what `operate` carries out: OPAL_Operation_ flags */
    const char *name;    /* what it is called, with its version: 1 to 64 bytes of UTF-8 */

    /* Begin anew: as after a cold reset, with the contacts open, at time 0, the lanes carrying what one OPAL_Plane_
     * says. `seed` begins whatever is drawn at random, so that the same calls give the same bytes; 0 leaves it free. */
    void (*begin)(uint8_t plane, uint64_t seed);

    /* Take what has arrived on an OPAL_Lane_, whether or not it is a packet. */
    void (*receive)(uint8_t lane, const uint8_t *data, size_t n, uint64_t now);

    /* Run what is due. It is called at each time that `next` gave, however many there are on the way. */
    void (*advance)(uint64_t now);

    /* When it next wants to run, if nothing arrives before: later than the last `advance`, or OPAL_IUT_NEVER. */
    uint64_t (*next)(void);

    /* Give the oldest of what it has sent and not yet given: the lane in `lane`, the bytes at `data`, which has room
     * for OPAL_IUT_ROOM; returns how many, 0 if there is none. It is called after each of the others until it gives
     * nothing, so what it gives has left at the time that they were told. */
    size_t (*take)(uint8_t *lane, uint8_t *data);

    /* Carry out an operation of the upper tester, an OPAL_OperationTag_ among `operations`, with the `n` bytes of its
     * value as opal_decode_AttachOperation and the like take them. Returns an OPAL_Outcome_; one that reads something
     * appends its answer as a TLV with `opal_begin_tlv` and `opal_end_tlv` to a buffer of `room` bytes at `answer`,
     * and says in `written`, which is 0 before, how many they are. */
    uint8_t (*operate)(uint16_t tag, const uint8_t *value, size_t n, uint64_t now, uint8_t *answer, size_t room,
                       size_t *written);
} opal_iut;

/* The one symbol that a library exports. The table lives as long as the process. */
const opal_iut *opal_iut_get(void);

#ifdef __cplusplus
}
#endif

#endif
