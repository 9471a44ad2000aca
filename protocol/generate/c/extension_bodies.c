/* The class of a body that is met, by its place in memory first. */
static opal_class *opal_class_of(PyTypeObject *type)
{
    static opal_class *known[512];
    opal_class **place = &known[(uintptr_t)type >> 5 & 511];
    opal_class *const *c;

    if (*place != NULL && (*place)->type == type) {
        return *place;
    }
    for (c = opal_bodies; *c != NULL; c++) {
        if (strcmp((*c)->name.name, type->tp_name) == 0 && opal_met(*c) && (*c)->type == type) {
            *place = *c;
            return *c;
        }
    }
    return NULL;
}
