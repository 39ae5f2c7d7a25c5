/* bench_model_folder SHAPE OUTPUTS DIR: writes a reward model of random bf16 weights as a Hugging Face folder without a
 * tokenizer (config.json, model.safetensors), as fast as the disk takes it. SHAPE: L8 (that of Llama-3.1-8B, as
 * WildReward-8B has it, 14 GiB) or Q06 (Qwen3-0.6B). */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)1 << 24) /* random numbers, used again from other beginnings */

static const struct shape {
    const char *name, *config;
} shapes[] = {
    {"L8", "{\"architectures\":[\"LlamaForSequenceClassification\"],\"model_type\":\"llama\",\"hidden_size\":4096,"
           "\"num_hidden_layers\":32,\"num_attention_heads\":32,\"num_key_value_heads\":8,\"head_dim\":128,"
           "\"intermediate_size\":14336,\"vocab_size\":128256,\"max_position_embeddings\":131072,\"rms_norm_eps\":1e-5,"
           "\"rope_theta\":500000.0,\"hidden_act\":\"silu\",\"tie_word_embeddings\":false,\"torch_dtype\":\"bfloat16\","
           "\"pad_token_id\":null,\"bos_token_id\":null,\"eos_token_id\":null,\"num_labels\":%zu}\n"},
    {"Q06",
     "{\"architectures\":[\"Qwen3ForSequenceClassification\"],\"model_type\":\"qwen3\",\"hidden_size\":1024,"
     "\"num_hidden_layers\":28,\"num_attention_heads\":16,\"num_key_value_heads\":8,\"head_dim\":128,"
     "\"intermediate_size\":3072,\"vocab_size\":151936,\"max_position_embeddings\":40960,\"rms_norm_eps\":1e-6,"
     "\"rope_theta\":1000000.0,\"hidden_act\":\"silu\",\"tie_word_embeddings\":true,\"torch_dtype\":\"bfloat16\","
     "\"pad_token_id\":null,\"bos_token_id\":null,\"eos_token_id\":null,\"num_labels\":%zu}\n"}};

static wr_status write_config(const char *shape, size_t outputs, const char *path) {
    char text[1024];
    size_t i = 0;
    while (i < sizeof shapes / sizeof *shapes && strcmp(shapes[i].name, shape) != 0) i++;
    if (i == sizeof shapes / sizeof *shapes) return wr_fail(WR_E_USAGE, "shape \"%s\" is neither L8 nor Q06", shape);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int n = snprintf(text, sizeof text, shapes[i].config, outputs);
#pragma GCC diagnostic pop
    return file_write_atomic(path, text, (size_t)n);
}

static void write_header(const model *m, FILE *f) {
    strbuf header = {0};
    size_t at = 0;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor_info *t = &m->tensors[i];
        strbuf_printf(&header, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%zu", i ? "," : "{", t->name, t->dims[0]);
        if (t->n_dims > 1) strbuf_printf(&header, ",%zu", t->dims[1]);
        strbuf_printf(&header, "],\"data_offsets\":[%zu,%zu]}", at, at + t->count * sizeof(bf16));
        at += t->count * sizeof(bf16);
    }
    strbuf_putc(&header, '}');
    while (header.len % 8) strbuf_putc(&header, ' ');
    const uint64_t n = header.len;
    fwrite(&n, sizeof n, 1, f);
    fwrite(header.data, 1, header.len, f);
    strbuf_free(&header);
}

/* Matrices N(0, 0.02), norms 1. */
static wr_status write_weights_of(const model *m, FILE *f) {
    wr_status status = WR_OK;
    rng r = rng_make(1, RNG_INIT, 0, 0, 0);
    const bf16 one = bf16_from_f32(1);
    bf16 *random = mem_calloc(BLOCK, sizeof *random);
    TRY_ALLOC(random);
    for (size_t k = 0; k < BLOCK; k++) random[k] = bf16_from_f32((float)(0.02 * rng_normal(&r)));
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor_info *t = &m->tensors[i];
        for (size_t left = t->count; left > 0;) {
            const size_t from = t->n_dims > 1 ? (size_t)rng_below(&r, BLOCK / 2) : 0;
            size_t n = BLOCK - from < left ? BLOCK - from : left;
            if (t->n_dims == 1)
                n = fwrite(&one, sizeof one, 1, f);
            else
                n = fwrite(random + from, sizeof *random, n, f);
            if (!n) TRY(wr_fail(WR_E_IO, "the disk is full"));
            left -= n;
        }
    }
cleanup:
    free(random);
    return status;
}

int main(int argc, char **argv) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    model_config c;
    model *m = NULL;
    FILE *f = NULL;
    if (argc != 4) TRY(wr_fail(WR_E_USAGE, "usage: bench_model_folder L8|Q06 OUTPUTS DIR"));
    TRY(dir_make(argv[3]));
    TRY(path_join(path, argv[3], "config.json"));
    TRY(write_config(argv[1], strtoul(argv[2], NULL, 10), path));
    TRY(model_config_load(argv[3], &c));
    TRY(model_create(&c, &m));
    TRY(path_join(path, argv[3], "model.safetensors"));
    f = fopen(path, "wb");
    if (!f) TRY(wr_fail(WR_E_IO, "%s: cannot be written", path));
    write_header(m, f);
    TRY(write_weights_of(m, f));
    if (fflush(f) != 0) TRY(wr_fail(WR_E_IO, "%s: cannot be written", path));
cleanup:
    if (f && fclose(f) != 0 && status >= 0) status = wr_fail(WR_E_IO, "%s: cannot be written", path);
    model_free(m);
    if (status < 0) fprintf(stderr, "bench_model_folder: %s\n", wr_error());
    return status < 0;
}
