"""Back end: the part of the C codec that is the same for every catalogue.

The straight lines of the codec only find out that something is wrong. What it is, `opal_walk` says: it reads the
same bytes once more by the tables, in wire order, and stops at the first violation. It is also how a record inside
a TLV is checked without a struct to put it in. So a good packet pays nothing for precise errors, and what is
smallest in a firmware is also what is read twice.

Functions are pieces by name, and only what is used is written: a function that nobody calls is a warning.

Plan: the types of the header · functions by name.
"""

TYPES = """\
/* What a decoder refuses, in the words of the catalogue, and what only a codec in C has to say. */
typedef enum {
    OPAL_OK = 0,
    OPAL_SHORT,   /* bytes are missing */
    OPAL_LONG,    /* bytes are left over */
    OPAL_CONST,   /* a field that has one legal value has another */
    OPAL_RANGE,   /* a number outside its range */
    OPAL_CAP,     /* a list, counted bytes or raw data of an illegal length */
    OPAL_CRC,     /* the check does not match */
    OPAL_ROOM,    /* legal, but more than this build's capacity or the caller's buffer has room for */
    OPAL_UNKNOWN  /* no message of this catalogue: its payload stays bytes */
} opal_fault;

/* Bytes that belong to somebody else: what was decoded points into what it was decoded from. */
typedef struct {
    const uint8_t *at;
    size_t n;
} opal_span;

/* Where an encoder appends: `n` bytes of `size` are used. */
typedef struct {
    uint8_t *at;
    size_t n;
    size_t size;
} opal_buffer;

/* A step of a path; `index` is OPAL_WHOLE where the field is not an element of a list. */
#define OPAL_WHOLE UINT32_MAX
typedef struct {
    uint32_t index;
    uint16_t field; /* an OPAL_FIELD_ */
} opal_step;

/* The first violation: its class, its place in the bytes that were given (an encoder has none), and its path from
 * the outermost layout in. Meaningless after OPAL_OK. */
typedef struct {
    opal_fault fault;
    const uint8_t *at;
    unsigned depth;
    opal_step step[OPAL_DEPTH];
} opal_error;

/* A TLV: a tag, and the bytes of its value. */
typedef struct {
    uint16_t tag;
    opal_span value;
} opal_tlv;
"""

TLV_PROTOTYPES = """\
/* Takes the first TLV from what a decoder found in order; false where there is none. */
bool opal_next_tlv(opal_span *rest, opal_tlv *found);

/* Begin a TLV at the end of a buffer, append its value, end it. `opal_end_tlv` takes what `opal_begin_tlv` gave.
 * OPAL_ROOM where the buffer is full or the value has more than 65535 bytes. */
opal_fault opal_begin_tlv(opal_buffer *out, uint16_t tag, size_t *begun);
opal_fault opal_end_tlv(opal_buffer *out, size_t begun);
"""

NAMES_PROTOTYPES = """\
#ifdef OPAL_NAMES
/* The path of an error as text, "offers[2].min", cut to `size` bytes with the NUL; returns the length of all of it. */
size_t opal_path(const opal_error *error, char *out, size_t size);
/* "PWR_SOURCE_CAPS.request", or NULL for what is no message. */
const char *opal_message_name(uint16_t message);
#endif
"""

