/* bf16 products by oneDNN 2.6+. Creating a product for a shape costs some hundred microseconds, so they are kept by
 * shape; one micro-batch asks for a dozen shapes, and decoding asks for the same ones at every token. */
#include "model/kernels/matmul_wide.h"

#include "base/mem.h"
#include "model/kernels/blas_library.h"
#include "model/kernels/onednn_library.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 1024   /* hash table of products; a power of two */
#define KEPT_MAX 512 /* more shapes than this: start again (micro-batches of ever other lengths) */

/* What makes a product: its shape, the packed matrix it reads (or none), and the threads it was planned for. */
typedef struct product_key {
    onednn_shape shape;
    const packed_matrix *packed;
    size_t threads;
} product_key;

typedef struct product {
    product_key key;
    dnnl_primitive_t primitive; /* NULL: the slot is free */
    dnnl_memory_t a, b, c, scratch;
    size_t scratch_bytes;
} product;

struct matmul {
    bool wide;        /* oneDNN has no bf16 product for this CPU: matmul_wide.c */
    bool fixed_tiles; /* of f32 backward products: matmul.c */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    product *slots;
    size_t kept;
    void *scratch;
    size_t scratch_bytes;
};

struct packed_matrix {
    size_t N, K, bytes;
    dnnl_memory_desc_t desc; /* as oneDNN wants it; unused when wide, where data is (N, K) */
    void *data;
};

static wr_status failed(dnnl_status_t s, const char *what) {
    if (s == dnnl_out_of_memory) return wr_fail(WR_E_NOMEM, "out of memory in oneDNN (%s)", what);
    if (s == dnnl_unimplemented)
        return wr_fail(
            WR_E_USAGE,
            "oneDNN has no bf16 product for this CPU (%s): use --precision f32 or auto, and look at DNNL_MAX_CPU_ISA",
            what);
    return wr_fail(WR_E_FAILED, "oneDNN failed with status %d (%s)", (int)s, what);
}
#define DNNL(call)                                                                                                     \
    do {                                                                                                               \
        const dnnl_status_t dnnl_status_ = onednn.call;                                                                \
        if (dnnl_status_ != dnnl_success) TRY(failed(dnnl_status_, #call));                                            \
    } while (0)

static void product_release(product *p) {
    if (p->primitive) onednn.dnnl_primitive_destroy(p->primitive);
    dnnl_memory_t memory[] = {p->a, p->b, p->c, p->scratch};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i]) onednn.dnnl_memory_destroy(memory[i]);
    *p = (product){0};
}

static void forget_all(matmul *c) {
    for (size_t i = 0; i < SLOTS; i++) product_release(&c->slots[i]);
    c->kept = 0;
}

wr_status matmul_create(matmul **out) {
    wr_status status = WR_OK;
    matmul *c = mem_calloc(1, sizeof *c);
    *out = NULL;
    TRY_ALLOC(c);
    c->slots = mem_calloc(SLOTS, sizeof *c->slots);
    TRY_ALLOC(c->slots);
    TRY(blas_library_load());
    *out = c;
    c = NULL;
cleanup:
    matmul_free(c);
    return status;
}

void matmul_free(matmul *c) {
    if (!c) return;
    if (c->slots) forget_all(c);
    if (c->stream) onednn.dnnl_stream_destroy(c->stream);
    if (c->engine) onednn.dnnl_engine_destroy(c->engine);
    free(c->slots);
    free(c->scratch);
    free(c);
}

void matmul_fix_tiles(matmul *c, bool on) { c->fixed_tiles = on; }

bool matmul_tiles_fixed(const matmul *c) { return c && c->fixed_tiles; }

size_t matmul_bytes(const matmul *c) { return sizeof *c + SLOTS * sizeof *c->slots + c->scratch_bytes; }

/* At the first bf16 product: a run in f32 needs no oneDNN. */
static wr_status begin_bf16(matmul *c) {
    wr_status status = WR_OK;
    if (c->wide || c->stream) return WR_OK;
    TRY(onednn_library_load());
    c->wide = !precision_bf16_products();
    if (c->wide) return WR_OK;
    DNNL(dnnl_engine_create(&c->engine, dnnl_cpu, 0));
    DNNL(dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags));
