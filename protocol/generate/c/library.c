static inline uint16_t opal_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (uint32_t)p[1] << 8);
}

static inline uint32_t opal_u24(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline uint32_t opal_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t opal_u64(const uint8_t *p)
{
    return p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static inline void opal_put16(uint8_t *p, uint16_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
}

static inline void opal_put24(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
    p[2] = (uint8_t)(x >> 16);
}

static inline void opal_put32(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
    p[2] = (uint8_t)(x >> 16);
    p[3] = (uint8_t)(x >> 24);
}

static inline void opal_put64(uint8_t *p, uint64_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
    p[2] = (uint8_t)(x >> 16);
    p[3] = (uint8_t)(x >> 24);
    p[4] = (uint8_t)(x >> 32);
    p[5] = (uint8_t)(x >> 40);
    p[6] = (uint8_t)(x >> 48);
    p[7] = (uint8_t)(x >> 56);
}

static void opal_enter(opal_error *e, unsigned field, uint32_t index)
{
    e->step[e->depth].field = (uint16_t)field;
    e->step[e->depth].index = index;
    e->depth++;
}

/* A violation in a field, `at` its place. */
static opal_fault opal_found(opal_error *e, opal_fault fault, const uint8_t *at, unsigned field, uint32_t index)
{
    e->fault = fault;
    e->at = at;
    opal_enter(e, field, index);
    return fault;
}

/* What concerns the whole layout that is being read or written. */
static opal_fault opal_here(opal_error *e, opal_fault fault, const uint8_t *at)
{
    e->fault = fault;
    e->at = at;
    return fault;
}

/* The same violation, seen from the layout around it. */
static void opal_inside(opal_error *e, unsigned field, uint32_t index)
{
    unsigned i;

    for (i = e->depth++; i > 0; i--) {
        e->step[i] = e->step[i - 1];
    }
    e->step[0].field = (uint16_t)field;
    e->step[0].index = index;
}

/* The number of an item, a negative one as two's complement of 64 bits. */
static uint64_t opal_number(const uint8_t *p, const opal_item *x)
{
    uint64_t value = 0;
    unsigned i;

    for (i = x->size; i > 0; i--) {
        value = value << 8 | p[i - 1];
    }
    if (x->bits != 0) {
        value = value >> x->shift & ((UINT64_C(1) << x->bits) - 1);
    }
    if ((x->flags & OPAL_SIGNED) != 0 && x->size < 8 && (value >> (8u * x->size - 1) & 1) != 0) {
        value |= ~UINT64_C(0) << 8u * x->size;
    }
    return value;
}

/* Whether a value is within the bounds of an item. */
static bool opal_within(uint64_t value, const opal_item *x)
{
    const uint64_t top = (x->flags & OPAL_SIGNED) != 0 ? UINT64_C(1) << 63 : 0;
    const opal_bound *b = &opal_bounds[x->bound];

    return (value ^ top) >= (b->lo ^ top) && (value ^ top) <= (b->hi ^ top);
}

static opal_fault opal_walk(opal_error *e, unsigned layout, const uint8_t **at, const uint8_t *end);

/* TLVs to the end. */
static opal_fault opal_walk_tlvs(opal_error *e, const opal_item *x, const uint8_t *p, const uint8_t *end)
{
    uint32_t i;

    for (i = 0; p != end; i++) {
        const uint8_t *stop;
        unsigned tag, t;

        if (end - p < 4) {
            return opal_found(e, OPAL_SHORT, p, x->field, i);
        }
        tag = opal_u16(p);
        if (end - p - 4 < opal_u16(p + 2)) {
            return opal_found(e, OPAL_SHORT, p + 4, x->field, i);
        }
        stop = p + 4 + opal_u16(p + 2);
        p += 4;
        for (t = opal_spaces[x->of]; t < opal_spaces[x->of + 1]; t++) {
            if (opal_tags[t].tag == tag) {
                opal_fault fault;

                opal_enter(e, x->field, i);
                fault = opal_walk(e, opal_tags[t].layout, &p, stop);
                if (fault == OPAL_OK && p != stop) {
                    fault = opal_here(e, OPAL_LONG, p);
                }
                if (fault != OPAL_OK) {
                    return fault;
                }
                e->depth--;
                break;
            }
        }
        p = stop;
    }
    return OPAL_OK;
}

/* A layout by its table, from `*at`, which then is where it ends. The first violation in wire order. */
static opal_fault opal_walk(opal_error *e, unsigned layout, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    unsigned i;

    for (i = opal_layouts[layout]; i < opal_layouts[layout + 1]; i++) {
        const opal_item *x = &opal_items[i];
        opal_fault fault = OPAL_OK;
        uint64_t n;
        uint32_t row;

        if ((size_t)(end - p) < x->size) {
            return opal_found(e, OPAL_SHORT, p, x->field, OPAL_WHOLE);
        }
        n = 0;
        if (x->kind >= OPAL_ONE) {
            n = x->kind == OPAL_REST ? (uint64_t)(end - p) : opal_number(p, x);
            if (!opal_within(n, x)) {
                fault = x->kind == OPAL_ONE ? OPAL_CONST : x->kind == OPAL_SOME ? OPAL_RANGE : OPAL_CAP;
                return opal_found(e, fault, p, x->field, OPAL_WHOLE);
            }
        }
        if ((x->flags & OPAL_LAST) != 0) {
            p += x->size;
        }
        switch (x->kind) {
        case OPAL_BYTES:
        case OPAL_REST:
            if ((uint64_t)(end - p) < n) {
                return opal_found(e, OPAL_SHORT, p, x->field, OPAL_WHOLE);
            }
            p += (size_t)n;
            break;
        case OPAL_ROWS:
            for (row = 0; row < n; row++) {
                opal_enter(e, x->field, row);
                fault = opal_walk(e, x->of, &p, end);
                if (fault != OPAL_OK) {
                    return fault;
                }
                e->depth--;
            }
            break;
        case OPAL_TLVS:
            fault = opal_walk_tlvs(e, x, p, end);
            if (fault != OPAL_OK) {
                return fault;
            }
            p = end;
            break;
        default:
            break;
        }
    }
    *at = p;
    return OPAL_OK;
}

/* Why the straight lines refused a layout. Where the tables have nothing against it, a list was too long for this
 * build. */
static opal_fault opal_explain(opal_error *e, unsigned layout, opal_span from)
{
    const uint8_t *p = from.at, *const end = p + from.n;
    opal_fault fault;

    e->depth = 0;
    fault = opal_walk(e, layout, &p, end);
    if (fault == OPAL_OK) {
        fault = opal_here(e, p == end ? OPAL_ROOM : OPAL_LONG, p);
    }
    return fault;
}

/* Whether a record is legal, and ends where it must. */
static bool opal_sound(unsigned layout, const uint8_t *p, const uint8_t *end)
{
    opal_error e;

    e.depth = 0;
    return opal_walk(&e, layout, &p, end) == OPAL_OK && p == end;
}

/* Why the straight lines refused an envelope: `header` bytes, `length` of payload, a CRC of `check` bytes, which is
 * wrong where it is `damaged`. A header is not judged before all that it covers has been found whole. */
static opal_fault opal_misframed(opal_error *e, unsigned layout, opal_span from, size_t header, uint64_t length,
                                 size_t check, bool damaged)
{
    const uint8_t *p = from.at;

    e->depth = 0;
    if (from.n < header) {
        unsigned i;

        for (i = opal_layouts[layout]; from.n - (size_t)(p - from.at) >= opal_items[i].size; i++) {
            if ((opal_items[i].flags & OPAL_LAST) != 0) {
                p += opal_items[i].size;
            }
        }
        return opal_found(e, OPAL_SHORT, p, opal_items[i].field, OPAL_WHOLE);
    }
    if (from.n - header < length) {
        return opal_found(e, OPAL_SHORT, p + header, OPAL_FIELD_payload, OPAL_WHOLE);
    }
    p += header + (size_t)length;
    if (from.n - header - (size_t)length < check) {
        return opal_found(e, OPAL_SHORT, p, OPAL_FIELD_crc, OPAL_WHOLE);
    }
    if (damaged) {
        return opal_found(e, OPAL_CRC, p, OPAL_FIELD_crc, OPAL_WHOLE);
    }
    if (from.n - header - (size_t)length > check) {
        return opal_here(e, OPAL_LONG, p + check);
    }
    p = from.at;
    return opal_walk(e, layout, &p, from.at + header);
}

/* Why an encoder refuses TLVs, which have to be legal as they are. */
static opal_fault opal_unsound(opal_error *e, unsigned space, unsigned field, opal_span tlvs)
{
    opal_item x = {0};

    x.field = (uint16_t)field;
    x.of = (uint16_t)space;
    return opal_walk_tlvs(e, &x, tlvs.at, tlvs.at + tlvs.n);
}

/* Bytes at `p`, and where they end. */
static uint8_t *opal_append(opal_error *e, uint8_t *p, const uint8_t *end, opal_span from)
{
    if ((size_t)(end - p) < from.n) {
        (void)opal_here(e, OPAL_ROOM, NULL);
        return NULL;
    }
    if (from.n != 0 && from.at != p) {
        memcpy(p, from.at, from.n);
    }
    return p + from.n;
}

bool opal_next_tlv(opal_span *rest, opal_tlv *found)
{
    if (rest->n < 4 || rest->n - 4 < opal_u16(rest->at + 2)) {
        return false;
    }
    found->tag = opal_u16(rest->at);
    found->value.at = rest->at + 4;
    found->value.n = opal_u16(rest->at + 2);
    rest->at += 4 + found->value.n;
    rest->n -= 4 + found->value.n;
    return true;
}

opal_fault opal_begin_tlv(opal_buffer *out, uint16_t tag, size_t *begun)
{
    if (out->size - out->n < 4) {
        return OPAL_ROOM;
    }
    opal_put16(out->at + out->n, tag);
    out->n += 4;
    *begun = out->n;
    return OPAL_OK;
}

opal_fault opal_end_tlv(opal_buffer *out, size_t begun)
{
    if (out->n - begun > UINT16_MAX) {
        return OPAL_ROOM;
    }
    opal_put16(out->at + begun - 2, (uint16_t)(out->n - begun));
    return OPAL_OK;
}
