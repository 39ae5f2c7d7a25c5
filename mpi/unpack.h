/* Reading msgpack records into arena memory, for records of several rooms. LOCAL. */
#ifndef WR_MPI_UNPACK_H
#define WR_MPI_UNPACK_H

#include "base/mem.h"
#include "mpi/wire.h"

/* Checks and unpacks a body. WR_E_FORMAT names `what`. msgpack_unpacked_destroy(out) by the caller in any case. */
wr_status unpack_body(const void *bytes, size_t n, const char *what, msgpack_unpacked *out);
/* Array member; WR_E_FORMAT when absent. */
wr_status unpack_array(const msgpack_object *map, const char *key, const msgpack_object **items, size_t *n);
wr_status unpack_ids(const msgpack_object *map, const char *key, arena *a, const int32_t **ids, size_t *n);
wr_status unpack_uint(const msgpack_object *map, const char *key, uint64_t *out);
/* nil becomes NaN. */
wr_status unpack_real(const msgpack_object *map, const char *key, double *out);
void pack_real(msgpack_packer *pk, double v); /* NaN becomes nil */

#endif
