/* The implementation of `Twin` in test_opal_bench.py, in C: it sends back what it hears, and again later. */

#include <string.h>

#include "opal.h"
#include "opal_bench.h"

enum { TIMERS = 64 };

static struct {
    uint64_t due;
    uint8_t lane;
} timer[TIMERS];
static size_t timers, sending, given;
static struct {
    uint8_t lane, data[OPAL_IUT_ROOM];
    size_t n;
} sent[2 * TIMERS];

static void say(uint8_t lane, const uint8_t *data, size_t n) {
    if (sending == 2 * TIMERS || n > sizeof sent[0].data) return;
    sent[sending].lane = lane;
    sent[sending].n = n;
    memcpy(sent[sending++].data, data, n);
}

static void begin(uint8_t plane, uint64_t seed) {
    (void)plane, (void)seed;
    timers = sending = given = 0;
}

static void receive(uint8_t lane, const uint8_t *data, size_t n, uint64_t now) {
    if (n == 0) return;
    say(lane, data, n);
    if (data[0] == 0 || timers == TIMERS) return;
    size_t i = timers++; /* by time; what is due at the same time in the order in which it came */
    for (; i > 0 && timer[i - 1].due > now + data[0]; i--) timer[i] = timer[i - 1];
    timer[i].due = now + data[0];
    timer[i].lane = lane;
}

static void advance(uint64_t now) {
    while (timers && timer[0].due <= now) {
        say(timer[0].lane, (const uint8_t *)"timer", 5);
        memmove(timer, timer + 1, --timers * sizeof timer[0]);
    }
}

static uint64_t next(void) { return timers ? timer[0].due : OPAL_IUT_NEVER; }

static size_t take(uint8_t *lane, uint8_t *data) {
    if (given == sending) {
        given = sending = 0;
        return 0;
    }
    *lane = sent[given].lane;
    memcpy(data, sent[given].data, sent[given].n);
    return sent[given++].n;
}

static uint8_t operate(uint16_t tag, const uint8_t *value, size_t n, uint64_t now, uint8_t *answer, size_t room,
                       size_t *written) {
    opal_buffer out = {.at = answer, .n = 0, .size = room};
    opal_span given = {.at = value, .n = n};
    opal_error error;
    opal_AttachOperation attach;
    opal_LaneDownOperation lane;
    size_t begun;
    (void)now;
    switch (tag) {
    case OPAL_OperationTag_ATTACH:
        return opal_decode_AttachOperation(&attach, given, &error) == OPAL_OK ? OPAL_Outcome_DONE : OPAL_Outcome_FAILED;
    case OPAL_OperationTag_LANE_DOWN:
    case OPAL_OperationTag_LANE_UP:
        return opal_decode_LaneDownOperation(&lane, given, &error) == OPAL_OK ? OPAL_Outcome_DONE : OPAL_Outcome_FAILED;
    case OPAL_OperationTag_VERSION: {
        opal_VersionAnswer said = {.product = {.at = (const uint8_t *)"twin", .n = 4}};
        if (opal_begin_tlv(&out, tag, &begun) == OPAL_OK && opal_encode_VersionAnswer(&said, &out, &error) == OPAL_OK &&
            opal_end_tlv(&out, begun) == OPAL_OK)
            *written = out.n;
        return OPAL_Outcome_DONE;
    }
    default: return OPAL_Outcome_DONE;
    }
}

static const opal_iut TWIN = {
    .abi = OPAL_IUT_ABI, .role = OPAL_BindRole_MODULE, .planes = OPAL_Plane_PACKET | OPAL_Plane_FLIT,
    .operations = OPAL_Operation_ATTACH | OPAL_Operation_DETACH | OPAL_Operation_LANE_DOWN | OPAL_Operation_LANE_UP |
                  OPAL_Operation_VERSION,
    .name = "twin", .begin = begin, .receive = receive, .advance = advance, .next = next, .take = take,
    .operate = operate};

int main(void) { return opal_bench_stdio(&TWIN); }
