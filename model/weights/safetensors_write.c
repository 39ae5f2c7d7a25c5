/* Writing safetensors. The header is padded with spaces to a multiple of 8 bytes, so that data is aligned. */
#include "model/weights/safetensors.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/stream.h"
#include "base/strbuf.h"

#include <stdlib.h>

#define CONVERT_BYTES ((size_t)4 << 20) /* of a tensor, converted at a time */

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {[ST_F32] = {"F32", 4}, [ST_BF16] = {"BF16", 2}, [ST_I64] = {"I64", 8}};

static st_dtype type_in_file(const st_tensor *t, st_dtype stored) {
    return t->dtype == ST_I64 || stored == ST_OTHER ? t->dtype : stored;
}

static wr_status write_header(const st_tensor *tensors, size_t n, st_dtype stored, const char *const *metadata,
                              strbuf *out) {
    json_writer w = json_writer_make(out);
    size_t offset = 0;
    json_begin_object(&w);
    if (metadata) {
        json_member_object(&w, "__metadata__");
        for (; metadata[0] && metadata[1]; metadata += 2) json_member_string(&w, metadata[0], metadata[1]);
        json_end_object(&w);
    }
    for (size_t i = 0; i < n; i++) {
        const st_tensor *t = &tensors[i];
        if (t->dtype != ST_F32 && t->dtype != ST_BF16 && t->dtype != ST_I64)
            return wr_fail(WR_E_USAGE, "tensor \"%s\": only F32, BF16 and I64 are written", t->name);
        const st_dtype type = type_in_file(t, stored);
        json_member_object(&w, t->name);
        json_member_string(&w, "dtype", dtypes[type].name);
        json_member_array(&w, "shape");
        for (int d = 0; d < t->n_dims; d++) json_int(&w, (int64_t)t->dims[d]);
        json_end_array(&w);
        json_member_array(&w, "data_offsets");
        json_int(&w, (int64_t)offset);
        offset += t->bytes / dtypes[t->dtype].size * dtypes[type].size;
        json_int(&w, (int64_t)offset);
        json_end_array(&w);
        json_end_object(&w);
    }
    json_end_object(&w);
    while (out->len % 8 && !out->failed) strbuf_putc(out, ' ');
    return strbuf_status(out);
}

static wr_status write_converted(outstream *s, const st_tensor *t, st_dtype type, void *buffer) {
    wr_status status = WR_OK;
    const size_t from = dtypes[t->dtype].size, to = dtypes[type].size, n = t->bytes / from;
    for (size_t at = 0; at < n; at += CONVERT_BYTES / 4) {
        const size_t m = n - at < CONVERT_BYTES / 4 ? n - at : CONVERT_BYTES / 4;
        const st_tensor piece = {
            .name = t->name, .dtype = t->dtype, .data = (const char *)t->data + at * from, .bytes = m * from};
        TRY(type == ST_BF16 ? st_tensor_to_bf16(&piece, buffer) : st_tensor_to_f32(&piece, buffer));
        TRY(outstream_write(s, buffer, m * to));
    }
cleanup:
    return status;
}

wr_status safetensors_write_as(const char *path, const st_tensor *tensors, size_t n, st_dtype stored,
                               const char *const *metadata) {
    wr_status status = WR_OK;
    outstream *s = NULL;
    strbuf header = {0};
    unsigned char length[8];
    void *buffer = mem_aligned(CONVERT_BYTES, 1);
    TRY_ALLOC(buffer);
    TRY(wr_context(write_header(tensors, n, stored, metadata, &header), "%s", path));
    TRY(outstream_create(path, &s));
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header.len >> 8 * i);
    TRY(outstream_write(s, length, sizeof length));
    TRY(outstream_write(s, header.data, header.len));
    for (size_t i = 0; i < n; i++) {
        const st_dtype type = type_in_file(&tensors[i], stored);
        TRY(type == tensors[i].dtype ? outstream_write(s, tensors[i].data, tensors[i].bytes)
                                     : write_converted(s, &tensors[i], type, buffer));
    }
    TRY(outstream_commit(&s));
cleanup:
    outstream_discard(s);
    strbuf_free(&header);
    free(buffer);
    return status;
}

wr_status safetensors_write(const char *path, const st_tensor *tensors, size_t n, const char *const *metadata) {
    return safetensors_write_as(path, tensors, n, ST_OTHER, metadata);
}
