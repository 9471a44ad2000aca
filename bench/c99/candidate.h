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

typedef struct {
    const uint8_t *at;
    size_t n;
} sample;

enum { LEADER = 0x70, BLOCK = 0x71, LARGEST = 8400 };

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
        static uint8_t out[LARGEST] __attribute__((aligned(64))); \
        packet *v = calloc(n, sizeof *v); \
        size_t done = 0, i; \
        for (i = 0; v != NULL && i < n; i++) { \
            if (!decode(&v[i], s[i].at, s[i].n, true)) { \
                free(v); \
                return 0; \
            } \
        } \
        while (v != NULL && rounds-- > 0) { \
            for (i = 0; i < n; i++) { \
                NEEDED(&v[i]); \
                done += encode(&v[i], out, sizeof out, crc != 0) != 0; \
                NEEDED(out); \
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
