/* Where training stands, as the JSON text in a checkpoint's metadata and back (checkpoint.h): one table drives both. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "checkpoint.h"

enum field_type { FIELD_COUNT, FIELD_REAL, FIELD_TEXT };
struct field { const char *name; enum field_type type; size_t at, size; };

#define FIELD(kind, member) \
    {#member, kind, offsetof(struct progress_state, member), sizeof(((struct progress_state *)0)->member)}
static const struct field fields[] = {
    FIELD(FIELD_COUNT, step), FIELD(FIELD_COUNT, epoch), FIELD(FIELD_COUNT, position), FIELD(FIELD_COUNT, seed),
    FIELD(FIELD_REAL, best), FIELD(FIELD_COUNT, best_step), FIELD(FIELD_REAL, plateau_factor),
    FIELD(FIELD_COUNT, plateau_bad), FIELD(FIELD_COUNT, patience_bad), FIELD(FIELD_REAL, epoch_loss),
    FIELD(FIELD_REAL, epoch_weight), FIELD(FIELD_COUNT, epoch_correct), FIELD(FIELD_COUNT, epoch_seen),
    FIELD(FIELD_COUNT, epoch_answers),
    FIELD(FIELD_REAL, loss), FIELD(FIELD_REAL, rate_factor), FIELD(FIELD_COUNT, tries), FIELD(FIELD_COUNT, finished),
    FIELD(FIELD_COUNT, seed_given), FIELD(FIELD_COUNT, length_given),
    FIELD(FIELD_TEXT, isa), FIELD(FIELD_TEXT, precision), FIELD(FIELD_TEXT, blas),
};
enum { FIELDS = sizeof fields / sizeof *fields };
static const double EXACT = 0x1p53;   /* JSON numbers keep whole numbers up to here */

char *progress_state_text(const struct progress_state *state) {
    struct json j = {0};
    json_open(&j, NULL, '{');
    for (int i = 0; i < FIELDS; i++) {
        const char *at = (const char *)state + fields[i].at;
        uint64_t count;
        double real;
        switch (fields[i].type) {
        case FIELD_COUNT:
            memcpy(&count, at, sizeof count);
            json_int(&j, fields[i].name, (long long)count);
            break;
        case FIELD_REAL:
            memcpy(&real, at, sizeof real);
            json_exact(&j, fields[i].name, real);   /* NaN is null */
            break;
        case FIELD_TEXT: json_text(&j, fields[i].name, at); break;
        }
    }
    json_close(&j, '}');
    return j.out.text;
}

/* Reads one field; -1 where its type or range is wrong. */
static int field_read(const struct field *field, const cJSON *value, char *to) {
    double real = cJSON_IsNull(value) ? NAN : value->valuedouble;
    uint64_t count;
    switch (field->type) {
    case FIELD_COUNT:
        if (!cJSON_IsNumber(value) || !(real >= 0 && real <= EXACT) || real != floor(real)) {
            return -1;
        }
        count = (uint64_t)real;
        memcpy(to, &count, sizeof count);
        return 0;
    case FIELD_REAL:
        if ((!cJSON_IsNumber(value) && !cJSON_IsNull(value)) || isinf(real)) {
            return -1;
        }
        memcpy(to, &real, sizeof real);
        return 0;
    case FIELD_TEXT:
        if (!cJSON_IsString(value) || strlen(value->valuestring) >= field->size) {
            return -1;
        }
        strcpy(to, value->valuestring);
        return 0;
    }
    return -1;
}

int progress_state_read(struct progress_state *state, const char *text, const char *path, struct err *err) {
    *state = (struct progress_state){0};
    cJSON *object = json_parse(path, text, strlen(text), err);
    if (object == NULL) {
        return -1;
    }
    int result = 0;
    for (int i = 0; i < FIELDS && result == 0; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, fields[i].name);
        if (value == NULL && strcmp(fields[i].name, "epoch_answers") == 0) {   /* a file of before: what is counted begins with the resume */
            state->epoch_correct = 0;
            continue;
        }
        if (value == NULL || field_read(&fields[i], value, (char *)state + fields[i].at) != 0) {
            result = err_add(err, STATUS_REFUSED, "%s: dlcli.training: %s is missing or makes no sense", path,
                             fields[i].name);
        }
    }
    cJSON_Delete(object);
    return result;
}
