 *
 * Freestanding C99: no heap, no recursion deeper than OPAL_DEPTH, nothing of libc but memcpy. One codec for both
 * sides of the link.
 *
 *     opal_Packet packet;
 *     opal_PwrRequest body;
 *     opal_error error;
 *
 *     if (opal_decode_Packet(&packet, received, true, &error) == OPAL_OK &&
 *         opal_message(&packet) == OPAL_MESSAGE_PWR_REQUEST_REQUEST &&
 *         opal_decode_PwrRequest(&body, packet.payload, &error) == OPAL_OK) {
 *
 * Whatever is variable is a span of the bytes that were given, which have to outlive it. Lists are arrays; how many
 * rows they have room for may be defined before this header, to the same for all that include it: with less than the
 * protocol allows, a longer list is OPAL_ROOM. Numbers are as on the wire: a comment names unit and scale.
 *
 * A decoder takes all of a span, which is not NULL; it makes every check that the catalogue declares, in wire order,
 * and never leaves what it gives out half filled with OPAL_OK. Members of enumerations are not checked: those of
 * later versions are legal. An encoder appends, and on a refusal leaves the buffer's `n` as it was. A payload that
 * was encoded in its place behind the header is not copied.
 *
 * Define before the source is compiled: OPAL_NAMES for paths as text, OPAL_CRC32C(data, n) and the like for a CRC
 * of your own.
