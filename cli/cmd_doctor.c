#include "cli/command.h"

#include "base/mem.h"
#include "cli/core_use.h"
#include "cli/doctor_model.h"
#include "cli/library_env.h"
#include "cli/machine.h"
#include "base/memory_room.h"
#include "cli/version.h"
#include "model/kernels/blas_library.h"
#include "model/kernels/onednn_library.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_SECONDS 0.25 /* each of: forward and backward products, with 1 and all threads */
#define READ_SECONDS 0.25

typedef struct doctor_call {
    bool probe;
    doctor_model model;
    update_options update;
    arithmetic_options arithmetic;
} doctor_call;
static const option_spec doctor_rows[] = {
    OPTION_FLAG(doctor_call, probe, "probe", "true", "measure matrix products and memory (about 2 seconds)"),
    {0},
};
static const option_group doctor_groups[] = {{.rows = doctor_rows},
                                             OPTION_GROUP(doctor_model_rows, doctor_call, model),
                                             OPTION_GROUP(reduce_rows, doctor_call, update),
                                             OPTION_GROUP(arithmetic_rows, doctor_call, arithmetic),
                                             {0}};

static double gib(uint64_t bytes) { return (double)bytes / (double)(1 << 30); }

static void warn(strbuf *out, const char *text) { strbuf_printf(out, "warning: %s\n", text); }

/* What slows the program down or stops it, and what to do. */
static void warnings(strbuf *out) {
    char text[512];
    if (core_type_is_slow()) {
        snprintf(text, sizeof text,
                 "OpenBLAS runs %s kernels, older than this CPU: unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE "
                 "WILDREWARD_KEEP_CORETYPE",
                 openblas.openblas_get_corename());
        warn(out, text);
    }
    if (core_type_removed()) {
        snprintf(text, sizeof text,
                 "the environment forces OPENBLAS_CORETYPE=%.64s, which this program has undone for itself; unset it "
                 "for others",
                 core_type_removed());
        warn(out, text);
    }
    if (core_type_set()) {
        snprintf(text, sizeof text,
                 "this OpenBLAS does not know this CPU; this program has set OPENBLAS_CORETYPE=%.64s for itself",
                 core_type_set());
        warn(out, text);
    }
    const char *isa = getenv("DNNL_MAX_CPU_ISA");
    if (isa) {
        snprintf(text, sizeof text, "DNNL_MAX_CPU_ISA=%.64s limits oneDNN", isa);
        warn(out, text);
    }
    if (!strstr(openblas.openblas_get_config(), "USE_OPENMP")) {
        warn(out, "this OpenBLAS is not the OpenMP variant: it and the program's own loops compete for cores (install "
                  "libopenblas-openmp-dev)");
    }
    uint64_t shm = machine_shm_bytes();
    if (shm < (uint64_t)1 << 30) {
        snprintf(text, sizeof text,
                 "/dev/shm has %.2f GiB: ranks of one host share frozen models there; in containers give --shm-size",
                 gib(shm));
        warn(out, text);
    }
}

static void describe(const world *w, strbuf *out) {
    const memory_room room = memory_room_find("");
    const uint64_t memlock = machine_memlock_bytes();
    int cores = machine_cores();
    strbuf_printf(out, "CPU         ");
    machine_cpu_model(out);
    strbuf_printf(out, "\nfeatures    ");
    machine_cpu_features(out);
    strbuf_printf(out, "\ncores       %d usable by rank 0, %d threads a rank%s\n", cores, omp_get_max_threads(),
                  getenv("OMP_NUM_THREADS") ? " (OMP_NUM_THREADS)" : "");
    strbuf_printf(out, "OpenBLAS    %s; kernel in use: %s\n", openblas.openblas_get_config(),
                  openblas.openblas_get_corename());
    const dnnl_version_t *dnnl = onednn.dnnl_version();
    strbuf_printf(out, "oneDNN      %d.%d.%d\n", dnnl->major, dnnl->minor, dnnl->patch);
    strbuf_printf(out, "MPI         %s; thread level %s; %d rank%s%s\n", world_library(), world_thread_level(w),
                  world_size(w), world_size(w) == 1 ? "" : "s", world_launched() ? "" : " (started without mpirun)");
    strbuf_printf(out, "memory      %.1f GiB, %.1f GiB available; /dev/shm %.1f GiB; locked memory ", gib(room.total),
                  gib(room.available), gib(machine_shm_bytes()));
    if (memlock == UINT64_MAX) {
        strbuf_puts(out, "unlimited\n");
    } else {
        strbuf_printf(out, "limited to %.1f MiB\n", (double)memlock / (1 << 20));
    }
}

