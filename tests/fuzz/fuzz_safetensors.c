/* Any bytes as a safetensors file: refused with a message, or every tensor lies inside the file and can be read. */
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const safetensors *s)
{
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const st_tensor *t = safetensors_at(s, i);
        size_t elements = 1;
        for (int d = 0; d < t->n_dims; d++) elements *= t->dims[d];
        if (safetensors_find(s, t->name) != t) __builtin_trap(); /* names are unique */
        if (t->dtype == ST_OTHER || t->dtype == ST_I64 || elements == 0) continue;
        float *out = malloc(elements * sizeof *out); /* elements <= size: the header was checked against the file */
        if (out) st_tensor_to_f32(t, out);
        free(out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", 0);
    if (fd < 0) return 0;
    char path[64];
    safetensors *s = NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size && safetensors_open(path, &s) >= 0) read_all(s);
    safetensors_close(s);
    close(fd);
    return 0;
}
