/* What a careful person writes by hand for the two packets: every check that the document asks for, one error code.
 *
 * Structs are flat, bytes stay where they are, rows and settings are checked before they are believed; an encoder
 * refuses what a decoder would. Enumerations stay numbers, and what is reserved is kept. */

#include <string.h>

#include "candidate.h"

typedef enum { OK = 0, SHORT, LONG, BAD_VERSION, BAD_CRC, BAD_VALUE, BAD_COUNT, NO_ROOM } status;

typedef struct {
    uint64_t time;
    uint16_t gain;
} exposure;

typedef struct {
    uint64_t frame, t_first_row, size;
    uint32_t request, pixel_format, line_period, blocks;
    uint16_t kind, width, height, x, y, block_bytes;
    uint8_t stream, step, codec, row_direction, exposures_count;
    exposure exposures[3];
    const uint8_t *settings;
    size_t settings_size;
} frame_leader;

typedef struct {
    uint32_t frame_lo, block;
    uint16_t line0, lines, spare;
    uint8_t roi, flags;
    const uint8_t *data;
    size_t data_size;
} frame_block;

typedef struct {
    uint64_t t_ns;
    uint16_t txn;
    uint8_t rsp, spare2, more, spare0, type, vc, instance, code;
    union {
        frame_leader leader;
        frame_block block;
    } body;
} packet;

/* -- Numbers -------------------------------------------------------------------------------------------------- */

static inline uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }
static inline void put16(uint8_t *p, uint16_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
}
static inline void put32(uint8_t *p, uint32_t x)
{
    put16(p, (uint16_t)x);
    put16(p + 2, (uint16_t)(x >> 16));
}
static inline void put64(uint8_t *p, uint64_t x)
{
    put32(p, (uint32_t)x);
    put32(p + 4, (uint32_t)(x >> 32));
}

static uint32_t crc_table[256];

__attribute__((constructor)) static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t x = i;
        for (int k = 0; k < 8; k++) x = x & 1 ? x >> 1 ^ 0x82f63b78u : x >> 1;
        crc_table[i] = x;
    }
}

static uint32_t crc32c(const uint8_t *p, size_t n)
{
    uint32_t x = ~0u;
    while (n-- > 0) x = x >> 8 ^ crc_table[(x ^ *p++) & 255];
    return ~x;
}

/* -- Settings: TLVs of known and unknown tags ------------------------------------------------------------------- */

static bool setting_is_legal(unsigned tag, const uint8_t *p, size_t n)
{
    switch (tag) {
    case 0x0101: return n == 8 && get64(p) != 0;                          /* exposure */
    case 0x0106: case 0x0305: return n == 4 && get32(p) != 0;             /* frame rate, focal length */
    case 0x0102: case 0x0201: case 0x0306: case 0x0401: case 0x0502:      /* gain, white balance, speeds, rates */
        return n == 2 && get16(p) != 0;
    case 0x0104: case 0x0203: case 0x0303: case 0x0304: case 0x0601: return n == 2;
    case 0x0301: case 0x0512: case 0x0602: case 0x0605: return n == 4;    /* focus position, energies, counts */
    case 0x0604: return n == 8;                                           /* wall clock */
    case 0x0404: case 0x0513: return n == 1 && p[0] <= 100;               /* lamp, flash charge */
    case 0x0701: return n == 2 && get16(p) <= 1000;                       /* battery level */
    case 0x0103: case 0x0105: case 0x0202: case 0x0204: case 0x0302: case 0x0402: case 0x0403: case 0x0501:
    case 0x0511: case 0x0603: case 0x0702: case 0x0703: case 0x0801: case 0x0802:
        return n == 1;                                                    /* modes and switches */
    default: return true;
    }
}

static status check_settings(const uint8_t *p, size_t n)
{
    while (n > 0) {
        size_t size;
        if (n < 4) return SHORT;
        size = get16(p + 2);
        if (n - 4 < size) return SHORT;
        if (!setting_is_legal(get16(p), p + 4, size)) return BAD_VALUE;
        p += 4 + size;
        n -= 4 + size;
    }
    return OK;
}

/* -- Decode ----------------------------------------------------------------------------------------------------- */

