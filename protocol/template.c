/* A module in C, to begin your own from: a passive macro tube, without a laser, that boots and can be greeted.
 *
 *     opalink module template my_module.c           writes this and what it is compiled with
 *     cc -std=c99 -o my_module my_module.c opal_bench.c opal.c
 *     opalink smoke stdio:./my_module
 *
 * or as a library, which runs in a process of its own and in virtual time just the same:
 *
 *     cc -std=c99 -shared -fPIC -DOPAL_LIBRARY -o my_module.so my_module.c opal.c
 *     opalink smoke cabi:./my_module.so
 *
 * It has no descriptor yet, refuses what it does not know, and so is far from conformant: `opalink certify` says what
 * comes next. In firmware, everything above "On the bench" stays as it is.
 *
 * Plan: what it is · sending · what it does · on the bench.
 */

#include <string.h>

#include "opal.h"
#include "opal_bench.h"

/* -- What it is ------------------------------------------------------------------------------------------------ */

enum { MAJOR = 1, BOOT = 100000000 /* ns from power to the first BEACON */, NO_LASER = -32768, MOST = 512 };

static struct {
    uint64_t beacon;   /* when the next BEACON is due */
    uint64_t random;   /* a small generator: whatever is drawn must repeat with the seed */
    uint64_t nonce;    /* of this start */
    uint32_t sessions; /* given since this start */
    size_t waiting;    /* bytes in `sent`: one packet, which the bench takes after each call */
    uint8_t sent[MOST];
} me;

static uint64_t drawn(void) {
    me.random = me.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return me.random ^ me.random >> 29;
}

/* -- Sending --------------------------------------------------------------------------------------------------- */

/* A packet of a message with its body, on the one lane there is. */
static void send(opal_Packet packet, uint16_t message, const opal_body *body) {
    uint8_t payload[MOST];
    opal_buffer inside = {.at = payload, .n = 0, .size = sizeof payload};
    opal_buffer whole = {.at = me.sent, .n = 0, .size = sizeof me.sent};
    opal_error error;
    if (opal_encode_body(body, message, &inside, &error) != OPAL_OK) return;
    packet.payload = (opal_span){.at = payload, .n = inside.n};
    if (opal_encode_Packet(&packet, true, &whole, &error) == OPAL_OK) me.waiting = whole.n;
}

static void answer(const opal_Packet *to, uint8_t status, uint16_t message, const opal_body *body, uint64_t now) {
    send((opal_Packet){.rsp = 1, .type = to->type, .vc = to->vc, .instance = to->instance, .status = status,
                       .txn = to->txn, .t_ns = now}, message, body);
}

/* -- What it does ---------------------------------------------------------------------------------------------- */

static void beacon(uint64_t now) {
    opal_body body = {.Beacon = {.major = MAJOR, .role = OPAL_DeviceRole_MODULE, .max_tx = NO_LASER,
                                 .module_class = OPAL_ModuleClass_ELEMENT, .nonce = me.nonce}};
    send((opal_Packet){.type = OPAL_PacketType_BEACON, .vc = OPAL_VirtualChannel_LINK, .t_ns = now},
         OPAL_MESSAGE_BEACON_EVENT, &body);
}

static void hello(const opal_Packet *packet, uint64_t now) {
    opal_body body = {.HelloResponse = {.major = MAJOR, .session = ++me.sessions, .module_nonce = drawn()}};
    answer(packet, OPAL_Status_OK, OPAL_MESSAGE_HELLO_RESPONSE, &body, now);
}

static void receive(uint8_t lane, const uint8_t *data, size_t n, uint64_t now) {
    opal_Packet packet;
    opal_body body;
    opal_error error;
    if (lane != OPAL_Lane_SIDEBAND || me.beacon == OPAL_IUT_NEVER) return;                /* no light; no power */
    if (opal_decode_Packet(&packet, (opal_span){data, n}, true, &error) != OPAL_OK) return; /* damaged: no answer */
    if (packet.rsp || !packet.txn) return;                                          /* a response, or an event */
    if (opal_message(&packet) == OPAL_MESSAGE_HELLO_REQUEST &&
        opal_decode_body(&body, OPAL_MESSAGE_HELLO_REQUEST, packet.payload, &error) == OPAL_OK) {
        hello(&packet, now);
        return;
    }
    body.Refusal = (opal_Refusal){.at = UINT16_MAX};
    answer(&packet, OPAL_Status_NOT_SUPPORTED, OPAL_MESSAGE_HELLO_ERROR, &body, now); /* all refusals look alike */
}

/* -- On the bench ---------------------------------------------------------------------------------------------- */

static void begin(uint8_t plane, uint64_t seed) {
    (void)plane;
    memset(&me, 0, sizeof me);
    me.random = seed;
    me.beacon = OPAL_IUT_NEVER; /* no power yet */
}

static void advance(uint64_t now) {
    if (now < me.beacon) return;
    me.beacon = now + UINT64_C(500000000);
    beacon(now);
}

static uint64_t next(void) { return me.beacon; }

static size_t take(uint8_t *lane, uint8_t *data) {
    size_t n = me.waiting;
    *lane = OPAL_Lane_SIDEBAND;
    memcpy(data, me.sent, n);
    me.waiting = 0;
    return n;
}

static uint8_t operate(uint16_t tag, const uint8_t *value, size_t n, uint64_t now, uint8_t *out, size_t room,
                       size_t *written) {
    (void)value, (void)n, (void)out, (void)room, (void)written; /* of use to operations that carry or read something */
    switch (tag) {
    case OPAL_OperationTag_ATTACH: /* power: it boots */
        me.nonce = drawn();
        me.sessions = 0;
        me.beacon = now + BOOT;
        return OPAL_Outcome_DONE;
    case OPAL_OperationTag_DETACH:
        me.beacon = OPAL_IUT_NEVER;
        me.waiting = 0;
        return OPAL_Outcome_DONE;
    default: return OPAL_Outcome_UNSUPPORTED;
    }
}

static const opal_iut MINE = {
    .abi = OPAL_IUT_ABI, .role = OPAL_BindRole_MODULE, .planes = OPAL_Plane_PACKET,
    .operations = OPAL_Operation_ATTACH | OPAL_Operation_DETACH, .name = "my module 0.1",
    .begin = begin, .receive = receive, .advance = advance, .next = next, .take = take, .operate = operate};

const opal_iut *opal_iut_get(void) { return &MINE; }

#ifndef OPAL_LIBRARY
int main(void) { return opal_bench_stdio(&MINE); }
#endif
