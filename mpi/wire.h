/* Messages between ranks: a 8-byte header (magic "WR", version, flags, body bytes before compression) and a msgpack
 * body, zstd compressed above 4 KiB. Decoding checks everything: a damaged message is an error, never a wrong value.
 * LOCAL. */
#ifndef WR_MPI_WIRE_H
#define WR_MPI_WIRE_H

#include "base/status.h"
#include "base/strbuf.h"
#include <msgpack.h>

#define WIRE_VERSION 1
#define WIRE_COMPRESS_ABOVE 4096
#define WIRE_MAX_BODY (1u << 30)
#define WIRE_MAX_DEPTH 24

/* body: msgpack bytes. Appends the framed message to out. */
wr_status wire_encode(const void *body, size_t n, strbuf *out);
/* Decodes a framed message. *object lives in *zone (msgpack_unpacked_destroy by the caller); strings point into *body,
 * which the caller keeps alive and frees. */
wr_status wire_decode(const void *bytes, size_t n, strbuf *body, msgpack_unpacked *out);

/* Exactly one well-formed msgpack value, whose claimed lengths fit into the n bytes (so that unpacking cannot be talked
 * into a huge allocation), not nested deeper than WIRE_MAX_DEPTH. WR_E_FORMAT otherwise. */
wr_status wire_check(const void *bytes, size_t n);
/* The same checks for the value at the start of the n bytes; *used: its bytes. For reading one value after another. */
wr_status wire_measure(const void *bytes, size_t n, size_t *used);

/* Packing onto a strbuf: msgpack_packer pk; wire_packer(&pk, &buf); msgpack_pack_map(&pk, 2); wire_pack_str(&pk,
 * "kind"); … */
void wire_packer(msgpack_packer *pk, strbuf *out);
void wire_pack_str(msgpack_packer *pk, const char *s);
void wire_pack_strn(msgpack_packer *pk, const char *s, size_t n);
void wire_pack_ids(msgpack_packer *pk, const int32_t *ids, size_t n); /* array of ints */

/* Map access; NULL / false when absent or of another type. */
const msgpack_object *wire_get(const msgpack_object *map, const char *key);
bool wire_get_int(const msgpack_object *map, const char *key, int64_t *out);
bool wire_get_double(const msgpack_object *map, const char *key, double *out);
bool wire_get_str(const msgpack_object *map, const char *key, const char **s, size_t *n);
/* Array of ints into a fresh array (free with free()). WR_E_FORMAT when absent or an element is not an int32. */
wr_status wire_get_ids(const msgpack_object *map, const char *key, int32_t **ids, size_t *n);

#endif
