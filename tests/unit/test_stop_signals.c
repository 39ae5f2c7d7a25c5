/* SIGTERM ends a process that does not answer it, even one that spins; one that answers has its time; a second SIGINT
 * ends at once. Each in a process of its own: handlers and their timer belong to the process. */
#include "mpi/internal.h"
#include "tests/support/asserts.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Stands for a library that never returns: not even system calls, in which a signal could be noticed. */
static void spin(double seconds) {
    for (volatile double end = now() + seconds; now() < end;) continue;
}

typedef struct ending {
    int status;
    double seconds;
    char text[1024];
} ending;

/* What becomes of a process with that grace that gets the signals and then does `then`. */
static ending in_child(const char *grace, const int *signals, void (*then)(void)) {
    ending e = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const double begin = now();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        setenv("WILDREWARD_GRACE_S", grace, 1);
        if (stop_signals_install() < 0) {
            fprintf(stderr, "%s\n", wr_error());
            _exit(99);
        }
        for (; *signals; signals++) raise(*signals);
        then();
        _exit(42);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n < sizeof e.text - 1 && (got = read(ends[0], e.text + n, sizeof e.text - 1 - n)) > 0;)
        n += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &e.status, 0), child);
    e.seconds = now() - begin;
    return e;
}

static void never_answers(void) { spin(60); }
static void answers_and_works(void) {
    if (world_stop_requested()) spin(2.5); /* more than the grace, less than what saving may take */
}
static void answers_and_spins(void) {
    if (world_stop_requested()) spin(100);
}
static void works(void) { spin(1.5); }

static void test_spin(void **state) {
    (void)state;
    const int term[] = {SIGTERM, 0};
    ending e = in_child("1", term, never_answers);
    assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 1);
    assert_true(e.seconds >= 0.9 && e.seconds < 30);
    assert_non_null(strstr(e.text, "SIGTERM"));
    assert_non_null(strstr(e.text, "WILDREWARD_GRACE_S"));
    assert_ptr_equal(strchr(e.text, '\n'), e.text + strlen(e.text) - 1); /* one line */
}

static void test_answered(void **state) {
    (void)state;
    const int term[] = {SIGTERM, 0}, usr1_term[] = {SIGUSR1, SIGTERM, 0};
    ending e = in_child("1", term, answers_and_works);
    assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 42);
    assert_string_equal(e.text, "");
    e = in_child("1", usr1_term, answers_and_works);
    assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 42);
    /* An answer is not the end: what follows is bounded as well. */
    e = in_child("1", term, answers_and_spins);
    assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 1);
    assert_true(e.seconds >= 9);
}

static void test_others(void **state) {
    (void)state;
    const int usr1[] = {SIGUSR1, 0}, once[] = {SIGINT, 0}, twice[] = {SIGINT, SIGINT, 0}, term[] = {SIGTERM, 0};
    ending e = in_child("1", usr1, works); /* comes a minute before the end: no hurry */
    assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 42);
    e = in_child("1", once, works);
    assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 42);
    e = in_child("1", twice, never_answers);
    assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 130);
    assert_true(e.seconds < 10);
    e = in_child("0", term, works);
    assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 42);
    e = in_child("soon", term, works);
    assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 99);
    assert_non_null(strstr(e.text, "soon"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spin), cmocka_unit_test(test_answered),
                                       cmocka_unit_test(test_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
