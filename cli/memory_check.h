/* Whether what a command will load can fit into this host's memory: asked before any weight is read, since what does
 * not fit is found out minutes later by the kernel, which ends the process without a word. */
#ifndef WR_CLI_MEMORY_CHECK_H
#define WR_CLI_MEMORY_CHECK_H

#include "model/model.h"
#include "mpi/world.h"
#include "trainer/train_memory.h"

/* What is held of a folder's model (model_memory, model/model.h). */
typedef enum memory_use {
    MEMORY_LOADED = 1,      /* by each rank */
    MEMORY_LOADED_HOST = 2, /* once a host */
    MEMORY_IMAGE_HOST = 4,  /* a frozen copy, once a host */
    MEMORY_PACKED = 8,      /* each rank samples from it */
    MEMORY_TRAINED = 16     /* each rank trains all parameters: what that takes says trainer/train_memory.h */
} memory_use;
typedef struct memory_part {
    const char *dir; /* NULL: there is none */
    model_load_options load;
    unsigned use;
} memory_part;

typedef struct memory_plan {
    const memory_part *parts;
    size_t n;
    precision p;                  /* instead of the parts' own */
    const char *precision_option; /* NULL: --precision */
    bool may_lora;                /* --lora-rank would do without what MEMORY_TRAINED and MEMORY_IMAGE_HOST hold */
    const update_options *update; /* of MEMORY_TRAINED */
} memory_plan;

/* WR_E_NOMEM where it certainly does not fit, with the bytes needed, the bytes that are there and what needs less. What
 * is counted are weights, and the gradients, their buffers and moments of training; not activations, which depend on the texts. A
 * folder that cannot be read counts as nothing: loading it says why. COLLECTIVE where w is given: rank 0 reads. */
wr_status memory_check(world *w, const memory_plan *plan);

/* The decision alone, of `ranks` of one host; each need: of all of them. 0: not to be had that way. LOCAL. */
typedef struct memory_question {
    const char *what, *precision_option;
    int ranks;
    precision p;
    uint64_t need, available, need_bf16, need_lora;
} memory_question;
wr_status memory_decide(const memory_question *q);

#endif