static status decode_leader(frame_leader *v, const uint8_t *p, size_t n)
{
    unsigned i;

    if (n < 57) return SHORT;
    v->frame = get64(p);
    v->request = get32(p + 8);
    v->stream = p[12];
    v->step = p[13];
    v->kind = get16(p + 14);
    v->pixel_format = get32(p + 16);
    v->codec = p[20];
    v->width = get16(p + 21);
    v->height = get16(p + 23);
    v->x = get16(p + 25);
    v->y = get16(p + 27);
    v->t_first_row = get64(p + 29);
    v->line_period = get32(p + 37);
    v->row_direction = p[41];
    v->blocks = get32(p + 42);
    v->block_bytes = get16(p + 46);
    v->size = get64(p + 48);
    v->exposures_count = p[56];
    if (v->frame == 0 || v->stream > 3 || v->step > 31 || v->width == 0 || v->height == 0) return BAD_VALUE;
    if (v->blocks == 0 || v->block_bytes == 0 || v->block_bytes > 32768 || v->size == 0) return BAD_VALUE;
    if (v->exposures_count == 0 || v->exposures_count > 3) return BAD_COUNT;
    p += 57;
    n -= 57;
    if (n < 10u * v->exposures_count) return SHORT;
    for (i = 0; i < v->exposures_count; i++) {
        v->exposures[i].time = get64(p);
        v->exposures[i].gain = get16(p + 8);
        if (v->exposures[i].time == 0 || v->exposures[i].gain == 0) return BAD_VALUE;
        p += 10;
        n -= 10;
    }
    v->settings = p;
    v->settings_size = n;
    return check_settings(p, n);
}

static status decode_block(frame_block *v, const uint8_t *p, size_t n)
{
    if (n < 17) return SHORT;
    if (n > 16 + 32768) return BAD_COUNT;
    v->frame_lo = get32(p);
    v->block = get32(p + 4);
    v->line0 = get16(p + 8);
    v->lines = get16(p + 10);
    v->roi = p[12];
    v->flags = p[13];
    v->spare = get16(p + 14);
    v->data = p + 16;
    v->data_size = n - 16;
    return v->roi > 16 ? BAD_VALUE : OK;
}

static status decode_packet(packet *v, const uint8_t *p, size_t n, bool crc)
{
    size_t length;

    if (n < 20) return SHORT;
    length = get16(p + 4);
    if (n < 20 + length) return SHORT;
    if (n > 20 + length) return LONG;
    if (crc && crc32c(p, 16 + length) != get32(p + 16 + length)) return BAD_CRC;
    if (p[0] >> 4 != 1) return BAD_VERSION;
    v->rsp = p[0] >> 3 & 1;
    v->spare2 = p[0] >> 2 & 1;
    v->more = p[0] >> 1 & 1;
    v->spare0 = p[0] & 1;
    v->type = p[1];
    v->vc = p[2] >> 4;
    v->instance = p[2] & 15;
    v->code = p[3];
    v->txn = get16(p + 6);
    v->t_ns = get64(p + 8);
    if (v->rsp || v->txn) return BAD_VALUE; /* both are events */
    switch (v->type) {
    case LEADER: return decode_leader(&v->body.leader, p + 16, length);
    case BLOCK: return decode_block(&v->body.block, p + 16, length);
    default: return BAD_VALUE;
    }
}

/* -- Encode ----------------------------------------------------------------------------------------------------- */

static status encode_leader(const frame_leader *v, uint8_t *p, size_t room, size_t *used)
{
    unsigned i;
    status found;

    if (v->frame == 0 || v->stream > 3 || v->step > 31 || v->width == 0 || v->height == 0) return BAD_VALUE;
    if (v->blocks == 0 || v->block_bytes == 0 || v->block_bytes > 32768 || v->size == 0) return BAD_VALUE;
    if (v->exposures_count == 0 || v->exposures_count > 3) return BAD_COUNT;
    if (room < 57u + 10u * v->exposures_count || room - 57u - 10u * v->exposures_count < v->settings_size) return NO_ROOM;
    found = check_settings(v->settings, v->settings_size);
    if (found != OK) return found;
    put64(p, v->frame);
    put32(p + 8, v->request);
    p[12] = v->stream;
    p[13] = v->step;
    put16(p + 14, v->kind);
    put32(p + 16, v->pixel_format);
    p[20] = v->codec;
    put16(p + 21, v->width);
    put16(p + 23, v->height);
    put16(p + 25, v->x);
    put16(p + 27, v->y);
    put64(p + 29, v->t_first_row);
    put32(p + 37, v->line_period);
    p[41] = v->row_direction;
    put32(p + 42, v->blocks);
    put16(p + 46, v->block_bytes);
    put64(p + 48, v->size);
    p[56] = v->exposures_count;
    *used = 57u + 10u * v->exposures_count + v->settings_size;
    p += 57;
    for (i = 0; i < v->exposures_count; i++) {
        if (v->exposures[i].time == 0 || v->exposures[i].gain == 0) return BAD_VALUE;
        put64(p, v->exposures[i].time);
        put16(p + 8, v->exposures[i].gain);
        p += 10;
    }
    memcpy(p, v->settings, v->settings_size);
    return OK;
}

