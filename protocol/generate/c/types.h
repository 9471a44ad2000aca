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
