#include "cli/version.h"

#include "mpi/world.h"
#include <archive.h>
#include <openblas_config.h>
#include <csv.h>
#include <msgpack.h>
#include <oneapi/dnnl/dnnl.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>
#include <yajl/yajl_version.h>
#include <yaml.h>
#include <zstd.h>

const char *version_string(void) { return WR_VERSION; }

const char *version_commit(void) { return WR_COMMIT; }

/* Of OpenBLAS, oneDNN and libarchive the version of their headers, for they are not loaded for this (doctor tells what
 * is in use); of libcsv too, which has no function for it. */
void version_text(strbuf *out) {
    const char *openblas = OPENBLAS_VERSION + strcspn(OPENBLAS_VERSION, "0123456789"); /* " OpenBLAS 0.3.21 " */
    strbuf_printf(out, "wildreward %s (commit %s)\n", version_string(), version_commit());
    strbuf_printf(out, "  MPI        %s\n", world_library());
    strbuf_printf(out, "  OpenBLAS   %.*s\n", (int)strcspn(openblas, " "), openblas);
    strbuf_printf(out, "  oneDNN     %d.%d.%d\n", DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH);
    strbuf_printf(out, "  msgpack    %s\n", msgpack_version());
    strbuf_printf(out, "  zstd       %s\n", ZSTD_versionString());
    strbuf_printf(out, "  libarchive %s\n", ARCHIVE_VERSION_ONLY_STRING);
    int yajl = yajl_version();
    strbuf_printf(out, "  yajl       %d.%d.%d\n", yajl / 10000, yajl / 100 % 100, yajl % 100);
    char pcre2[64] = "";
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    strbuf_printf(out, "  PCRE2      %s\n", pcre2);
    strbuf_printf(out, "  utf8proc   %s\n", utf8proc_version());
    strbuf_printf(out, "  libyaml    %s\n", yaml_get_version_string());
    strbuf_printf(out, "  libcsv     %d.%d.%d\n", CSV_MAJOR, CSV_MINOR, CSV_RELEASE);
    unsigned xxhash = XXH_versionNumber();
    strbuf_printf(out, "  xxHash     %u.%u.%u\n", xxhash / 10000, xxhash / 100 % 100, xxhash % 100);
}