cleanup:
    return status;
}

static wr_status bf16_desc(dnnl_memory_desc_t *d, size_t rows, size_t columns, size_t row, size_t column, bool f32) {
    wr_status status = WR_OK;
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns}, strides = {(dnnl_dim_t)row, (dnnl_dim_t)column};
    DNNL(dnnl_memory_desc_init_by_strides(d, 2, dims, f32 ? dnnl_f32 : dnnl_bf16, strides));
cleanup:
    return status;
}

/* Fills *p for p->key. */
static wr_status product_make(matmul *c, product *p) {
    wr_status status = WR_OK;
    const onednn_shape *s = &p->key.shape;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t sum = NULL;
    dnnl_primitive_desc_t plan = NULL;
    dnnl_memory_desc_t a, b, y;
    dnnl_matmul_desc_t d;
    TRY(bf16_desc(&a, s->m, s->k, s->a_row, s->a_column, false));
    if (p->key.packed)
        b = p->key.packed->desc;
    else
        TRY(bf16_desc(&b, s->k, s->n, s->b_row, s->b_column, false));
    TRY(bf16_desc(&y, s->m, s->n, s->c_row, 1, s->c_f32));
    DNNL(dnnl_primitive_attr_create(&attributes));
    DNNL(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
    if (s->add) {
        DNNL(dnnl_post_ops_create(&sum));
        DNNL(dnnl_post_ops_append_sum(sum, 1.0f));
        DNNL(dnnl_primitive_attr_set_post_ops(attributes, sum));
    }
    DNNL(dnnl_matmul_desc_init(&d, &a, &b, NULL, &y));
    DNNL(dnnl_primitive_desc_create(&plan, &d, attributes, c->engine, NULL));
    const dnnl_memory_desc_t *scratch = onednn.dnnl_primitive_desc_query_md(plan, dnnl_query_scratchpad_md, 0);
    p->scratch_bytes = onednn.dnnl_memory_desc_get_size(scratch);
    DNNL(dnnl_memory_create(&p->a, &a, c->engine, DNNL_MEMORY_NONE));
    DNNL(dnnl_memory_create(&p->b, &b, c->engine, DNNL_MEMORY_NONE));
    DNNL(dnnl_memory_create(&p->c, &y, c->engine, DNNL_MEMORY_NONE));
    DNNL(dnnl_memory_create(&p->scratch, scratch, c->engine, DNNL_MEMORY_NONE));
    DNNL(dnnl_primitive_create(&p->primitive, plan));
cleanup:
    if (plan) onednn.dnnl_primitive_desc_destroy(plan);
    if (sum) onednn.dnnl_post_ops_destroy(sum);
    if (attributes) onednn.dnnl_primitive_attr_destroy(attributes);
    return status;
}

static size_t slot_of(const product_key *k) {
    const size_t parts[] = {k->shape.m,     k->shape.n,     k->shape.k,   k->shape.a_row,   k->shape.b_row,
                            k->shape.c_row, k->shape.c_f32, k->shape.add, (size_t)k->packed};
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) h = (h ^ parts[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return (size_t)h & (SLOTS - 1);
}

static bool same_key(const product_key *x, const product_key *y) {
    const onednn_shape *s = &x->shape, *t = &y->shape;
    return s->m == t->m && s->n == t->n && s->k == t->k && s->a_row == t->a_row && s->a_column == t->a_column &&
           s->b_row == t->b_row && s->b_column == t->b_column && s->c_row == t->c_row && s->c_f32 == t->c_f32 &&
           s->add == t->add && x->packed == y->packed && x->threads == y->threads;
}

static wr_status product_find(matmul *c, const product_key *key, product **out) {
    wr_status status = WR_OK;
    if (c->kept == KEPT_MAX) forget_all(c);
    size_t i = slot_of(key);
    for (; c->slots[i].primitive; i = (i + 1) & (SLOTS - 1))
        if (same_key(&c->slots[i].key, key)) {
            *out = &c->slots[i];
            return WR_OK;
        }
    product made = {.key = *key};
    status = product_make(c, &made);
    if (status < 0) {
        product_release(&made);
        return status;
    }
    c->slots[i] = made;
    c->kept++;
    *out = &c->slots[i];
    return WR_OK;
}

/* oneDNN's interface takes pointers without const; what it only reads stays as it is. */
static void *readable(const void *p) { return (void *)(uintptr_t)p; }

static wr_status reserve_scratch(matmul *c, size_t bytes) {
    wr_status status = WR_OK;
    if (bytes <= c->scratch_bytes) return WR_OK;
    free(c->scratch);
    c->scratch_bytes = 0;
    c->scratch = mem_aligned(bytes, 1);
    TRY_ALLOC(c->scratch);
    c->scratch_bytes = bytes;
cleanup:
    return status;
}

static wr_status run_wide(matmul *c, const onednn_shape *s, const void *A, const void *B, void *C) {
    wr_status status = WR_OK;
    TRY(reserve_scratch(c, wide_scratch(s) * sizeof(float)));
    wide_product(s, A, B, C, c->scratch);
cleanup:
    return status;
}

static wr_status run(matmul *c, const product_key *key, const void *A, const void *B, void *C) {
    wr_status status = WR_OK;
    product *p = NULL;
    TRY(product_find(c, key, &p));
    TRY(reserve_scratch(c, p->scratch_bytes));
    DNNL(dnnl_memory_set_data_handle(p->a, readable(A)));
    DNNL(dnnl_memory_set_data_handle(p->b, readable(B)));
    DNNL(dnnl_memory_set_data_handle(p->c, C));
    DNNL(dnnl_memory_set_data_handle(p->scratch, c->scratch));
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, p->a}, {DNNL_ARG_WEIGHTS, p->b}, {DNNL_ARG_DST, p->c}, {DNNL_ARG_SCRATCHPAD, p->scratch}};
    DNNL(dnnl_primitive_execute(p->primitive, c->stream, sizeof args / sizeof *args, args));
    DNNL(dnnl_stream_wait(c->stream));
cleanup:
    return status;
}

