#include "mpi/unpack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

wr_status unpack_body(const void *bytes, size_t n, const char *what, msgpack_unpacked *out) {
    msgpack_unpacked_init(out);
    wr_status status = wire_check(bytes, n);
    if (status >= 0 && msgpack_unpack_next(out, bytes, n, NULL) != MSGPACK_UNPACK_SUCCESS) {
        status = wr_fail(WR_E_FORMAT, "record of %zu bytes cannot be unpacked", n);
    }
    return wr_context(status, "%s", what);
}

wr_status unpack_array(const msgpack_object *map, const char *key, const msgpack_object **items, size_t *n) {
    const msgpack_object *v = wire_get(map, key);
    if (!v || v->type != MSGPACK_OBJECT_ARRAY) return wr_fail(WR_E_FORMAT, "record has no array \"%s\"", key);
    *items = v->via.array.ptr;
    *n = v->via.array.size;
    return WR_OK;
}

wr_status unpack_ids(const msgpack_object *map, const char *key, arena *a, const int32_t **ids, size_t *n) {
    wr_status status = WR_OK;
    int32_t *heap = NULL;
    TRY(wire_get_ids(map, key, &heap, n));
    int32_t *copy = arena_alloc(a, (*n + 1) * sizeof *copy);
    TRY_ALLOC(copy);
    memcpy(copy, heap, *n * sizeof *copy);
    *ids = copy;
cleanup:
    free(heap);
    return status;
}

wr_status unpack_uint(const msgpack_object *map, const char *key, uint64_t *out) {
    int64_t v;
    if (!wire_get_int(map, key, &v) || v < 0) return wr_fail(WR_E_FORMAT, "record has no count \"%s\"", key);
    *out = (uint64_t)v;
    return WR_OK;
}

wr_status unpack_real(const msgpack_object *map, const char *key, double *out) {
    const msgpack_object *v = wire_get(map, key);
    if (v && v->type == MSGPACK_OBJECT_NIL) {
        *out = NAN;
        return WR_OK;
    }
    return wire_get_double(map, key, out) ? WR_OK : wr_fail(WR_E_FORMAT, "record has no number \"%s\"", key);
}

void pack_real(msgpack_packer *pk, double v) {
    if (isnan(v))
        msgpack_pack_nil(pk);
    else
        msgpack_pack_double(pk, v);
}
