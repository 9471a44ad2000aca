/* A known tag, as the member of its enumeration. */
typedef struct {
    const char *enumeration;
    const char *member;
    PyObject *found;
} opal_tag_name;

typedef PyObject *opal_value_in(const opal_tlv *t, PyObject **tag, const opal_source *from);
typedef bool opal_put_in(unsigned tag, PyObject *value, opal_buffer *out);

/* Its member; NULL with an error where there is none. */
static PyObject *opal_tag_of(opal_tag_name *tag)
{
    if (tag->found == NULL) {
        opal_name of = {OPAL_ENUMS, tag->enumeration, NULL};
        if (opal_find(&of)) {
            tag->found = PyObject_GetAttrString(of.found, tag->member);
            Py_DECREF(of.found);
        }
    }
    Py_XINCREF(tag->found);
    return tag->found;
}

/* TLVs that are known to be legal, as a tuple of values. */
static PyObject *opal_make_tlvs(opal_span data, const opal_source *from, opal_value_in *value_in)
{
    opal_span rest = data;
    opal_tlv t;
    Py_ssize_t n = 0, i;
    PyObject *all;

    while (opal_next_tlv(&rest, &t)) {
        n++;
    }
    all = PyTuple_New(n);
    for (i = 0; all != NULL && i < n && opal_next_tlv(&data, &t); i++) {
        PyObject *made = opal_new(&opal_class_Tlv);
        if (made != NULL) {
            PyObject **slot = opal_slots(made);
            PyTuple_SET_ITEM(all, i, made);
            slot[1] = value_in(&t, &slot[0], from);
            made = slot[0] == NULL ? NULL : slot[1];
        }
        if (made == NULL) {
            Py_CLEAR(all);
        }
    }
    return all;
}

/* TLVs, as their bytes at the end of a buffer. Bytes travel as they are. */
static bool opal_take_tlvs(PyObject *value, opal_span *to, opal_buffer *out, opal_put_in *put_in)
{
    const size_t begun = out->n;
    size_t n, i;
    PyObject **all = opal_elements(value, &n);

    if (n == SIZE_MAX || !opal_met(&opal_class_Tlv)) {
        return false;
    }
    for (i = 0; i < n; i++) {
        PyObject **slot = opal_slots(all[i]);
        uint64_t tag;
        size_t at;
        opal_span data;
        if (!Py_IS_TYPE(all[i], opal_class_Tlv.type) || !opal_unsigned(slot[0], UINT16_MAX, &tag) ||
            opal_begin_tlv(out, (uint16_t)tag, &at) != OPAL_OK) {
            return false;
        }
        if (opal_span_of(slot[1], &data)) {
            opal_error e;
            if (!opal_put(out, opal_append(&e, out->at + out->n, out->at + out->size, data))) {
                return false;
            }
        } else if (!put_in((unsigned)tag, slot[1], out)) {
            return false;
        }
        if (opal_end_tlv(out, at) != OPAL_OK) {
            return false;
        }
    }
    to->at = out->at + begun;
    to->n = out->n - begun;
    return true;
}
