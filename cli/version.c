#include "cli/version.h"

#include "mpi/world.h"
#include <archive.h>
#include <cblas.h>
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

void version_text(strbuf *out) {
    strbuf_printf(out, "wildreward %s (commit %s)\n", version_string(), version_commit());
    strbuf_printf(out, "  MPI        %s\n", world_library());
    strbuf_printf(out, "  OpenBLAS   %s\n", openblas_get_config());
    const dnnl_version_t *dnnl = dnnl_version();
    strbuf_printf(out, "  oneDNN     %d.%d.%d\n", dnnl->major, dnnl->minor, dnnl->patch);
    strbuf_printf(out, "  msgpack    %s\n", msgpack_version());
    strbuf_printf(out, "  zstd       %s\n", ZSTD_versionString());
    strbuf_printf(out, "  libarchive %s\n", archive_version_details());
    int yajl = yajl_version();
    strbuf_printf(out, "  yajl       %d.%d.%d\n", yajl / 10000, yajl / 100 % 100, yajl % 100);
    char pcre2[64] = "";
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    strbuf_printf(out, "  PCRE2      %s\n", pcre2);
    strbuf_printf(out, "  utf8proc   %s\n", utf8proc_version());
    strbuf_printf(out, "  libyaml    %s\n", yaml_get_version_string());
    /* its header's: it has no function for it */
    strbuf_printf(out, "  libcsv     %d.%d.%d\n", CSV_MAJOR, CSV_MINOR, CSV_RELEASE);
    unsigned xxhash = XXH_versionNumber();
    strbuf_printf(out, "  xxHash     %u.%u.%u\n", xxhash / 10000, xxhash / 100 % 100, xxhash % 100);
}
