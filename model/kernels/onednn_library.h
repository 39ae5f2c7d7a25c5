/* oneDNN, loaded when bf16 is first asked about (base/shared_library.h). LOCAL. */
#ifndef WR_MODEL_KERNELS_ONEDNN_LIBRARY_H
#define WR_MODEL_KERNELS_ONEDNN_LIBRARY_H

#include "base/status.h"

#include <oneapi/dnnl/dnnl.h>

#define ONEDNN_FUNCTIONS(X)                                                                                            \
    X(dnnl_engine_create)                                                                                              \
    X(dnnl_engine_destroy)                                                                                             \
    X(dnnl_get_effective_cpu_isa)                                                                                      \
    X(dnnl_matmul_desc_init)                                                                                           \
    X(dnnl_memory_create)                                                                                              \
    X(dnnl_memory_desc_get_size)                                                                                       \
    X(dnnl_memory_desc_init_by_strides)                                                                                \
    X(dnnl_memory_desc_init_by_tag)                                                                                    \
    X(dnnl_memory_destroy)                                                                                             \
    X(dnnl_memory_set_data_handle)                                                                                     \
    X(dnnl_post_ops_append_sum)                                                                                        \
    X(dnnl_post_ops_create)                                                                                            \
    X(dnnl_post_ops_destroy)                                                                                           \
    X(dnnl_primitive_attr_create)                                                                                      \
    X(dnnl_primitive_attr_destroy)                                                                                     \
    X(dnnl_primitive_attr_set_post_ops)                                                                                \
    X(dnnl_primitive_attr_set_scratchpad_mode)                                                                         \
    X(dnnl_primitive_create)                                                                                           \
    X(dnnl_primitive_desc_create)                                                                                      \
    X(dnnl_primitive_desc_destroy)                                                                                     \
    X(dnnl_primitive_desc_query_md)                                                                                    \
    X(dnnl_primitive_destroy)                                                                                          \
    X(dnnl_primitive_execute)                                                                                          \
    X(dnnl_reorder_primitive_desc_create)                                                                              \
    X(dnnl_stream_create)                                                                                              \
    X(dnnl_stream_destroy)                                                                                             \
    X(dnnl_stream_wait)                                                                                                \
    X(dnnl_version)

/* What dnnl.h calls f is onednn.f here. */
typedef struct onednn_library {
#define ONEDNN_MEMBER(name) __typeof__(name) *name;
    ONEDNN_FUNCTIONS(ONEDNN_MEMBER)
#undef ONEDNN_MEMBER
} onednn_library;

/* Filled by onednn_library_load(). */
extern onednn_library onednn;
/* WR_E_FAILED: it is not there, or lacks a function. */
wr_status onednn_library_load(void);

#endif
