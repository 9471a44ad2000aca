/* -- Functions of every layout -------------------------------------------------------------------------------- */

/* Sets a field of a value that is being made; a function's argument of a value that is being read. */
#define OPAL_SET(slot, made) \
    do { \
        if (((slot) = (made)) == NULL) { \
            goto failed; \
        } \
    } while (0)
#define OPAL_TAKE(taken) \
    do { \
        if (!(taken)) { \
            return false; \
        } \
    } while (0)

/* The rows of a list, as a tuple. */
#define OPAL_SET_ROWS(slot, rows, row) \
    do { \
        uint32_t i; \
        OPAL_SET(slot, PyTuple_New((Py_ssize_t)(rows).n)); \
        for (i = 0; i < (rows).n; i++) { \
            PyObject *made_row = opal_make_##row(&(rows).at[i], from); \
            if (made_row == NULL) { \
                goto failed; \
            } \
            PyTuple_SET_ITEM(slot, (Py_ssize_t)i, made_row); \
        } \
    } while (0)
#define OPAL_TAKE_ROWS(slot, rows, row, capacity) \
    do { \
        size_t n, i; \
        PyObject **all = opal_elements(slot, &n); \
        OPAL_TAKE(n <= (capacity)); \
        (rows).n = (uint32_t)n; \
        for (i = 0; i < n; i++) { \
            OPAL_TAKE(opal_take_##row(all[i], &(rows).at[i], tlvs)); \
        } \
    } while (0)

/* How long the bytes of rows will be. */
#define OPAL_ADD_ROWS(size, rows, row) \
    do { \
        uint32_t i; \
        for (i = 0; i < (rows).n; i++) { \
            (size) += opal_size_##row(&(rows).at[i]); \
        } \
    } while (0)

/* From bytes to a value; apart, so that no caller has room for every struct. */
#define OPAL_VALUE(layout) \
    OPAL_APART static PyObject *opal_value_##layout(opal_span data, const opal_source *from) \
    { \
        opal_##layout v; \
        const uint8_t *p = opal_read_##layout(&v, data.at, data.at + data.n); \
        return p != NULL && p == data.at + data.n ? opal_make_##layout(&v, from) : NULL; \
    }

/* Appends a record to the TLVs around it. */
#define OPAL_PUT(layout) \
    OPAL_APART static bool opal_put_##layout(PyObject *value, opal_buffer *out) \
    { \
        opal_##layout v; \
        uint8_t room[OPAL_TLVS_ROOM]; \
        opal_buffer tlvs = {room, 0, sizeof room}; \
        opal_error e; \
        e.depth = 0; \
        return opal_take_##layout(value, &v, &tlvs) && \
               opal_put(out, opal_write_##layout(&v, out->at + out->n, out->at + out->size, &e)); \
    }

#define OPAL_PACK(layout) \
    OPAL_APART static PyObject *opal_pack_##layout(PyObject *value, opal_span *data, size_t before, size_t after) \
    { \
        opal_##layout v; \
        uint8_t room[OPAL_TLVS_ROOM], *at; \
        opal_buffer tlvs = {room, 0, sizeof room}; \
        opal_error e; \
        PyObject *made; \
        if (!opal_take_##layout(value, &v, &tlvs)) { \
            return NULL; \
        } \
        data->n = opal_size_##layout(&v); \
        made = opal_room(before + data->n + after); \
        if (made != NULL) { \
            at = (uint8_t *)PyBytes_AS_STRING(made) + before; \
            data->at = at; \
            e.depth = 0; \
            if (opal_write_##layout(&v, at, at + data->n, &e) == NULL) { \
                Py_CLEAR(made); \
            } \
        } \
        return made; \
    }

/* The functions that Python calls. */
#define OPAL_CALLS(envelope) \
    static PyObject *opal_call_decode_##envelope(PyObject *module, PyObject *const *arguments, Py_ssize_t n, \
                                                 PyObject *names) \
    { \
        (void)module; \
        return opal_call(&opal_decoder_##envelope, arguments, n, names); \
    } \
    static PyObject *opal_call_encode_##envelope(PyObject *module, PyObject *const *arguments, Py_ssize_t n, \
                                                 PyObject *names) \
    { \
        (void)module; \
        return opal_call(&opal_encoder_##envelope, arguments, n, names); \
    }
#define OPAL_METHOD(verb, envelope) \
    { \
        #verb "_" #envelope, (PyCFunction)(void (*)(void))opal_call_##verb##_##envelope, \
            METH_FASTCALL | METH_KEYWORDS, NULL \
    }
