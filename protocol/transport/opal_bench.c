/* The bench binding in C, for POSIX: the session of `opalink.protocol.transport.session` over an opal_iut.
 *
 *     cc -std=c99 -o my_module my_module.c opal_bench.c opal.c
 *
 * It knows records, lanes and time; the implementation knows packets and operations. The layouts of the records are
 * those of the generated codec. Memory is static and does not grow: a record above the limit ends the connection
 * before anything of its payload is kept.
 *
 * Plan: state · what goes out · time · operations · what comes in · the loop.
 */

#define _POSIX_C_SOURCE 200809L

#include "opal_bench.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "opal.h"

/* -- State ----------------------------------------------------------------------------------------------------- */

enum { HEADER = 16, LONGEST = HEADER + (int)OPAL_IUT_ROOM, ANSWER = 4096, STANDSTILL = 10000 };

#define BOTH (1u << OPAL_Lane_SIDEBAND | 1u << OPAL_Lane_LASER)

static struct {
    const opal_iut *iut;
    int out;
    bool gone;              /* the tester takes no more bytes */
    const char *fault;      /* why the connection has to end */
    uint8_t clock, plane;   /* as bound; 0 if not */
    bool together;          /* the sides are */
    unsigned up;            /* lanes that carry, a bit each */
    uint64_t now, epoch;
    size_t held, waiting;   /* bytes in `in` and in `sent` */
    opal_buffer kept;       /* records that have to wait for the next CLOCK: virtual time stands still */
    uint8_t in[LONGEST], sent[2 * LONGEST], packet[OPAL_IUT_ROOM], keeping[16 * LONGEST];
} bench;

static size_t length_of(const uint8_t *header) {
    return (size_t)header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16 | (size_t)header[3] << 24;
}

