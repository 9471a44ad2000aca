/* Which message a packet is: an OPAL_MESSAGE_, whether or not the catalogue has such a one. */
uint16_t opal_message(const opal_Packet *packet);

/* A payload by its message, which is what makes one member of the union valid, and back. OPAL_UNKNOWN where there is
 * no such message; the path of an error begins in the layout. */
opal_fault opal_decode_body(opal_body *v, uint16_t message, opal_span from, opal_error *e);
opal_fault opal_encode_body(const opal_body *v, uint16_t message, opal_buffer *out, opal_error *e);
