/* What models take, from their folders alone; what a machine and its control groups leave; what is refused, and in
 * which words. */
#include "base/file.h"
#include "cli/memory_check.h"
#include "base/memory_room.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)

/* --- what a model takes ------------------------------------------------------------------------------------------- */

static model_memory of(model_head head, bool frozen, precision p) {
    model_memory m;
    assert_int_equal(
        model_memory_of(test_folder(), &(model_load_options){.head = head, .frozen = frozen, .precision = p}, &m),
        WR_OK);
    return m;
}

static void test_model(void **state) {
    (void)state;
    for (precision stored = PRECISION_F32; stored < PRECISIONS; stored++) {
        folder_set_up(NULL);
        model_config c = tiny_config("layers=2,hidden=16,heads=4,kv-heads=2,ffn=24,type=qwen2,tied=0", 50);
        model *m = tiny_model(c, 3);
        assert_int_equal(model_save(m, test_folder(), NULL, &(model_provenance){0}, stored), WR_OK);
        const uint64_t n = m->n_params, vectors = 2 * (16 + 16 + (4 + 2 * 2) * 4) + 16, ends = 50 * 16;
        for (precision p = PRECISION_F32; p < PRECISIONS; p++) {
            const bool half = p == PRECISION_BF16;
            const model_memory masters = of(HEAD_LM, false, p), frozen = of(HEAD_LM, true, p);
            assert_int_equal(masters.loaded, n * (half ? 6 : 4));
            assert_int_equal(masters.parameters, n);
            assert_int_equal(masters.packed, half ? 2 * (n - vectors - ends) : 0);
            assert_in_range(masters.image, n * (half ? 2 : 4), n * (half ? 2 : 4) + 4 * vectors + 64);
            if (stored == p)
                assert_int_equal(frozen.loaded, 4 * vectors);
            else
                assert_int_equal(frozen.loaded, frozen.image);
            /* a head that is not there yet, and one that goes */
            assert_int_equal(of(HEAD_SCORE, false, PRECISION_F32).loaded, 4 * (n - ends + 16));
            model *loaded = NULL;
            assert_int_equal(model_load(test_folder(), &(model_load_options){.quiet = true, .precision = p}, &loaded),
                             WR_OK);
            assert_int_equal(loaded->n_params, n);
            model_free(loaded);
        }
        model_free(m);
        folder_tear_down(NULL);
    }
    model_memory none;
    assert_true(model_memory_of("/nonexistent", &(model_load_options){0}, &none) < 0);
    assert_int_equal(none.loaded, 0);
}

static train_memory state_of(size_t trained, update_options u, int ranks) {
    train_memory m = {0};
    train_memory_state(trained, &u, ranks, &m);
    return m;
}

static void test_state_of_training(void **state) {
    (void)state;
    enum { N = 100000 };
    const update_options whole = {.parts = 8}, shared = {.parts = 8, .zero = true},
                         same = {.parts = 8, .same_bits = true};
    train_memory m = state_of(N, whole, 1);
    assert_int_equal(m.gradients, 4 * N);
    assert_int_equal(m.optimizer, 8 * N);
    assert_int_equal(m.buffers, 0);
    m = state_of(N, shared, 4);
    assert_int_equal(m.gradients, 4 * N);
    assert_in_range(m.optimizer, 2 * N, 2 * N + 2 * 64);
    assert_in_range(m.buffers, 1, 16 << 20); /* slices on their way */
    const uint64_t slices = m.buffers;
    assert_int_equal(state_of(N, whole, 4).buffers, slices);
    /* a leaf of each part waits for its neighbour: log2(8 / ranks) further gradients, of the rank that has most parts */
    assert_int_equal(state_of(N, same, 1).buffers, 3 * 4 * N);
    assert_int_equal(state_of(N, same, 4).buffers, slices + 1 * 4 * N);
    assert_int_equal(state_of(N, same, 3).buffers, state_of(N, whole, 3).buffers + 2 * 4 * N);
    assert_int_equal(state_of(N, same, 1).gradients, 4 * N);
}

