/* What an item is. Those from OPAL_ONE on have bounds. */
enum {
    OPAL_FREE,  /* bytes that may be anything */
    OPAL_TLVS,  /* TLVs of the space `of`, to the end */
    OPAL_ONE,   /* a number that has one legal value */
    OPAL_SOME,  /* a number with bounds */
    OPAL_BYTES, /* a count, and so many bytes */
    OPAL_ROWS,  /* a count, and so many of the layout `of` */
    OPAL_REST   /* all bytes that are left */
};

/* `size` bytes have to be there. With `bits` a number is that wide, and at `shift`. */
typedef struct {
    uint16_t field;
    uint16_t size;
    uint16_t bound;
    uint16_t of;
    uint8_t kind;
    uint8_t bits;
    uint8_t shift;
    uint8_t flags;
} opal_item;

#define OPAL_LAST 1u   /* the next item is behind it, not in the same bytes */
#define OPAL_SIGNED 2u

typedef struct {
    uint64_t lo;
    uint64_t hi;
} opal_bound;

typedef struct {
    uint16_t tag;
    uint16_t layout;
} opal_tag;
