static size_t opal_letter(char *out, size_t size, size_t n, char letter)
{
    if (n < size) {
        out[n] = letter;
    }
    return n + 1;
}

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
        while (*name != '\0') {
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
        out[n < size ? n : size - 1] = '\0';
    }
    return n;
}