/* What is told of buffers before they are there is what they come to. */
static void test_workspace(void **state) {
    (void)state;
    static const char *const specs[] = {"layers=3,hidden=64,heads=4,kv-heads=2,ffn=96,tied=1",
                                        "layers=2,hidden=48,heads=4,ffn=80,type=qwen3,tied=1",
                                        "layers=2,hidden=48,heads=4,ffn=80,type=gemma2,tied=1"};
    enum { T = 700, V = 300 };
    const size_t offsets[] = {0, 300, 420, 421, T};
    const int32_t parent[] = {-1, 0, -1, 2};
    int32_t ids[T];
    size_t rows[T];
    float out[T];
    for (size_t i = 0; i < T; i++) ids[i] = (int32_t)(i * 7 % V), rows[i] = i;
    for (size_t k = 0; k < 12; k++) {
        const token_batch b = {.B = 4, .offsets = offsets, .ids = ids, .parent = parent};
        const bool recompute = k / 3 % 2;
        model *m = tiny_model(tiny_config(specs[k % 3], V), 3);
        assert_ok(model_set_precision(m, k / 6 ? PRECISION_BF16 : PRECISION_F32));
        float *grads = calloc(m->n_params, sizeof *grads), *dhidden = calloc(T * m->config.C, sizeof *dhidden);
        const float *hidden;
        workspace_need need = {0};
        model_workspace *w;
        assert_ok(model_workspace_need(m, &b, T, true, recompute, &need));
        assert_ok(model_workspace_create(m, &w));
        const size_t before = model_workspace_bytes(w);
        model_workspace_recompute(w, recompute);
        assert_ok(model_forward(m, &b, w, true, &hidden));
        assert_ok(lm_logprobs(m, w, hidden, T, rows, ids, out));
        assert_ok(lm_logprobs_backward(m, w, hidden, T, rows, ids, out, dhidden, grads));
        assert_ok(model_backward(m, &b, w, dhidden, grads));
        const double is = (double)(model_workspace_bytes(w) - before), told = (double)workspace_need_bytes(&need);
        if (!(told >= 0.99 * is && told <= 1.01 * is + (2 << 20)))
            fail_msg("%s, %s%s: %.0f bytes, told %.0f", specs[k % 3], precision_name(m->precision),
                     recompute ? ", recompute" : "", is, told);
        model_workspace_free(w);
        model_free(m);
        free(grads);
        free(dhidden);
    }
}

/* --- what is there ------------------------------------------------------------------------------------------------ */

static void put(const char *name, const char *text) {
    char folder[PATH_CAP];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(name, '/') - name), name);
    assert_ok(dir_make(in_folder(folder)));
    put_text(name, text);
}

static void machine(const char *groups) {
    put("proc/meminfo", "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    800 kB\nSwapFree: 50 kB\n");
    put("proc/self/cgroup", groups);
}

static void assert_room(uint64_t total, uint64_t available, uint64_t with_swap) {
    const memory_room r = memory_room_find(test_folder());
    assert_int_equal(r.total, total);
    assert_int_equal(r.available, available);
    assert_int_equal(r.with_swap, with_swap);
}

static void test_room_of_machine(void **state) {
    (void)state;
    folder_set_up(NULL);
    assert_room(0, 0, 0);
    machine("0::/user.slice\n");
    assert_room(1024000, 819200, 870400); /* no such group to be seen */
    folder_tear_down(NULL);
}

