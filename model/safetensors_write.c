/* Writing safetensors. The header is padded with spaces to a multiple of 8 bytes, so that data is aligned. */
#include "model/safetensors.h"

#include "base/json.h"
#include "base/stream.h"
#include "base/strbuf.h"

#include <stdint.h>

static wr_status write_header(const st_tensor *tensors, size_t n, const char *const *metadata, strbuf *out) {
    json_writer w = json_writer_make(out);
    size_t offset = 0;
    json_begin_object(&w);
    if (metadata) {
        json_key(&w, "__metadata__");
        json_begin_object(&w);
        for (; metadata[0] && metadata[1]; metadata += 2) json_key(&w, metadata[0]), json_string(&w, metadata[1]);
        json_end_object(&w);
    }
    for (size_t i = 0; i < n; i++) {
        const st_tensor *t = &tensors[i];
        if (t->dtype != ST_F32 && t->dtype != ST_I64)
            return wr_fail(WR_E_USAGE, "tensor \"%s\": only F32 and I64 are written", t->name);
        json_key(&w, t->name);
        json_begin_object(&w);
        json_key(&w, "dtype"), json_string(&w, t->dtype == ST_I64 ? "I64" : "F32");
        json_key(&w, "shape");
        json_begin_array(&w);
        for (int d = 0; d < t->n_dims; d++) json_int(&w, (int64_t)t->dims[d]);
        json_end_array(&w);
        json_key(&w, "data_offsets");
        json_begin_array(&w);
        json_int(&w, (int64_t)offset);
        offset += t->bytes;
        json_int(&w, (int64_t)offset);
        json_end_array(&w);
        json_end_object(&w);
    }
    json_end_object(&w);
    while (out->len % 8 && !out->failed) strbuf_putc(out, ' ');
    return strbuf_status(out);
}

wr_status safetensors_write(const char *path, const st_tensor *tensors, size_t n, const char *const *metadata) {
    wr_status status = WR_OK;
    outstream *s = NULL;
    strbuf header = {0};
    unsigned char length[8];
    TRY(wr_context(write_header(tensors, n, metadata, &header), "%s", path));
    TRY(outstream_create(path, &s));
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header.len >> 8 * i);
    TRY(outstream_write(s, length, sizeof length));
    TRY(outstream_write(s, header.data, header.len));
    for (size_t i = 0; i < n; i++) TRY(outstream_write(s, tensors[i].data, tensors[i].bytes));
    TRY(outstream_commit(&s));
cleanup:
    outstream_discard(s);
    strbuf_free(&header);
    return status;
}
