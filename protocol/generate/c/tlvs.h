/* Takes the first TLV from what a decoder found in order; false where there is none. */
bool opal_next_tlv(opal_span *rest, opal_tlv *found);

/* Begin a TLV at the end of a buffer, append its value, end it. `opal_end_tlv` takes what `opal_begin_tlv` gave.
 * OPAL_ROOM where the buffer is full or the value has more than 65535 bytes. */
opal_fault opal_begin_tlv(opal_buffer *out, uint16_t tag, size_t *begun);
opal_fault opal_end_tlv(opal_buffer *out, size_t begun);
