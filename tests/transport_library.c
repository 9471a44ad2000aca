/* A shared library with one bad habit, which the variable HABIT names; without one it is well behaved and does nothing
 * but answer operations. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opal.h"
#include "opal_iut.h"

static uint8_t pending;

static int is(const char *habit) {
    const char *said = getenv("HABIT");
    return said && strcmp(said, habit) == 0;
}

static void begin(uint8_t plane, uint64_t seed) {
    (void)plane, (void)seed;
    if (is("print"))
        for (int i = 0; i < 100000; i++) (void)puts("text on the standard output of a library");
    if (is("silence")) (void)sleep(60);
}

static void receive(uint8_t lane, const uint8_t *data, size_t n, uint64_t now) {
    (void)lane, (void)data, (void)n, (void)now;
    pending = 1;
}

static void advance(uint64_t now) { (void)now; }
static uint64_t next(void) { return is("restless") ? 0 : OPAL_IUT_NEVER; }

static size_t take(uint8_t *lane, uint8_t *data) {
    *lane = OPAL_Lane_LASER;
    memset(data, 0xAA, OPAL_IUT_ROOM);
    if (is("flood")) return OPAL_IUT_ROOM;
    if (is("oversize") && pending) return OPAL_IUT_ROOM + 1;
    return 0;
}

static uint8_t operate(uint16_t tag, const uint8_t *value, size_t n, uint64_t now, uint8_t *answer, size_t room,
                       size_t *written) {
    (void)tag, (void)value, (void)n, (void)now, (void)answer, (void)room;
    if (is("crash")) {
        (void)fputs("about to fall\n", stderr);
        abort();
    }
    if (is("overrun")) *written = room + 1;
    if (is("exit")) exit(7);
    return OPAL_Outcome_DONE;
}

static const opal_iut TABLE = {
    .abi = OPAL_IUT_ABI, .role = OPAL_BindRole_MODULE, .planes = OPAL_Plane_PACKET,
    .operations = OPAL_Operation_ATTACH | OPAL_Operation_VERSION, .name = "library",
    .begin = begin, .receive = receive, .advance = advance, .next = next, .take = take, .operate = operate};

const opal_iut *opal_iut_get(void) {
    static opal_iut other;
    other = TABLE;
    if (is("no table")) return NULL;
    if (is("other version")) other.abi = OPAL_IUT_ABI + 1;
    if (is("no member")) other.take = NULL;
    if (is("crash when loaded")) abort();
    if (is("hang when loaded")) (void)sleep(60);
    return &other;
}
