#!/bin/bash
# A program that takes SIGTERM and needs three seconds to save, under an mpirun that is sent SIGTERM.
. "$(dirname "$0")/common.sh"
compile saver mpicc <<'C'
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t asked;
static void on_term(int signal) { asked = signal; }
static void note(const char *file) { fclose(fopen(file, "w")); }

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    signal(SIGTERM, on_term);
    note("ready");
    for (int i = 0; i < 6000 && !asked; i++) usleep(10000);
    note("asked");
    time_t until = time(NULL) + 4;
    while (time(NULL) < until) usleep(10000);
    note("saved");
    MPI_Finalize();
}
C
trial() { # trial TIMEOUT: seconds (rounded down) until the program has the signal; whether it could save; mpirun's exit code
    local launcher began waited=0 rc=0
    rm -f ready asked saved
    mpirun --mca odls_base_sigkill_timeout "$1" -n 1 ./saver >/dev/null 2>&1 &
    launcher=$!
    until [ -e ready ]; do sleep 0.05 && waited=$((waited + 1)) && [ $waited -lt 600 ] || fail "mpirun did not start"; done
    began=$(date +%s%N)
    kill -TERM $launcher
    until [ -e asked ]; do sleep 0.05; done
    local seconds=$((($(date +%s%N) - began) / 1000000000))
    wait $launcher || rc=$?
    echo "odls_base_sigkill_timeout $1: signal after $seconds s, $([ -e saved ] && echo saved || echo killed), exit code $rc"
}
finding "$(mpirun --version | head -n 1)" \
    "mpirun passes SIGTERM on at once; odls_base_sigkill_timeout is how long a rank then has before SIGKILL; a rank that ends with 0 leaves an exit code of 0" \
    "the timeout is waited for twice, before the ranks get SIGTERM and after it: 1 s makes a signal 1 s late and kills 1 s later; the exit code is 1 even when all saved"
{ trial 1 && trial 8; } >output
same <<'T'
odls_base_sigkill_timeout 1: signal after 1 s, killed, exit code 1
odls_base_sigkill_timeout 8: signal after 8 s, saved, exit code 1
T
