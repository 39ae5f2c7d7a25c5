/* A tiny model, a batch and a loss, in f32 as the program computes them and in double (ref_double.h): what the tests of
 * gradients share. Tolerance: per tensor |difference| / |gradient| < 1e-3 against central differences. */
#ifndef WR_TESTS_SUPPORT_GRADIENT_PROBLEM_H
#define WR_TESTS_SUPPORT_GRADIENT_PROBLEM_H

#include "model/model.h"
#include "tests/support/asserts.h"

typedef enum loss_kind { LOSS_LM, LOSS_ORDINAL, LOSS_DPO } loss_kind;

/* What a test chooses; zero is the plain case. */
typedef struct shape {
    size_t C, L, H, G, D, F; /* D 0: C / H */
    bool tied, bias, fused, recompute;
    double share; /* of a head that RoPE turns; 0: all */
    qk_norm norms;
    norm_place place;
    rope_type rope;
    size_t window;         /* of layers 0, 2, …; 0: none */
    double local_theta;    /* of their rotary table; 0: that of all */
    bool from_one, scaled; /* norms that count from 1; embeddings times sqrt(C) */
    mlp_gate gate;
    double query_scale, attention_cap, final_cap;
    bool unturned;    /* layers 0, 2, … have no rotary embedding */
    const char *lora; /* targets of adapters, NULL: none */
    loss_kind kind;
    size_t B;
    const size_t *lengths;
    const int32_t *parent; /* NULL: no segment continues another */
} shape;

enum { LABELS = 3, SEGMENTS_MAX = 8, V = 40 };

typedef struct problem {
    model *m;
    trainables train;
    token_batch batch;
    size_t offsets[SEGMENTS_MAX + 1];
    size_t T, n; /* n rows with a target */
    size_t *rows;
    int32_t *ids, *targets;
    float *weight; /* LM: dloss/dlogprob; DPO: +1 chosen, -1 rejected */
    int labels[SEGMENTS_MAX];
    double reference; /* DPO: rho_w - rho_l */
    loss_kind kind;
    bool recompute;
    double *params, *adapters; /* what the reference computes with */
} problem;

void problem_make(problem *p, const shape *s);
void problem_free(problem *p);
/* The program's own forward and backward; returns its loss, adds to grads (NULL: forward alone). */
double loss_f32(const problem *p, float *grads);

/* Element by element: up to 32 of each tensor. */
void check_elements(problem *p);
/* Along random directions v of each tensor: <g, v> has the spread |g|. Cheaper, for larger shapes. */
void check_directions(problem *p);
/* Every shape as it is and with each layer computed twice. */
void check_shape(shape s, void (*how)(problem *));

#define LENGTHS(...)                                                                                                   \
    .B = sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), .lengths = (size_t[]) { __VA_ARGS__ }
#define PARENTS(...)                                                                                                   \
    .parent = (int32_t[]) { __VA_ARGS__ }

#endif
