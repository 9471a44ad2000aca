/* nanopb with the same values, in the encoding of Protocol Buffers. A block's data is a view of what was received, by
 * a callback, which is the quickest way that nanopb has. No CRC: it has none. */

#include <pb_decode.h>
#include <pb_encode.h>

#include "candidate.h"
#include "opal.pb.h"

typedef struct {
    const uint8_t *at;
    size_t n;
} view;

typedef struct {
    opal_Packet packet;
    view data;
} packet;

static bool take_view(pb_istream_t *stream, const pb_field_t *field, void **to)
{
    view *v = *to;
    (void)field;
    v->at = stream->state; /* of a stream over memory: where it is */
    v->n = stream->bytes_left;
    return pb_read(stream, NULL, stream->bytes_left);
}

static bool give_view(pb_ostream_t *stream, const pb_field_t *field, void *const *from)
{
    const view *v = *from;
    return pb_encode_tag_for_field(stream, field) && pb_encode_string(stream, v->at, v->n);
}

static bool decode(packet *v, const uint8_t *data, size_t n, bool crc)
{
    pb_istream_t in = pb_istream_from_buffer(data, n);
    (void)crc;
    v->packet.block.data.funcs.decode = take_view;
    v->packet.block.data.arg = &v->data;
    return pb_decode(&in, opal_Packet_fields, &v->packet);
}

static size_t encode(packet *v, uint8_t *at, size_t size, bool crc)
{
    pb_ostream_t out = pb_ostream_from_buffer(at, size);
    (void)crc;
    v->packet.block.data.funcs.encode = give_view;
    v->packet.block.data.arg = &v->data;
    return pb_encode(&out, opal_Packet_fields, &v->packet) ? out.bytes_written : 0;
}

static size_t told(const packet *v, int64_t *out)
{
    int64_t *const begin = out;
    const opal_Packet *p = &v->packet;
    const int64_t head[] = {p->rsp, p->spare2, p->more, p->spare0, p->type, p->vc, p->instance, p->status, p->txn,
                            (int64_t)p->t_ns};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) *out++ = head[i];
    if (p->type == LEADER) {
        const opal_FrameLeader *b = &p->leader;
        const uint64_t all[] = {b->frame, b->request, b->stream, b->step, b->kind, b->pixel_format, b->codec, b->width,
            b->height, b->x, b->y, b->t_first_row, b->line_period, b->row_direction, b->blocks, b->block_bytes, b->size,
            b->exposures[0].time, b->exposures[0].gain};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) *out++ = (int64_t)all[i];
    } else {
        const opal_FrameBlock *b = &p->block;
        const uint64_t all[] = {b->frame_lo, b->block, b->line0, b->lines, b->roi, b->flags, b->spare};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) *out++ = (int64_t)all[i];
    }
    return (size_t)(out - begin);
}

CANDIDATE(packet)