# Names of functions and what they consist of, each before its first use.
FUNCTIONS = {
    "opal_u16": """\
static inline uint16_t opal_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (uint32_t)p[1] << 8);
}
""",
    "opal_u24": """\
static inline uint32_t opal_u24(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}
""",
    "opal_u32": """\
static inline uint32_t opal_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
""",
    "opal_u64": """\
static inline uint64_t opal_u64(const uint8_t *p)
{
    return p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}
""",
    "opal_put16": """\
static inline void opal_put16(uint8_t *p, uint16_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
}
""",
    "opal_put24": """\
static inline void opal_put24(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
    p[2] = (uint8_t)(x >> 16);
}
""",
    "opal_put32": """\
static inline void opal_put32(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
    p[2] = (uint8_t)(x >> 16);
    p[3] = (uint8_t)(x >> 24);
}
""",
    "opal_put64": """\
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
""",
    "opal_enter": """\
static void opal_enter(opal_error *e, unsigned field, uint32_t index)
{
    e->step[e->depth].field = (uint16_t)field;
    e->step[e->depth].index = index;
    e->depth++;
}
""",
    "opal_found": """\
/* A violation in a field, `at` its place. */
static opal_fault opal_found(opal_error *e, opal_fault fault, const uint8_t *at, unsigned field, uint32_t index)
{
    e->fault = fault;
    e->at = at;
    opal_enter(e, field, index);
    return fault;
}
""",
    "opal_here": """\
/* What concerns the whole layout that is being read or written. */
static opal_fault opal_here(opal_error *e, opal_fault fault, const uint8_t *at)
{
    e->fault = fault;
    e->at = at;
    return fault;
}
""",
    "opal_number": """\
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
""",
    "opal_within": """\
/* Whether a value is within the bounds of an item. */
static bool opal_within(uint64_t value, const opal_item *x)
{
    const uint64_t top = (x->flags & OPAL_SIGNED) != 0 ? UINT64_C(1) << 63 : 0;
    const opal_bound *b = &opal_bounds[x->bound];

    return (value ^ top) >= (b->lo ^ top) && (value ^ top) <= (b->hi ^ top);
}
""",
    "opal_walk_tlvs": """\
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
""",
    "opal_walk": """\
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
""",
    "opal_explain": """\
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
""",
    "opal_sound": """\
/* Whether a record is legal, and ends where it must. */
static bool opal_sound(unsigned layout, const uint8_t *p, const uint8_t *end)
{
    opal_error e;

    e.depth = 0;
    return opal_walk(&e, layout, &p, end) == OPAL_OK && p == end;
}
""",
    "opal_misframed": """\
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
""",
    "opal_unsound": """\
/* Why an encoder refuses TLVs, which have to be legal as they are. */
static opal_fault opal_unsound(opal_error *e, unsigned space, unsigned field, opal_span tlvs)
{
    opal_item x = {0};

    x.field = (uint16_t)field;
    x.of = (uint16_t)space;
    return opal_walk_tlvs(e, &x, tlvs.at, tlvs.at + tlvs.n);
}
""",
    "opal_append": """\
/* Bytes at the end of a buffer. */
static opal_fault opal_append(opal_error *e, opal_buffer *out, opal_span from)
{
    if (out->size - out->n < from.n) {
        return opal_here(e, OPAL_ROOM, NULL);
    }
    if (from.n != 0 && from.at != out->at + out->n) {
        memcpy(out->at + out->n, from.at, from.n);
    }
    out->n += from.n;
    return OPAL_OK;
}
""",
    "opal_next_tlv": """\
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
""",
    "opal_begin_tlv": """\
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
""",
    "opal_end_tlv": """\
opal_fault opal_end_tlv(opal_buffer *out, size_t begun)
{
    if (out->n - begun > UINT16_MAX) {
        return OPAL_ROOM;
    }
    opal_put16(out->at + begun - 2, (uint16_t)(out->n - begun));
    return OPAL_OK;
}
""",
}

PATH_FUNCTION = """\
size_t opal_path(const opal_error *error, char *out, size_t size)
{
    size_t n = 0;
    unsigned i;

    for (i = 0; i < error->depth; i++) {
        const char *name = opal_field_names[error->step[i].field];
        uint32_t index = error->step[i].index;
        char digits[10];
        unsigned k = 0;

        if (i > 0) {
            n = opal_letter(out, size, n, '.');
        }
        while (*name != '\\0') {
            n = opal_letter(out, size, n, *name++);
        }
        if (index == OPAL_WHOLE) {
            continue;
        }
        do {
            digits[k++] = (char)('0' + index % 10);
            index /= 10;
        } while (index != 0);
        n = opal_letter(out, size, n, '[');
        while (k > 0) {
            n = opal_letter(out, size, n, digits[--k]);
        }
        n = opal_letter(out, size, n, ']');
    }
    if (size > 0) {
        out[n < size ? n : size - 1] = '\\0';
    }
    return n;
}
"""

LETTER_FUNCTION = """\
static size_t opal_letter(char *out, size_t size, size_t n, char letter)
{
    if (n < size) {
        out[n] = letter;
    }
    return n + 1;
}
"""


def used(code: str, defined: str = "") -> str:
    """The functions that some code calls, those that they call, and those that the header promises."""
    wanted: set[str] = set()
    text = code + defined
    while new := {name for name in FUNCTIONS if name not in wanted and f"{name}(" in text}:
        wanted |= new
        text += "".join(FUNCTIONS[name] for name in new)
    return "\n".join(body for name, body in FUNCTIONS.items() if name in wanted)
