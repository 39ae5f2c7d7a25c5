#include "data/source/parquet/parquet_column.h"

#include <math.h>
#include <string.h>
#include <time.h>

static void put_digits(char *at, unsigned digits, uint64_t v) {
    for (unsigned i = digits; i-- > 0; v /= 10) at[i] = (char)('0' + v % 10);
}

const char *parquet_timestamp(const parquet_node *leaf, const parquet_value *v, char text[PARQUET_TIMESTAMP]) {
    static const struct {
        int64_t per_second;
        unsigned digits;
    } units[] = {[UNIT_NONE] = {1000000000, 9},
                 [UNIT_MILLIS] = {1000, 3},
                 [UNIT_MICROS] = {1000000, 6},
                 [UNIT_NANOS] = {1000000000, 9}};
    char *out = text;
    int64_t fraction = v->length;
    time_t second = v->number;
    struct tm t;
    /* a bare number: read as one in JSON is (data/source/conversation_parse.c) */
    if (leaf->type == PARQUET_DOUBLE || (leaf->type == PARQUET_INT64 && leaf->unit == UNIT_NONE)) {
        const double since = v->valid ? (double)v->number : leaf->type == PARQUET_DOUBLE ? trunc(v->real) : 0;
        const double scale = since < 1e11 ? 1 : since < 1e14 ? 1e3 : since < 1e17 ? 1e6 : 1e9;
        if (!(since >= 1e9 && since / scale < 253402300800.0)) return "";
        second = (time_t)(since / scale);
        fraction = 0;
    } else if (leaf->type == PARQUET_INT64) {
        int64_t per = units[leaf->unit].per_second;
        second = v->number / per;
        fraction = v->number % per;
        if (fraction < 0) fraction += per, second--;
    }
    if (!gmtime_r(&second, &t) || t.tm_year < -1900 || t.tm_year > 9999 - 1900) return "";
    memcpy(out, "0000-00-00T00:00:00", 19);
    put_digits(out, 4, (unsigned)(t.tm_year + 1900));
    put_digits(out + 5, 2, (unsigned)t.tm_mon + 1);
    put_digits(out + 8, 2, (unsigned)t.tm_mday);
    put_digits(out + 11, 2, (unsigned)t.tm_hour);
    put_digits(out + 14, 2, (unsigned)t.tm_min);
    put_digits(out + 17, 2, (unsigned)t.tm_sec);
    out += 19;
    if (fraction) {
        *out++ = '.';
        put_digits(out, units[leaf->unit].digits, (uint64_t)fraction);
        out += units[leaf->unit].digits;
    }
    memcpy(out, "Z", 2);
    return text;
}