static size_t threads_now(void) { return omp_in_parallel() ? 1 : (size_t)omp_get_max_threads(); }

wr_status onednn_product(matmul *c, const onednn_shape *s, const void *A, const void *B, void *C) {
    wr_status status = WR_OK;
    TRY(begin_bf16(c));
    return c->wide ? run_wide(c, s, A, B, C) : run(c, &(product_key){.shape = *s, .threads = threads_now()}, A, B, C);
cleanup:
    return status;
}

wr_status onednn_scratch_bytes(size_t n, const onednn_shape *shapes, size_t *bytes) {
    wr_status status = WR_OK;
    product made = {0};
    matmul *c;
    TRY(matmul_create(&c));
    TRY(begin_bf16(c));
    *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        size_t own;
        if (c->wide) {
            own = wide_scratch(&shapes[i]) * sizeof(float);
        } else {
            made = (product){.key = {.shape = shapes[i], .threads = threads_now()}};
            TRY(product_make(c, &made));
            own = made.scratch_bytes;
            product_release(&made);
        }
        if (own > *bytes) *bytes = own;
    }
cleanup:
    product_release(&made);
    matmul_free(c);
    return status;
}

/* --- packed weights
 * --------------------------------------------------------------------------------------------------- The layout is the
 * one that oneDNN asks for when the number of rows is left open; products of any number of rows read it. */

