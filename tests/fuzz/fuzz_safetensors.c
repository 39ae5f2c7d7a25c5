/* Any bytes as a safetensors file: refused with a message, or every tensor lies inside the file and can be read. The
 * same bytes as the weights of a small model: refused, or every weight can be read. */
#include "model/weights/params.h"
#include "model/weights/safetensors.h"
#include "model/weights/weight_mapping.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/wr-fuzz-XXXXXX";

static void remove_directory(void) { dir_remove_tree(directory); }

/* Writes the directory of a small model, and its weights as an input of the corpus, from which mutation gets further
 * than from nothing. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    char weights[PATH_CAP], input[PATH_CAP];
    model_config c;
    model *m = NULL;
    const char *corpus = (*argv)[*argc - 1];
    if (!mkdtemp(directory) || atexit(remove_directory) != 0) __builtin_trap();
    if (model_config_from_spec("layers=1,hidden=2,heads=1,kv-heads=1,ffn=1,type=qwen3", &c) < 0) __builtin_trap();
    c.V = 2;
    if (model_create(&c, &m) < 0 || model_alloc_params(m) < 0 ||
        model_save(m, directory, NULL, NULL, PRECISION_BF16) < 0)
        __builtin_trap();
    if (path_join(weights, directory, "model.safetensors") < 0) __builtin_trap();
    if (dir_exists(corpus) && path_join(input, corpus, "model") >= 0 && file_copy(weights, input) < 0) __builtin_trap();
    model_free(m);
    return 0;
}

static void read_all(const safetensors *s) {
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const st_tensor *t = safetensors_at(s, i);
        size_t elements = 1, at = 0;
        for (int d = 0; d < t->n_dims; d++) elements *= t->dims[d];
        if (safetensors_find(s, t->name) != t) __builtin_trap(); /* names are unique */
        if (t->dtype == ST_OTHER || t->dtype == ST_I64 || elements == 0) continue;
        float *out = malloc(elements * sizeof *out); /* elements <= size: the header was checked against the file */
        bf16 *rounded = malloc(elements * sizeof *rounded);
        if (out) st_tensor_to_f32(t, out);
        if (rounded) st_tensor_to_bf16(t, rounded);
        if (st_tensor_has_nonfinite(t, &at) && at >= elements) __builtin_trap();
        free(out), free(rounded);
    }
}

static void load(const char *file, const model_load_options *o) {
    char path[PATH_CAP];
    model *m = NULL;
    if (path_join(path, directory, "model.safetensors") < 0) return;
    unlink(path);
    if (symlink(file, path) != 0 || model_load(directory, o, &m) < 0) return;
    volatile unsigned char sum = 0;
    for (size_t i = 0; i < m->n_tensors; i++)
        for (size_t k = 0; k < m->tensors[i].count * precision_bytes(weight_precision(m, i)); k++)
            sum += ((const unsigned char *)m->weights[i])[k];
    model_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", 0);
    if (fd < 0) return 0;
    char file[64];
    safetensors *s = NULL;
    snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size && safetensors_open(file, &s) >= 0) {
        read_all(s);
        for (int how = 0; how < 4; how++) {
            const precision p = how & 2 ? PRECISION_BF16 : PRECISION_F32;
            load(file, &(model_load_options){
                           .quiet = true, .frozen = how & 1, .check_weights = true, .precision = p, .hash = "x"});
        }
    }
    safetensors_close(s);
    close(fd);
    return 0;
}