static uint64_t monotonic(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -- What goes out --------------------------------------------------------------------------------------------- */

static void flush(void) {
    for (size_t done = 0; done < bench.waiting && !bench.gone;) {
        ssize_t n = write(bench.out, bench.sent + done, bench.waiting - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            (void)poll(&(struct pollfd){.fd = bench.out, .events = POLLOUT}, 1, -1);
        else if (n == 0 || errno != EINTR)
            bench.gone = true;
    }
    bench.waiting = 0;
}

static void append(const uint8_t *data, size_t n) {
    if (n > sizeof bench.sent - bench.waiting) flush();
    memcpy(bench.sent + bench.waiting, data, n);
    bench.waiting += n;
}

static void put(opal_Record record) {
    static uint8_t made[LONGEST];
    opal_buffer out = {.at = made, .n = 0, .size = sizeof made};
    opal_error error;
    if (opal_encode_Record(&record, &out, &error) != OPAL_OK) bench.fault = "a record cannot be encoded";
    append(made, out.n);
}

/* A record of a kind, from a buffer in which its body has been encoded. */
#define ANSWERS(kind_, type, value)                                                              \
    do {                                                                                         \
        uint8_t body_[ANSWER + 64];                                                              \
        opal_buffer made_ = {.at = body_, .n = 0, .size = sizeof body_};                         \
        opal_error error_;                                                                       \
        if (opal_encode_##type(value, &made_, &error_) != OPAL_OK)                               \
            bench.fault = "the body of a " #type " record cannot be encoded";                    \
        put((opal_Record){.kind = kind_, .payload = {.at = body_, .n = made_.n}});               \
    } while (0)

static bool carries(uint8_t lane) { return lane < 8 && bench.up >> lane & 1; }

/* Hand over what the implementation has sent, or keep it as long as time stands still. */
static void release(bool still) {
    uint8_t lane = OPAL_Lane_NONE;
    size_t n;
    while (!bench.gone && !bench.fault && (n = bench.iut->take(&lane, bench.packet)) != 0) {
        if (n > OPAL_IUT_ROOM) {
            bench.fault = "the implementation sends more than there is room for";
            return;
        }
        opal_Record record = {
            .kind = bench.plane == OPAL_Plane_FLIT ? OPAL_RecordKind_FLIT : OPAL_RecordKind_PACKET, .lane = lane,
            .timed = 1, .time = bench.now, .payload = {.at = bench.packet, .n = n}};
        opal_error error;
        if (!still) {
            if (carries(lane)) put(record); /* else it is lost */
        } else if (opal_encode_Record(&record, &bench.kept, &error) != OPAL_OK)
            bench.fault = "the implementation sends too much while time stands still";
    }
}

/* Time goes on: what was kept leaves, on the lanes that carry by now. */
static void let_go(void) {
    opal_Record record;
    opal_error error;
    for (opal_span rest = {.at = bench.keeping, .n = bench.kept.n}; rest.n >= HEADER;) {
        size_t n = HEADER + length_of(rest.at);
        if (opal_decode_Record(&record, (opal_span){.at = rest.at, .n = n}, &error) == OPAL_OK && carries(record.lane))
            append(rest.at, n);
        rest = (opal_span){.at = rest.at + n, .n = rest.n - n};
    }
    bench.kept.n = 0;
}

/* -- Time ------------------------------------------------------------------------------------------------------ */

/* Let time pass up to `until`, stopping wherever the implementation wants to run. */
static void run(uint64_t until) {
    unsigned still = 0;
    uint64_t due;
    while (!bench.gone && !bench.fault && (due = bench.iut->next()) <= until && due != OPAL_IUT_NEVER) {
        still = due <= bench.now ? still + 1 : 0;
        if (still > STANDSTILL) bench.fault = "the implementation wants to run again and again at the same time";
        if (due > bench.now) bench.now = due;
        bench.iut->advance(bench.now);
        release(false);
    }
    bench.now = until;
}

/* In real time, catch up with it. */
static void catch_up(void) {
    if (bench.clock == OPAL_ClockMode_REAL) run(monotonic() - bench.epoch);
}

static void set_clock(opal_span payload) {
    opal_ClockSet set;
    opal_error error;
    if (opal_decode_ClockSet(&set, payload, &error) != OPAL_OK || set.now < bench.now) set.now = bench.now;
    let_go();
    run(set.now);
    if (bench.fault) return;
    opal_ClockAnswer answer = {.now = bench.now, .next = bench.iut->next()};
    ANSWERS(OPAL_RecordKind_CLOCK, ClockAnswer, &answer);
}

/* -- Operations ------------------------------------------------------------------------------------------------ */

/* The lane of LANE_DOWN and LANE_UP as a bit; 0 if that is none that carries something. */
static unsigned lane_of(opal_tlv asked) {
    opal_LaneDownOperation down;
    opal_error error;
    if (opal_decode_LaneDownOperation(&down, asked.value, &error) != OPAL_OK || down.lane >= 8) return 0;
    return 1u << down.lane & BOTH;
}

static uint8_t operate(opal_tlv asked, uint8_t *answer, size_t *written) {
    bool of_a_lane = asked.tag == OPAL_OperationTag_LANE_DOWN || asked.tag == OPAL_OperationTag_LANE_UP;
    if (of_a_lane && (!bench.together || !lane_of(asked))) return OPAL_Outcome_FAILED;
    uint8_t outcome =
        bench.iut->operate(asked.tag, asked.value.at, asked.value.n, bench.now, answer, ANSWER, written);
    if (*written > ANSWER) bench.fault = "an operation has answered more than there is room for";
    if (outcome != OPAL_Outcome_DONE || bench.fault) {
        *written = 0;
        return outcome;
    }
    switch (asked.tag) {
    case OPAL_OperationTag_ATTACH: bench.together = true, bench.up = BOTH; break;
    case OPAL_OperationTag_DETACH: bench.together = false, bench.up = 0; break;
    case OPAL_OperationTag_LANE_DOWN: bench.up &= ~lane_of(asked); break;
    case OPAL_OperationTag_LANE_UP: bench.up |= lane_of(asked); break;
    default: break;
    }
    return outcome;
}

static unsigned u16(const uint8_t *p) { return p[0] | (unsigned)p[1] << 8; }

static void control(opal_span payload) {
    enum { SEQ = 2, TLV = 4 }; /* bytes of a number, and of a tag with its length */
    opal_ControlRequest request;
    opal_error error;
    uint8_t answer[ANSWER];
    opal_tlv asked;
    size_t written = 0;
    opal_ControlResult result = {.result = OPAL_Outcome_FAILED};
    if (payload.n > 0) result.seq = payload.at[0];
    if (payload.n > 1) result.seq = (uint16_t)u16(payload.at);
    if (payload.n >= SEQ + TLV && payload.n == SEQ + TLV + (size_t)u16(payload.at + 4)) { /* exactly one */
        unsigned tag = u16(payload.at + SEQ);
        if (tag >= 64 || !(bench.iut->operations >> tag & 1))
            result.result = OPAL_Outcome_UNSUPPORTED;
        else if (opal_decode_ControlRequest(&request, payload, &error) == OPAL_OK &&
                 opal_next_tlv(&request.operation, &asked))
            result.result = operate(asked, answer, &written);
    }
    result.answer = (opal_span){.at = answer, .n = written};
    ANSWERS(OPAL_RecordKind_CONTROL, ControlResult, &result);
}

/* -- What comes in --------------------------------------------------------------------------------------------- */

static bool one_of(uint8_t flag, unsigned offered) {
    return flag != 0 && (flag & (flag - 1)) == 0 && (flag & offered) == flag;
}

static void bind(opal_span payload) {
    const opal_iut *iut = bench.iut;
    const unsigned clocks = OPAL_ClockMode_REAL | OPAL_ClockMode_VIRTUAL;
    opal_Bind asked;
    opal_error error;
    if (opal_decode_Bind(&asked, payload, &error) != OPAL_OK) memset(&asked, 0, sizeof asked);
    bool accepted = one_of(asked.planes, iut->planes) && one_of(asked.clocks, clocks);
    bench.plane = accepted ? asked.planes : OPAL_Plane_PACKET;
    bench.clock = accepted ? asked.clocks : 0;
    bench.now = 0;
    bench.epoch = monotonic();
    bench.together = !(iut->operations & OPAL_Operation_ATTACH); /* what nobody can attach from outside, is */
    bench.up = bench.together ? BOTH : 0;
    bench.kept.n = 0;
    iut->begin(bench.plane, asked.seed);
    size_t length = strnlen(iut->name, 64);
    opal_Bind answer = {
        .version = 1, .role = iut->role, .planes = iut->planes, .clocks = (uint8_t)clocks,
        .operations = iut->operations, .name = {.at = (const uint8_t *)iut->name, .n = length}};
    ANSWERS(OPAL_RecordKind_BIND, Bind, &answer);
}

static void take(const opal_Record *record) {
    bool carried = record->kind == OPAL_RecordKind_PACKET || record->kind == OPAL_RecordKind_FLIT;
    if (record->kind == OPAL_RecordKind_BIND)
        bind(record->payload);
    else if (!bench.clock)
        return;
    else if (carried && (record->kind == OPAL_RecordKind_FLIT) == (bench.plane == OPAL_Plane_FLIT)) {
        if (carries(record->lane))
            bench.iut->receive(record->lane, record->payload.at, record->payload.n, bench.now);
    } else if (record->kind == OPAL_RecordKind_CLOCK && bench.clock == OPAL_ClockMode_VIRTUAL)
        set_clock(record->payload);
    else if (record->kind == OPAL_RecordKind_CONTROL)
        control(record->payload);
    if (bench.clock) release(bench.clock == OPAL_ClockMode_VIRTUAL);
}

/* Take the records that are whole from what is held. */
static void feed(void) {
    size_t at = 0;
    while (!bench.gone && !bench.fault && bench.held - at >= HEADER) {
        const uint8_t *p = bench.in + at;
        size_t length = length_of(p);
        if (length > OPAL_IUT_ROOM) {
            bench.fault = "a record is above the limit";
            return;
        }
        if (HEADER + length > bench.held - at) break;
        opal_Record record;
        opal_error error;
        if (opal_decode_Record(&record, (opal_span){.at = p, .n = HEADER + length}, &error) == OPAL_OK) take(&record);
        at += HEADER + length;
    }
    bench.held -= at;
    memmove(bench.in, bench.in + at, bench.held);
}

/* -- The loop -------------------------------------------------------------------------------------------------- */

/* Milliseconds until the implementation wants to run, for `poll`; -1 if bytes must arrive first. */
static int patience(void) {
    uint64_t due = bench.clock == OPAL_ClockMode_REAL ? bench.iut->next() : OPAL_IUT_NEVER;
    if (due == OPAL_IUT_NEVER) return -1;
    uint64_t now = monotonic() - bench.epoch;
    if (due <= now) return 0;
    return due - now > 60000000000u ? 60000 : (int)((due - now + 999999u) / 1000000u);
}

int opal_bench_serve(const opal_iut *iut, int in, int out) {
    memset(&bench, 0, sizeof bench);
    bench.iut = iut;
    bench.out = out;
    bench.kept = (opal_buffer){.at = bench.keeping, .n = 0, .size = sizeof bench.keeping};
    while (!bench.gone && !bench.fault) {
        struct pollfd ready = {.fd = in, .events = POLLIN};
        int found = poll(&ready, 1, patience());
        if (found < 0 && errno != EINTR) break;
        ssize_t n = found > 0 ? read(in, bench.in + bench.held, sizeof bench.in - bench.held) : -1;
        if (found > 0 && (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))) break;
        catch_up();
        if (n > 0) {
            bench.held += (size_t)n;
            feed();
        }
        flush();
    }
    if (!bench.fault) return 0;
    (void)fprintf(stderr, "The connection ends: %s.\n", bench.fault);
    return 1;
}

int opal_bench_stdio(const opal_iut *iut) {
    int out = dup(STDOUT_FILENO);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return 1;
    return opal_bench_serve(iut, STDIN_FILENO, out);
}