static void test_room_of_version_2(void **state) {
    (void)state;
    folder_set_up(NULL);
    machine("0::/slurm/job_7/step_0\n");
    put("sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max\n");
    put("sys/fs/cgroup/slurm/job_7/step_0/memory.current", "1000\n");
    assert_room(1024000, 819200, 870400);
    put("sys/fs/cgroup/slurm/job_7/memory.max", "500000\n");
    put("sys/fs/cgroup/slurm/job_7/memory.current", "300000\n");
    assert_room(500000, 200000, 200000 + 51200);
    /* pages of files are no use of memory: they go when it is needed */
    put("sys/fs/cgroup/slurm/job_7/memory.stat", "anon 100000\nfile 190000\ninactive_file 60000\nactive_file 40000\n");
    assert_room(500000, 300000, 300000 + 51200);
    put("sys/fs/cgroup/slurm/job_7/memory.swap.max", "1000\n");
    put("sys/fs/cgroup/slurm/job_7/memory.swap.current", "400\n");
    assert_room(500000, 300000, 300600);
    /* a wider group that is nearly full */
    put("sys/fs/cgroup/memory.max", "900000\n");
    put("sys/fs/cgroup/memory.current", "890000\n");
    assert_room(500000, 10000, 10000 + 51200);
    machine("0::/../elsewhere\n"); /* outside of a container: its top is what there is */
    assert_room(900000, 10000, 10000 + 51200);
    folder_tear_down(NULL);
}

static void test_room_of_version_1(void **state) {
    (void)state;
    folder_set_up(NULL);
    machine("9:name=systemd:/\n4:cpu,memory:/job\n0::/\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
    assert_room(1024000, 819200, 870400);
    put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "600000\n");
    put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "590000\n");
    put("sys/fs/cgroup/memory/job/memory.stat",
        "active_file 7\ntotal_active_file 100000\ntotal_inactive_file 200000\n");
    assert_room(600000, 310000, 310000 + 51200);
    put("sys/fs/cgroup/memory/job/memory.memsw.limit_in_bytes", "620000\n");
    put("sys/fs/cgroup/memory/job/memory.memsw.usage_in_bytes", "600000\n");
    assert_room(600000, 310000, 320000);
    folder_tear_down(NULL);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void test_decision(void **state) {
    (void)state;
    memory_question q = {.what = "m", .ranks = 1, .p = PRECISION_F32, .need = 30 * GIB, .available = 30 * GIB};
    assert_int_equal(memory_decide(&q), WR_OK);
    q.available--;
    assert_int_equal(memory_decide(&q), WR_E_NOMEM);
    assert_string_equal(wr_error(),
                        "m: 30.0 GiB of memory are needed beside the files in f32, and 29.9 GiB are available; "
                        "give it a host with more memory");
    q.need_bf16 = 1;
    assert_int_equal(memory_decide(&q), WR_E_NOMEM);
    assert_string_equal(wr_error(),
                        "m: 30.0 GiB of memory are needed beside the files in f32, and 29.9 GiB are available; "
                        "--precision bf16 needs 0.1 GiB");
    q.available = 0; /* unknown */
    assert_int_equal(memory_decide(&q), WR_OK);
    q = (memory_question){.what = "m and r",
                          .precision_option = "--x",
                          .ranks = 2,
                          .p = PRECISION_F32,
                          .need = 100 * GIB,
                          .need_bf16 = 90 * GIB,
                          .need_lora = 40 * GIB,
                          .available = 50 * GIB};
    assert_int_equal(memory_decide(&q), WR_E_NOMEM);
    assert_string_equal(wr_error(),
                        "m and r: the 2 ranks of this host need 100.0 GiB of memory beside the files in f32, and "
                        "50.0 GiB are available; --lora-rank N needs 40.0 GiB");
    q.available = 10 * GIB;
    assert_int_equal(memory_decide(&q), WR_E_NOMEM);
    assert_string_equal(wr_error(),
                        "m and r: the 2 ranks of this host need 100.0 GiB of memory beside the files in f32, and "
                        "10.0 GiB are available; even --x bf16 needs 90.0 GiB; even --lora-rank N needs 40.0 GiB; "
                        "give it fewer ranks a host, or a host with more memory");
    q.need_bf16 = 110 * GIB, q.need_lora = 0, q.p = PRECISION_BF16; /* more, and so no help */
    assert_int_equal(memory_decide(&q), WR_E_NOMEM);
    assert_null(strstr(wr_error(), "--x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model),
                                       cmocka_unit_test(test_state_of_training),
                                       cmocka_unit_test(test_workspace),
                                       cmocka_unit_test(test_room_of_machine),
                                       cmocka_unit_test(test_room_of_version_2),
                                       cmocka_unit_test(test_room_of_version_1),
                                       cmocka_unit_test(test_decision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
