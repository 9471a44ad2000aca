PyMODINIT_FUNC OPAL_INIT(void);

static struct PyModuleDef opal_module = {
    PyModuleDef_HEAD_INIT, OPAL_MODULE, "The codec in C; see opalink.protocol.accelerator.", -1, opal_methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC OPAL_INIT(void)
{
    opal_name *const *x;
    opal_function *const *f;
    PyObject *module;

    for (x = opal_names; *x != NULL; x++) {
        if (!opal_find(*x)) {
            return NULL;
        }
    }
    for (f = opal_functions; *f != NULL; f++) {
        if (!opal_find(&(*f)->python)) {
            return NULL;
        }
    }
    opal_crc = PyUnicode_InternFromString("crc");
    if (opal_crc == NULL) {
        return NULL;
    }
    module = PyModule_Create(&opal_module);
    if (module != NULL && PyModule_AddStringConstant(module, "FINGERPRINT", OPAL_FINGERPRINT) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