wr_status packed_matrix_create(matmul *c, size_t N, size_t K, packed_matrix **out) {
    wr_status status = WR_OK;
    dnnl_primitive_desc_t plan = NULL;
    dnnl_memory_desc_t a, b, y;
    dnnl_matmul_desc_t d;
    const dnnl_dims_t am = {DNNL_RUNTIME_DIM_VAL, (dnnl_dim_t)K}, bm = {(dnnl_dim_t)K, (dnnl_dim_t)N},
                      ym = {DNNL_RUNTIME_DIM_VAL, (dnnl_dim_t)N};
    packed_matrix *p = mem_calloc(1, sizeof *p);
    *out = NULL;
    TRY_ALLOC(p);
    TRY(begin_bf16(c));
    p->N = N;
    p->K = K;
    if (c->wide) {
        p->bytes = N * K * sizeof(bf16);
        p->data = mem_aligned(p->bytes, 1);
        TRY_ALLOC(p->data);
        *out = p;
        return WR_OK;
    }
    DNNL(dnnl_memory_desc_init_by_tag(&a, 2, am, dnnl_bf16, dnnl_ab));
    DNNL(dnnl_memory_desc_init_by_tag(&b, 2, bm, dnnl_bf16, dnnl_format_tag_any));
    DNNL(dnnl_memory_desc_init_by_tag(&y, 2, ym, dnnl_f32, dnnl_ab));
    DNNL(dnnl_matmul_desc_init(&d, &a, &b, NULL, &y));
    DNNL(dnnl_primitive_desc_create(&plan, &d, NULL, c->engine, NULL));
    p->desc = *onednn.dnnl_primitive_desc_query_md(plan, dnnl_query_weights_md, 0);
    p->bytes = onednn.dnnl_memory_desc_get_size(&p->desc);
    p->data = mem_aligned(p->bytes, 1);
    TRY_ALLOC(p->data);
    *out = p;
    p = NULL;
cleanup:
    if (plan) onednn.dnnl_primitive_desc_destroy(plan);
    packed_matrix_free(p);
    return status;
}

void packed_matrix_free(packed_matrix *p) {
    if (!p) return;
    free(p->data);
    free(p);
}

wr_status packed_matrix_fill(matmul *c, packed_matrix *p, const bf16 *W) {
    wr_status status = WR_OK;
    dnnl_memory_desc_t plain;
    dnnl_memory_t from = NULL, to = NULL;
    dnnl_primitive_desc_t plan = NULL;
    dnnl_primitive_t reorder = NULL;
    if (c->wide) {
        memcpy(p->data, W, p->bytes);
        return WR_OK;
    }
    TRY(bf16_desc(&plain, p->K, p->N, 1, p->K, false));
    DNNL(dnnl_memory_create(&from, &plain, c->engine, readable(W)));
    DNNL(dnnl_memory_create(&to, &p->desc, c->engine, p->data));
    DNNL(dnnl_reorder_primitive_desc_create(&plan, &plain, c->engine, &p->desc, c->engine, NULL));
    DNNL(dnnl_primitive_create(&reorder, plan));
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    DNNL(dnnl_primitive_execute(reorder, c->stream, 2, args));
    DNNL(dnnl_stream_wait(c->stream));
cleanup:
    if (reorder) onednn.dnnl_primitive_destroy(reorder);
    if (plan) onednn.dnnl_primitive_desc_destroy(plan);
    if (from) onednn.dnnl_memory_destroy(from);
    if (to) onednn.dnnl_memory_destroy(to);
    return status;
}

wr_status matmul_xwt_packed(matmul *c, size_t M, const packed_matrix *W, const bf16 *X, size_t ldx, void *Y, size_t ldy,
                            bool y_f32, bool add) {
    if (c->wide) {
        const onednn_shape s = {.m = M,
                                .n = W->N,
                                .k = W->K,
                                .a_row = ldx,
                                .a_column = 1,
                                .b_row = 1,
                                .b_column = W->K,
                                .c_row = ldy,
                                .c_f32 = y_f32,
                                .add = add};
        return run_wide(c, &s, X, W->data, Y);
    }
    const product_key key = {
        .shape = {.m = M, .n = W->N, .k = W->K, .a_row = ldx, .a_column = 1, .c_row = ldy, .c_f32 = y_f32, .add = add},
        .packed = W,
        .threads = threads_now()};
    return run(c, &key, X, W->data, Y);
}
