/* opalink's generated codec, called as its header says. */

#include "opal.c"

#include "candidate.h"

typedef struct {
    opal_Packet packet;
    union {
        opal_FrameLeader leader;
        opal_FrameBlock block;
    } body;
} packet;

static bool decode(packet *v, const uint8_t *data, size_t n, bool crc)
{
    const opal_span from = {data, n};
    opal_error e;

    if (opal_decode_Packet(&v->packet, from, crc, &e) != OPAL_OK) {
        return false;
    }
    switch (opal_message(&v->packet)) {
    case OPAL_MESSAGE_FRAME_LEADER_EVENT:
        return opal_decode_FrameLeader(&v->body.leader, v->packet.payload, &e) == OPAL_OK;
    case OPAL_MESSAGE_FRAME_BLOCK_EVENT:
        return opal_decode_FrameBlock(&v->body.block, v->packet.payload, &e) == OPAL_OK;
    default:
        return false;
    }
}

/* The body is written in its place, the header around it. */
static size_t encode(packet *v, uint8_t *at, size_t size, bool crc)
{
    opal_buffer out = {at, 16, size};
    opal_error e;
    opal_fault fault;

    switch (opal_message(&v->packet)) {
    case OPAL_MESSAGE_FRAME_LEADER_EVENT:
        fault = opal_encode_FrameLeader(&v->body.leader, &out, &e);
        break;
    case OPAL_MESSAGE_FRAME_BLOCK_EVENT:
        fault = opal_encode_FrameBlock(&v->body.block, &out, &e);
        break;
    default:
        return 0;
    }
    if (fault != OPAL_OK) {
        return 0;
    }
    v->packet.payload.at = at + 16;
    v->packet.payload.n = out.n - 16;
    out.n = 0;
    return opal_encode_Packet(&v->packet, crc, &out, &e) == OPAL_OK ? out.n : 0;
}

static size_t told(const packet *v, int64_t *out)
{
    int64_t *const begin = out;
    const opal_Packet *h = &v->packet;
    const uint8_t head[] = {h->rsp, h->spare2, h->more, h->spare0, h->type, h->vc, h->instance, h->status};
    for (size_t i = 0; i < sizeof head; i++) *out++ = head[i];
    *out++ = h->txn;
    *out++ = (int64_t)h->t_ns;
    if (h->type == LEADER) {
        const opal_FrameLeader *b = &v->body.leader;
        const uint64_t all[] = {b->frame, b->request, b->stream, b->step, b->kind, b->pixel_format, b->codec, b->width,
            b->height, b->x, b->y, b->t_first_row, b->line_period, b->row_direction, b->blocks, b->block_bytes, b->size,
            b->exposures.at[0].time, b->exposures.at[0].gain};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) *out++ = (int64_t)all[i];
    } else {
        const opal_FrameBlock *b = &v->body.block;
        const uint64_t all[] = {b->frame_lo, b->block, b->line0, b->lines, b->roi, b->flags, b->spare};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) *out++ = (int64_t)all[i];
    }
    return (size_t)(out - begin);
}

CANDIDATE(packet)
