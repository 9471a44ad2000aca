#ifdef OPAL_NAMES
/* The path of an error as text, "offers[2].min", cut to `size` bytes with the NUL; returns the length of all of it. */
size_t opal_path(const opal_error *error, char *out, size_t size);
/* "PWR_SOURCE_CAPS.request", or NULL for what is no message. */
const char *opal_message_name(uint16_t message);
#endif
