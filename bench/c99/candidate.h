/* What a codec in C exports to be measured: see __init__.py.
 *
 * A candidate defines `packet`, and the four functions below of it; this header makes of them what is called from
 * outside. Samples are decoded before encoding is timed, so neither has any part in the other. */

#ifndef CANDIDATE_H
#define CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const uint8_t *at;
    size_t n;
} sample;

enum { LEADER = 0x70, BLOCK = 0x71, LARGEST = 8400, PAGE = 4096, LINE = 64 };

/* Where encoders find the bytes of samples, and where they write: in the same places within a page for every
 * candidate, for on these depends how quickly bytes are copied. */
static struct {
    uint8_t out[(LARGEST / PAGE + 1) * PAGE];
    uint8_t in[8 * PAGE];
} bench __attribute__((aligned(PAGE)));

/* All that the compiler knows of a value is that somebody needs it, and may have changed it. */
#define NEEDED(value) __asm__ volatile("" : : "r"(value) : "memory")

#define CANDIDATE(packet) \
    /* Decodes every sample so many times; how often that worked. */ \
    size_t run_decode(const sample *s, size_t n, size_t rounds, int crc) \
    { \
        size_t done = 0, i; \
        while (rounds-- > 0) { \
            for (i = 0; i < n; i++) { \
                packet v; \
                done += decode(&v, s[i].at, s[i].n, crc != 0); \
                NEEDED(&v); \
            } \
        } \
        return done; \
    } \
    size_t run_encode(const sample *s, size_t n, size_t rounds, int crc) \
    { \
        packet *v = calloc(n, sizeof *v); \
        size_t done = 0, at = 0, i; \
        for (i = 0; v != NULL && i < n; i++) { \
            if (s[i].n > sizeof bench.in - at) { \
                free(v); \
                return 0; \
            } \
            memcpy(bench.in + at, s[i].at, s[i].n); \
            if (!decode(&v[i], bench.in + at, s[i].n, true)) { \
                free(v); \
                return 0; \
            } \
            at += (s[i].n + LINE - 1) / LINE * LINE; \
        } \
        while (v != NULL && rounds-- > 0) { \
            for (i = 0; i < n; i++) { \
                NEEDED(&v[i]); \
                done += encode(&v[i], bench.out, LARGEST, crc != 0) != 0; \
                NEEDED(bench.out); \
            } \
        } \
        free(v); \
        return done; \
    } \
    /* A sample decoded and encoded again; the number of bytes, none where either was refused. */ \
    size_t again(const uint8_t *data, size_t n, uint8_t *out, size_t size) \
    { \
        packet v; \
        return decode(&v, data, n, true) ? encode(&v, out, size, true) : 0; \
    } \
    /* Its numbers in the order of the declaration; how many. */ \
    size_t numbers(const uint8_t *data, size_t n, int64_t *out) \
    { \
        packet v; \
        return decode(&v, data, n, true) ? told(&v, out) : 0; \
    }

#endif
