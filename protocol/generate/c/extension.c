/* What is called seldom, and needs much of the stack. */
#if defined(__GNUC__)
#define OPAL_APART __attribute__((noinline))
#else
#define OPAL_APART
#endif

/* -- Classes ------------------------------------------------------------------------------------------------- */

/* What the codec in Python is asked for once, by its name in a module. */
typedef struct {
    const char *module;
    const char *name;
    PyObject *found;
} opal_name;

/* Puts a body into new bytes, between so many others, and says where it is. */
typedef PyObject *opal_pack(PyObject *body, opal_span *data, size_t before, size_t after);

/* A value class. Its values hold one object for each field, in the order of the fields' names: that this is so is
 * looked at when a class is first met, and where it is not, Python does the work. */
typedef struct opal_class {
    opal_name name;
    const char *const *fields;
    opal_pack *pack;
    PyTypeObject *type;
    bool unusable;
} opal_class;

static bool opal_find(opal_name *x)
{
    PyObject *module = PyImport_ImportModule(x->module);

    if (module != NULL) {
        x->found = PyObject_GetAttrString(module, x->name);
        Py_DECREF(module);
    }
    return x->found != NULL;
}

static bool opal_is_slot(PyObject *type, const char *name, size_t place)
{
    PyObject *member = PyObject_GetAttrString(type, name);
    bool is_slot = false;

    if (member != NULL && Py_IS_TYPE(member, &PyMemberDescr_Type)) {
        const PyMemberDef *slot = ((PyMemberDescrObject *)member)->d_member;
        is_slot = slot->offset == (Py_ssize_t)(sizeof(PyObject) + place * sizeof(PyObject *));
    }
    Py_XDECREF(member);
    return is_slot;
}

/* Meets a class. Without an error where it is unusable. */
static bool opal_meet(opal_class *c)
{
    size_t n = 0;
    bool usable = !c->unusable && opal_find(&c->name) && PyType_Check(c->name.found);

    while (usable && c->fields[n] != NULL) {
        usable = opal_is_slot(c->name.found, c->fields[n], n);
        n++;
    }
    if (usable) {
        PyTypeObject *type = (PyTypeObject *)c->name.found;
        usable = type->tp_basicsize == (Py_ssize_t)(sizeof(PyObject) + n * sizeof(PyObject *)) &&
                 type->tp_itemsize == 0 && !PyType_IS_GC(type);
    }
    PyErr_Clear();
    c->unusable = !usable;
    c->type = usable ? (PyTypeObject *)c->name.found : NULL;
    return usable;
}

static inline bool opal_met(opal_class *c)
{
    return c->type != NULL || opal_meet(c);
}

static inline PyObject **opal_slots(PyObject *value)
{
    return (PyObject **)(void *)(value + 1);
}

static inline bool opal_is(PyObject *value, opal_class *c)
{
    return opal_met(c) && Py_IS_TYPE(value, c->type);
}

/* A value whose fields are not set yet; NULL without an error where the class is unusable. */
static inline PyObject *opal_new(opal_class *c)
{
    return opal_met(c) ? c->type->tp_alloc(c->type, 0) : NULL;
}

/* -- From bytes ----------------------------------------------------------------------------------------------- */

/* What is decoded. Raw data becomes a part of the same kind of object. */
typedef struct {
    PyObject *object;
    const uint8_t *at;
    size_t n;
    bool viewed;
    Py_buffer view;
} opal_source;