static status encode_block(const frame_block *v, uint8_t *p, size_t room, size_t *used)
{
    if (v->roi > 16) return BAD_VALUE;
    if (v->data_size == 0 || v->data_size > 32768) return BAD_COUNT;
    if (room < 16 || room - 16 < v->data_size) return NO_ROOM;
    put32(p, v->frame_lo);
    put32(p + 4, v->block);
    put16(p + 8, v->line0);
    put16(p + 10, v->lines);
    p[12] = v->roi;
    p[13] = v->flags;
    put16(p + 14, v->spare);
    memcpy(p + 16, v->data, v->data_size);
    *used = 16 + v->data_size;
    return OK;
}

static status encode_packet(const packet *v, uint8_t *out, size_t room, bool crc, size_t *used)
{
    size_t n = 0;
    status found;

    if (room < 20) return NO_ROOM;
    if (v->rsp > 1 || v->spare2 > 1 || v->more > 1 || v->spare0 > 1 || v->vc > 15 || v->instance > 15) return BAD_VALUE;
    switch (v->type) {
    case LEADER: found = encode_leader(&v->body.leader, out + 16, room - 20, &n); break;
    case BLOCK: found = encode_block(&v->body.block, out + 16, room - 20, &n); break;
    default: return BAD_VALUE;
    }
    if (found != OK) return found;
    if (n > 65535) return BAD_COUNT;
    out[0] = (uint8_t)(1 << 4 | v->rsp << 3 | v->spare2 << 2 | v->more << 1 | v->spare0);
    out[1] = v->type;
    out[2] = (uint8_t)(v->vc << 4 | v->instance);
    out[3] = v->code;
    put16(out + 4, (uint16_t)n);
    put16(out + 6, v->txn);
    put64(out + 8, v->t_ns);
    put32(out + 16 + n, crc ? crc32c(out, 16 + n) : 0);
    *used = 20 + n;
    return OK;
}

/* -- To be measured --------------------------------------------------------------------------------------------- */

static bool decode(packet *v, const uint8_t *data, size_t n, bool crc) { return decode_packet(v, data, n, crc) == OK; }

static size_t encode(const packet *v, uint8_t *out, size_t size, bool crc)
{
    size_t used = 0;
    return encode_packet(v, out, size, crc, &used) == OK ? used : 0;
}

static size_t told(const packet *v, int64_t *out)
{
    int64_t *const begin = out;
    const uint8_t head[] = {v->rsp, v->spare2, v->more, v->spare0, v->type, v->vc, v->instance, v->code};
    for (size_t i = 0; i < sizeof head; i++) *out++ = head[i];
    *out++ = v->txn;
    *out++ = (int64_t)v->t_ns;
    if (v->type == LEADER) {
        const frame_leader *b = &v->body.leader;
        const uint64_t all[] = {b->frame, b->request, b->stream, b->step, b->kind, b->pixel_format, b->codec, b->width,
            b->height, b->x, b->y, b->t_first_row, b->line_period, b->row_direction, b->blocks, b->block_bytes, b->size,
            b->exposures[0].time, b->exposures[0].gain};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) *out++ = (int64_t)all[i];
    } else {
        const frame_block *b = &v->body.block;
        const uint64_t all[] = {b->frame_lo, b->block, b->line0, b->lines, b->roi, b->flags, b->spare};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) *out++ = (int64_t)all[i];
    }
    return (size_t)(out - begin);
}

CANDIDATE(packet)