/* This rank's line: the probes of all ranks run at the same time, as training would. COLLECTIVE. */
static void measure(world *w, bool probe, strbuf *out) {
    int threads = omp_get_max_threads();
    strbuf_printf(out, "rank %d on %s: %d cores, %d threads", world_rank(w), world_host(w), machine_cores(), threads);
    if (!probe) {
        return;
    }
    world_barrier(w);
    double forward_one = probe_gemm_gflops(PROBE_FORWARD, 1, PROBE_SECONDS),
           backward_one = probe_gemm_gflops(PROBE_BACKWARD, 1, PROBE_SECONDS);
    world_barrier(w);
    double forward_all = forward_one, backward_all = backward_one;
    if (threads > 1) {
        forward_all = probe_gemm_gflops(PROBE_FORWARD, threads, PROBE_SECONDS);
        backward_all = probe_gemm_gflops(PROBE_BACKWARD, threads, PROBE_SECONDS);
    }
    world_barrier(w);
    double read_one = probe_read_gb_per_s(1, READ_SECONDS);
    world_barrier(w);
    double read_all = threads > 1 ? probe_read_gb_per_s(threads, READ_SECONDS) : read_one;
    strbuf_printf(out,
                  "; GFLOPS in f32 with 1 / %d threads: forward %.0f / %.0f, backward (OpenBLAS) %.0f / %.0f; memory "
                  "read %.1f / %.1f GB/s",
                  threads, forward_one, forward_all, backward_one, backward_all, read_one, read_all);
}

static wr_status say(const strbuf *text) {
    if (fputs(strbuf_str(text), stdout) < 0 || fflush(stdout) != 0)
        return wr_fail(WR_E_IO, "cannot write standard output");
    return WR_OK;
}

/* COLLECTIVE. Of --model: rank 0 alone works and tells. */
static wr_status tell_model(const doctor_call *c, world *w) {
    wr_status status = WR_OK;
    strbuf text = {0};
    precision p;
    TRY(choose_precision(c->arithmetic.precision, NULL, w, &p));
    if (world_rank(w) == 0) status = doctor_model_tell(&c->model, &c->update, p, c->probe, &text);
    if (world_rank(w) == 0 && status >= 0) status = say(&text);
    TRY(world_agree(w, status));
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status run(const options *o, world *w) {
    wr_status status = WR_OK;
    strbuf mine = {0}, *lines = NULL, *gathered = NULL;
    core_use own = {0}, *uses = NULL;
    doctor_call c = {0};
    int size = world_size(w);
    TRY(options_fill(o, &c, sizeof c));
    TRY(world_agree(w, options_count(o) == 0 ? WR_OK : wr_fail(WR_E_USAGE, "doctor takes no arguments")));
    TRY(world_agree(w, blas_library_load()));
    TRY(world_agree(w, onednn_library_load()));
    if (c.model.model && c.model.json) return tell_model(&c, w);
    measure(w, c.probe && !c.model.model, &mine);
    lines = mem_calloc((size_t)size, sizeof *lines);
    gathered = mem_calloc((size_t)size, sizeof *gathered);
    uses = mem_calloc((size_t)size, sizeof *uses);
    core_use_mine(world_host(w), omp_get_max_threads(), &own);
    TRY(world_agree(w, lines && gathered && uses ? strbuf_status(&mine) : WR_E_NOMEM));
    TRY(world_allgather(w, &mine, lines));
    strbuf_clear(&mine);
    strbuf_append(&mine, &own, sizeof own);
    TRY(world_agree(w, strbuf_status(&mine)));
    TRY(world_allgather(w, &mine, gathered));
    for (int r = 0; r < size; r++) {
        memcpy(&uses[r], gathered[r].data, sizeof own);
    }
    if (world_rank(w) == 0) {
        strbuf text = {0};
        strbuf_printf(&text, "wildreward %s (commit %s)\n", version_string(), version_commit());
        describe(w, &text);
        for (int r = 0; r < size; r++) {
            strbuf_printf(&text, "%s\n", strbuf_str(&lines[r]));
        }
        warnings(&text);
        core_use_warnings(uses, (size_t)size, world_launched(), &text);
        if (c.model.model) strbuf_putc(&text, '\n');
        status = strbuf_status(&text);
        if (status >= 0) status = say(&text);
        strbuf_free(&text);
    }
    TRY(world_agree(w, status));
    if (c.model.model) TRY(tell_model(&c, w));
cleanup:
    for (int r = 0; lines && r < size; r++) {
        strbuf_free(&lines[r]);
    }
    for (int r = 0; gathered && r < size; r++) {
        strbuf_free(&gathered[r]);
    }
    free(gathered);
    free(lines);
    free(uses);
    strbuf_free(&mine);
    return status;
}

const command cmd_doctor = {
    .name = "doctor",
    .usage = "doctor [--no-probe] [--model DIR|SPEC --ranks R]",
    .summary = "what this machine is, what slows it down, how fast it is, and what training a model would take on it",
    .groups = doctor_groups,
    .needs_world = true,
    .run = run,
};