/* Whether these are bytes in a row, as Python's codec would index them. */
static bool opal_open(opal_source *from, PyObject *object)
{
    from->object = object;
    from->viewed = false;
    if (PyBytes_CheckExact(object)) {
        from->at = (const uint8_t *)PyBytes_AS_STRING(object);
        from->n = (size_t)PyBytes_GET_SIZE(object);
        return true;
    }
    if (PyMemoryView_Check(object)) {
        const Py_buffer *view = PyMemoryView_GET_BUFFER(object);
        if (view->itemsize != 1 || view->ndim != 1 || (view->format != NULL && strcmp(view->format, "B") != 0)) {
            return false;
        }
    } else if (!PyByteArray_CheckExact(object)) {
        return false;
    }
    if (PyObject_GetBuffer(object, &from->view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return false;
    }
    from->viewed = true;
    from->at = from->view.buf;
    from->n = (size_t)from->view.len;
    return true;
}

static void opal_close(opal_source *from)
{
    if (from->viewed) {
        PyBuffer_Release(&from->view);
    }
}

static PyObject *opal_part(const opal_source *from, opal_span part)
{
    const Py_ssize_t begin = part.at - from->at;

    if (!from->viewed) {
        return PyBytes_FromStringAndSize((const char *)part.at, (Py_ssize_t)part.n);
    }
    return PySequence_GetSlice(from->object, begin, begin + (Py_ssize_t)part.n);
}

static inline PyObject *opal_bytes(opal_span x)
{
    return PyBytes_FromStringAndSize((const char *)x.at, (Py_ssize_t)x.n);
}

/* A number as the member that a tuple of all numbers has for it. */
static inline PyObject *opal_listed(const opal_name *table, unsigned number)
{
    PyObject *member = PyTuple_GET_ITEM(table->found, number);

    Py_INCREF(member);
    return member;
}

/* A number, which is taken over, as the member that a dictionary has for it, if any. */
static PyObject *opal_member(const opal_name *table, PyObject *number)
{
    PyObject *member = number == NULL ? NULL : PyDict_GetItemWithError(table->found, number);

    if (member == NULL) {
        return number;
    }
    Py_INCREF(member);
    Py_DECREF(number);
    return member;
}

/* Whether the CRC that Python's function gives is the one that is there. */
static bool opal_proved(const opal_name *function, const uint8_t *data, size_t n, uint32_t crc)
{
    PyObject *view = PyMemoryView_FromMemory((char *)data, (Py_ssize_t)n, PyBUF_READ);
    PyObject *found = view == NULL ? NULL : PyObject_CallOneArg(function->found, view);
    bool proved = found != NULL && PyLong_AsUnsignedLong(found) == crc;

    Py_XDECREF(view);
    Py_XDECREF(found);
    return proved;
}

/* -- To bytes ------------------------------------------------------------------------------------------------- */

/* A small number without a call; false for any other. */
static inline bool opal_small(PyObject *x, int64_t *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    if (PyUnstable_Long_IsCompact((PyLongObject *)x)) {
        *value = PyUnstable_Long_CompactValue((PyLongObject *)x);
        return true;
    }
#else
    const digit *d = ((PyLongObject *)x)->ob_digit;
    switch (Py_SIZE(x)) {
    case 0:
        *value = 0;
        return true;
    case 1:
        *value = (int64_t)d[0];
        return true;
    case -1:
        *value = -(int64_t)d[0];
        return true;
    case 2:
        *value = (int64_t)((uint64_t)d[0] | (uint64_t)d[1] << PyLong_SHIFT);
        return true;
    default:
        break;
    }
#endif
    return false;
}

static inline bool opal_unsigned(PyObject *x, uint64_t most, uint64_t *value)
{
    int64_t small;

    if (x == NULL || !PyLong_Check(x)) {
        return false;
    }
    if (opal_small(x, &small)) {
        *value = (uint64_t)small;
        return small >= 0 && (uint64_t)small <= most;
    }
    *value = PyLong_AsUnsignedLongLong(x);
    if (*value == UINT64_MAX && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return *value <= most;
}

static inline bool opal_signed(PyObject *x, int64_t least, int64_t most, int64_t *value)
{
    int overflow = 0;

    if (x == NULL || !PyLong_Check(x)) {
        return false;
    }
    if (!opal_small(x, value)) {
        *value = PyLong_AsLongLongAndOverflow(x, &overflow);
    }
    return overflow == 0 && *value >= least && *value <= most;
}

static inline bool opal_octets_of(PyObject *x, uint8_t *to, size_t n)
{
    if (x == NULL || !PyBytes_CheckExact(x) || (size_t)PyBytes_GET_SIZE(x) != n) {
        return false;
    }
    memcpy(to, PyBytes_AS_STRING(x), n);
    return true;
}

static inline bool opal_span_of(PyObject *x, opal_span *to)
{
    if (x == NULL || !PyBytes_CheckExact(x)) {
        return false;
    }
    to->at = (const uint8_t *)PyBytes_AS_STRING(x);
    to->n = (size_t)PyBytes_GET_SIZE(x);
    return true;
}

/* The elements of a tuple or a list. Nothing of Python runs while they are in use. */
static inline PyObject **opal_elements(PyObject *x, size_t *n)
{
    if (x != NULL && PyTuple_CheckExact(x)) {
        *n = (size_t)PyTuple_GET_SIZE(x);
        return ((PyTupleObject *)x)->ob_item;
    }
    if (x != NULL && PyList_CheckExact(x)) {
        *n = (size_t)PyList_GET_SIZE(x);
        return ((PyListObject *)x)->ob_item;
    }
    *n = SIZE_MAX;
    return NULL;
}

/* Room for the TLVs of a layout; more are left to Python. */
#define OPAL_TLVS_ROOM 4096

/* What an encoder has written at the end of a buffer, if anything. */
static inline bool opal_put(opal_buffer *out, const uint8_t *end)
{
    if (end != NULL) {
        out->n = (size_t)(end - out->at);
    }
    return end != NULL;
}

static inline bool opal_put_number(opal_buffer *out, unsigned size, uint64_t value)
{
    uint8_t *p = out->at + out->n;

    if (out->size - out->n < size) {
        return false;
    }
    out->n += size;
    for (; size > 0; size--, value >>= 8) {
        *p++ = (uint8_t)value;
    }
    return true;
}

/* Bytes to be filled. */
static inline PyObject *opal_room(size_t n)
{
    return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
}

/* Puts down the CRC of `size` bytes that Python's function gives for all before it. */
static PyObject *opal_prove(const opal_name *function, PyObject *made, unsigned size)
{
    uint8_t *data = (uint8_t *)PyBytes_AS_STRING(made);
    const Py_ssize_t n = PyBytes_GET_SIZE(made) - (Py_ssize_t)size;
    PyObject *view = PyMemoryView_FromMemory((char *)data, n, PyBUF_READ);
    PyObject *found = view == NULL ? NULL : PyObject_CallOneArg(function->found, view);
    unsigned long crc = found == NULL ? 0 : PyLong_AsUnsignedLong(found);

    Py_XDECREF(view);
    Py_XDECREF(found);
    if (PyErr_Occurred()) {
        Py_DECREF(made);
        return NULL;
    }
    for (data += n; size > 0; size--, crc >>= 8) {
        *data++ = (uint8_t)crc;
    }
    return made;
}

/* -- Calls ---------------------------------------------------------------------------------------------------- */

/* A function of the codec: Python's, and what does its work where nothing is refused. */
typedef struct {
    opal_name python;
    bool option; /* whether it has `crc` */
    PyObject *(*decode)(const opal_source *from, bool crc);
    PyObject *(*encode)(PyObject *value, bool crc);
} opal_function;

static PyObject *opal_crc; /* the option's name, of which there is one */

/* Whether a call has the one argument, and at most the option as what it is meant to be. */
static bool opal_plain(const opal_function *f, PyObject *const *arguments, Py_ssize_t n, PyObject *names, bool *crc)
{
    *crc = f->option;
    if (names == NULL) {
        return n == 1;
    }
    *crc = arguments[n] == Py_True;
    return f->option && n == 1 && PyTuple_GET_SIZE(names) == 1 && PyTuple_GET_ITEM(names, 0) == opal_crc &&
           PyBool_Check(arguments[1]);
}

/* Whatever is not done here is done by Python: that is also who says what is wrong. */
static PyObject *opal_call(opal_function *f, PyObject *const *arguments, Py_ssize_t n, PyObject *names)
{
    PyObject *made = NULL;
    bool crc;

    if (opal_plain(f, arguments, n, names, &crc)) {
        opal_source from;
        if (f->encode != NULL) {
            made = f->encode(arguments[0], crc);
        } else if (opal_open(&from, arguments[0])) {
            made = f->decode(&from, crc);
            opal_close(&from);
        }
    }
    if (made != NULL || PyErr_Occurred()) {
        return made;
    }
    return PyObject_Vectorcall(f->python.found, arguments, (size_t)n, names);
}
