#!/bin/bash
# deps.sh build|dev: makes sure that what building and testing need is there.
#   build: compiler, MPI, libraries, test framework        dev: also linters, sanitizers, Slurm
# On Debian and Ubuntu as root or with sudo, missing packages are installed with apt. Anywhere else the script only looks: each library is
# compiled and linked against, honouring NAME_CFLAGS and NAME_LIBS (modules, Spack, conda), and what is missing is printed.
# Nothing is fetched, and no network is needed, when everything is there.
set -u
what=${1:-build}
case $what in build | dev) ;; *)
    echo "deps.sh: '$what' is neither 'build' nor 'dev'" >&2
    exit 2
    ;;
esac

build_packages="gcc make pkg-config libopenmpi-dev openmpi-bin libopenblas-openmp-dev libdnnl-dev libmsgpack-dev libzstd-dev zstd
    libarchive-dev libsnappy-dev zlib1g-dev libcurl4-openssl-dev libmicrohttpd-dev libyajl-dev libpcre2-dev libutf8proc-dev libyaml-dev libxxhash-dev libcsv-dev libcmocka-dev jq procps"
dev_packages="$build_packages slurm-wlm munge clang clang-tidy clang-format libclang-rt-dev cppcheck shellcheck iproute2"
packages=$build_packages
[ "$what" = dev ] && packages=$dev_packages

# Packages of the list that are not fully installed.
missing_packages() {
    local p
    for p in $packages; do
        case $(dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null) in
        ii*) ;;
        *) echo "$p" ;;
        esac
    done
}

sudo_command() {
    if [ "$(id -u)" = 0 ]; then
        return 0
    fi
    command -v sudo >/dev/null || return 1
    if [ -t 0 ]; then sudo -v; else sudo -n true 2>/dev/null; fi || return 1
    sudo=sudo
}

# Compiles and links one call to a library: probe NAME 'headers' 'call' 'pkg-config module' 'fallback -l'.
probe() {
    local name=$1 headers=$2 call=$3 module=$4 fallback=$5 cflags libs header dir
    local cflags_var=${name}_CFLAGS libs_var=${name}_LIBS
    cflags=${!cflags_var-$(pkg-config --cflags "$module" 2>/dev/null)}
    libs=${!libs_var-$(pkg-config --libs "$module" 2>/dev/null)}
    [ -n "$libs" ] || libs=$fallback
    dir=$(mktemp -d) || return 1
    for header in $headers; do echo "#include <$header>"; done >"$dir/probe.c"
    echo "int main(void) { return (int)(0 != (void *)&$call); }" >>"$dir/probe.c"
    # shellcheck disable=SC2086  # flags are lists of words
    ${CC:-cc} -w $cflags -o "$dir/probe" "$dir/probe.c" $libs 2>"$dir/log"
    local rc=$?
    if [ $rc != 0 ]; then
        problems=$((problems + 1))
        echo "missing: $name ($module): give ${name}_CFLAGS and ${name}_LIBS, or a pkg-config file in PKG_CONFIG_PATH" >&2
        [ "${V:-0}" = 1 ] && sed 's/^/    /' "$dir/log" >&2
    fi
    rm -rf "$dir"
}

tool() { # tool NAME 'what for' [optional]
    command -v "$1" >/dev/null && return
    if [ "${3:-}" = optional ]; then
        echo "not found: $1 ($2); what needs it is skipped" >&2
    else
        problems=$((problems + 1))
        echo "missing: $1 ($2)" >&2
    fi
}

look() {
    problems=0
    tool "${CC:-cc}" "a C17 compiler"
    tool make "GNU make"
    tool mpirun "Open MPI 4"
    if command -v "${CC:-cc}" >/dev/null; then
        # make finds Debian's OpenMP variant of OpenBLAS by itself; elsewhere the default one is taken.
        local dir
        for dir in /usr/lib/*/openblas-openmp; do
            if [ -d "$dir" ] && [ -z "${OPENBLAS_LIBS+x}" ]; then
                # shellcheck disable=SC2034  # read by name in probe
                OPENBLAS_CFLAGS=-I${dir/\/lib\//\/include\/}
                OPENBLAS_LIBS="-L$dir -lopenblas"
            fi
        done
        probe MPI mpi.h MPI_Init_thread ompi-c -lmpi
        probe OPENBLAS cblas.h cblas_sgemm openblas -lopenblas
        probe DNNL oneapi/dnnl/dnnl.h dnnl_engine_create dnnl -ldnnl
        probe MSGPACK msgpack.h msgpack_unpack_next msgpack -lmsgpackc
        probe ZSTD zstd.h ZSTD_compress libzstd -lzstd
        probe ARCHIVE archive.h archive_read_new libarchive -larchive
        probe SNAPPY snappy-c.h snappy_uncompress snappy -lsnappy
        probe ZLIB zlib.h inflate zlib -lz
        probe CURL curl/curl.h curl_multi_init libcurl -lcurl
        probe YAJL yajl/yajl_parse.h yajl_alloc yajl -lyajl
        PCRE2_CFLAGS="${PCRE2_CFLAGS-$(pkg-config --cflags libpcre2-8 2>/dev/null)} -DPCRE2_CODE_UNIT_WIDTH=8" \
            probe PCRE2 pcre2.h pcre2_compile libpcre2-8 -lpcre2-8
        probe UTF8PROC utf8proc.h utf8proc_category libutf8proc -lutf8proc
        probe YAML yaml.h yaml_parser_initialize yaml-0.1 -lyaml
        probe XXHASH xxhash.h XXH64 libxxhash -lxxhash
        probe CSV csv.h csv_parse libcsv -lcsv
        probe CMOCKA 'stdarg.h stddef.h setjmp.h stdint.h cmocka.h' _cmocka_run_group_tests cmocka -lcmocka
    fi
    tool zstd "looking at shards and JSONL.zst files" optional
    tool jq "the end-to-end tests" optional
    if [ "$what" = dev ]; then
        tool clang-tidy "make lint" optional
        tool cppcheck "make lint" optional
        tool shellcheck "make lint" optional
        tool clang "make fuzz" optional
        tool slurmctld "the Slurm test" optional
    fi
    if [ $problems -gt 0 ]; then
        echo "$problems missing (V=1 shows the compiler's words). On Debian: apt-get install" $packages >&2
        return 1
    fi
}

# Debian and Ubuntu: no probing while the package lists say that all is there.
if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null && [ "${WILDREWARD_NO_APT:-0}" != 1 ]; then
    missing=$(missing_packages)
    [ -z "$missing" ] && exit 0
    sudo=
    if sudo_command; then
        echo "deps: installing" $missing
        export DEBIAN_FRONTEND=noninteractive
        for attempt in 1 2 3; do
            # shellcheck disable=SC2086  # a list of packages
            if timeout 600 $sudo apt-get -q -o Acquire::Retries=3 update &&
                timeout 1200 $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 \
                    -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing; then
                break
            fi
            echo "deps: attempt $attempt failed" >&2
            sleep $((attempt * 5))
        done >"${TMPDIR:-/tmp}/wildreward-deps-$$.log" 2>&1
        missing=$(missing_packages)
        if [ -n "$missing" ]; then
            tail -n 20 "${TMPDIR:-/tmp}/wildreward-deps-$$.log" >&2
            rm -f "${TMPDIR:-/tmp}/wildreward-deps-$$.log"
            echo "deps: apt could not install:" $missing >&2
            look
            exit
        fi
        rm -f "${TMPDIR:-/tmp}/wildreward-deps-$$.log"
        exit 0
    fi
fi
look
