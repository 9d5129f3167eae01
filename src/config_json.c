/* JSON to the config's tree. cJSON says whether the text is JSON and what its strings mean, but not where things stand;
 * so the text is walked a second time, in step with cJSON's tree, by a scanner that only has to find the ends of what
 * is known to be well formed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "config_internal.h"

struct walk {
    struct config *config;
    struct scan scan;
    struct err *err;
    int layers; /* line of "layers", 0 before it */
};

/* Steps over a member's key; its value begins at scan->at. Returns the key's line. */
static int scan_key(struct walk *walk, const char *key) {
    char shown[CONFIG_SHOWN];
    json_scan_over(&walk->scan, " \t\r\n,");
    int line = walk->scan.line;
    if (json_scan_string(&walk->scan)) {
        err_add(walk->err, STATUS_REFUSED, "%s:%d: the key that begins with %s holds a NUL", walk->config->path, line,
                config_shown(shown, key, strlen(key)));
    }
    json_scan_over(&walk->scan, " \t\r\n:");
    return line;
}

static void scan_into(struct walk *walk) { /* the opening bracket of the value that begins here */
    walk->scan.at++;
}

static void scan_out(struct walk *walk) { /* its closing one */
    json_scan_over(&walk->scan, " \t\r\n");
    walk->scan.at++;
}

/* ---- values ---- */

/* Where the value stands that is being read. */
struct place {
    const struct section *section;
    const char *key;
    int line;
};

static int refuse(const struct walk *walk, const struct place *place, const char *sentence, const char *found,
                  size_t length) {
    char shown[CONFIG_SHOWN];
    char *where = config_where(place->section->file, place->line, place->section->name, place->key);
    err_add(walk->err, STATUS_REFUSED, "%s%s, got %s", where, sentence, config_shown(shown, found, length));
    free(where);
    return -1;
}

/* Numbers keep the text they are written in: nothing is lost, whatever their size. cJSON takes a little more than JSON
 * for one. */
static int read_number(const struct walk *walk, const struct place *place, const char *text, size_t length,
                       const cJSON *value, struct text *out) {
    if (config_json_number(text) != length) {
        return refuse(walk, place, "want a number as JSON writes it", text, length);
    }
    if (!isfinite(value->valuedouble)) {
        return refuse(walk, place, "want a finite number", text, length);
    }
    text_add_n(out, text, length);
    return 0;
}

static int read_scalar(struct walk *walk, const struct place *place, const cJSON *value, int in_list,
                       struct text *out) {
    const char *text = walk->scan.at;
    if (cJSON_IsString(value)) {
        if (json_scan_string(&walk->scan)) {
            return refuse(walk, place, "a text can't hold a NUL", text, (size_t)(walk->scan.at - text));
        }
        if (in_list && strchr(value->valuestring, ',') != NULL) {
            return refuse(walk, place, "a text in a list can't hold a comma", value->valuestring,
                          strlen(value->valuestring));
        }
        text_add(out, "%s", value->valuestring);
        return 0;
    }
    json_scan_value(&walk->scan);
    size_t length = (size_t)(walk->scan.at - text);
    if (cJSON_IsNumber(value)) {
        return read_number(walk, place, text, length, value, out);
    }
    if (cJSON_IsBool(value)) {
        text_add(out, "%d", cJSON_IsTrue(value) ? 1 : 0);
        return 0;
    }
    return refuse(walk, place,
                  in_list ? "want numbers, texts and booleans in a list"
                          : "want a number, a text, a boolean or a list of those",
                  text, length);
}

/* A list becomes its items with commas between. */
static int read_list(struct walk *walk, const struct place *place, const cJSON *list, struct text *out) {
    int status = 0;
    scan_into(walk);
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        json_scan_over(&walk->scan, " \t\r\n,");
        text_add(out, "%s", item == list->child ? "" : ",");
        status |= read_scalar(walk, place, item, 1, out);
    }
    scan_out(walk);
    return status;
}

static void read_entry(struct walk *walk, struct section *section, const cJSON *member, int line) {
    struct place place = {section, member->string, line};
    struct text value = {0};
    text_add_n(&value, "", 0);
    int status =
        cJSON_IsArray(member) ? read_list(walk, &place, member, &value) : read_scalar(walk, &place, member, 0, &value);
    if (status == 0) {
        const char *key = member->string;
        config_add_entry(section, key, strlen(key), value.text, value.length, line, walk->err);
    }
    text_free(&value);
}

/* ---- sections ---- */

/* The members of an object as entries of a section; `type` (may be NULL) is the one that named the section. */
static void read_entries(struct walk *walk, struct section *section, const cJSON *object, const cJSON *type) {
    int type_line = 0, before = walk->err->count;
    scan_into(walk);
    const cJSON *member;
    cJSON_ArrayForEach(member, object) {
        int line = scan_key(walk, member->string);
        if (walk->err->count - before >= CONFIG_MOST_ERRORS) {
            json_scan_value(&walk->scan);
        } else if (type != NULL && strcmp(member->string, type->string) == 0) {
            json_scan_value(&walk->scan);
            if (member == type) {
                type_line = line;
            } else if (cJSON_IsString(member) && strcmp(member->valuestring, type->valuestring) == 0) {
                err_warn(walk->err, "%s:%d: \"%s\" is given twice, first in line %d", section->file, line, type->string,
                         type_line);
            } else {
                err_add(walk->err, STATUS_REFUSED, "%s:%d: \"%s\" is given twice with another value, first in line %d",
                        section->file, line, type->string, type_line);
            }
        } else {
            read_entry(walk, section, member, line);
        }
    }
    scan_out(walk);
}

/* "layer" names the section of a layer that has a key `type` of its own ([cost]). */
static const cJSON *find_type(const cJSON *layer) {
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(layer, "layer");
    return type != NULL ? type : cJSON_GetObjectItemCaseSensitive(layer, "type");
}

/* Returns -1 where there is no room for more. */
static int read_layer(struct walk *walk, const cJSON *layer) {
    int line = walk->scan.line, full = walk->config->count >= CONFIG_MOST_SECTIONS;
    const cJSON *type = cJSON_IsObject(layer) ? find_type(layer) : NULL;
    struct section *section = NULL;
    if (!cJSON_IsObject(layer)) {
        err_add(walk->err, STATUS_REFUSED, "%s:%d: want a layer as an object {\"type\": ...}", walk->config->path,
                line);
    } else if (!cJSON_IsString(type)) {
        err_add(walk->err, STATUS_REFUSED, "%s:%d: the layer has no \"type\", want one such as \"convolutional\"",
                walk->config->path, line);
    } else {
        const char *name = type->valuestring;
        size_t length = strlen(name);
        config_trim(&name, &length);
        section = config_add_section(walk->config, name, length, line, walk->err);
    }
    if (section != NULL && (config_is_net(section) || config_is_data(section))) {
        err_add(walk->err, STATUS_REFUSED, "%s:%d: \"%s\" is not a layer: it stands beside \"layers\"",
                walk->config->path, line, section->name);
    }
    if (section == NULL) {
        json_scan_value(&walk->scan);
    } else {
        read_entries(walk, section, layer, type);
    }
    return full ? -1 : 0;
}

static void read_layers(struct walk *walk, const cJSON *list, int line) {
    const char *path = walk->config->path;
    if (walk->layers != 0) {
        err_add(walk->err, STATUS_REFUSED, "%s:%d: \"layers\" is given twice, first in line %d", path, line,
                walk->layers);
    } else if (!cJSON_IsArray(list)) {
        err_add(walk->err, STATUS_REFUSED, "%s:%d: want \"layers\" as a list [{\"type\": ...}, ...]", path, line);
    }
    if (walk->layers != 0 || !cJSON_IsArray(list)) {
        json_scan_value(&walk->scan);
        return;
    }
    int more = 1, before = walk->err->count;
    walk->layers = line;
    scan_into(walk);
    const cJSON *layer;
    cJSON_ArrayForEach(layer, list) {
        json_scan_over(&walk->scan, " \t\r\n,");
        if (more && walk->err->count - before < CONFIG_MOST_ERRORS) {
            more = read_layer(walk, layer) == 0;
        } else {
            json_scan_value(&walk->scan);
        }
    }
    scan_out(walk);
}

/* "net", "network" or "data". */
static void read_settings(struct walk *walk, const cJSON *object, int line) {
    struct section *section = NULL;
    if (!cJSON_IsObject(object)) {
        err_add(walk->err, STATUS_REFUSED, "%s:%d: want \"%s\" as an object {\"key\": value, ...}", walk->config->path,
                line, object->string);
    } else {
        section = config_add_section(walk->config, object->string, strlen(object->string), line, walk->err);
    }
    if (section == NULL) {
        json_scan_value(&walk->scan);
    } else {
        read_entries(walk, section, object, NULL);
    }
}

static void refuse_top(struct walk *walk, const char *name, int line) {
    char shown[CONFIG_SHOWN];
    char *nearest = config_nearest_among("net|data|layers|network", name);
    err_add(walk->err, STATUS_REFUSED, "%s:%d: %s is neither \"net\", \"data\" nor \"layers\"%s%s%s",
            walk->config->path, line, config_shown(shown, name, strlen(name)), nearest ? "; did you mean \"" : "",
            nearest ? nearest : "", nearest ? "\"?" : "");
    free(nearest);
    json_scan_value(&walk->scan);
}

/* [net] is the first section whatever the order of the members. */
static void put_net_first(struct config *config) {
    for (size_t i = 1; i < config->count; i++) {
        if (config_is_net(&config->sections[i])) {
            struct section net = config->sections[i];
            memmove(&config->sections[1], &config->sections[0], i * sizeof net);
            config->sections[0] = net;
            break;
        }
    }
    for (size_t i = 0; i < config->count; i++) {
        config->sections[i].index = (int)i;
    }
}

/* Names the first line that isn't text, if there is one. */
static int refuse_bytes(const struct config *config, const char *text, struct err *err) {
    for (int line = 1;; line++) {
        size_t length = strcspn(text, "\n"), shown = length > 0 && text[length - 1] == '\r' ? length - 1 : length;
        const char *trouble = config_trouble(text, shown);
        if (trouble != NULL) {
            return err_add(err, STATUS_REFUSED, "%s:%d: the line holds %s", config->path, line, trouble);
        }
        if (text[length] == '\0') {
            return 0;
        }
        text += length + 1;
    }
}

int config_parse_json(struct config *config, const char *text, size_t length, struct err *err) {
    int before = err->count;
    if (refuse_bytes(config, text, err) != 0) {
        return -1;
    }
    cJSON *root = json_parse(config->path, text, length, err);
    if (root == NULL) {
        return -1;
    }
    struct walk walk = {.config = config, .scan = {text, 1}, .err = err};
    json_scan_over(&walk.scan, " \t\r\n");
    scan_into(&walk);
    const cJSON *member;
    cJSON_ArrayForEach(member, root) {
        int line = scan_key(&walk, member->string);
        if (strcmp(member->string, "layers") == 0) {
            read_layers(&walk, member, line);
        } else if (strcmp(member->string, "net") == 0 || strcmp(member->string, "network") == 0 ||
                   strcmp(member->string, "data") == 0) {
            read_settings(&walk, member, line);
        } else {
            refuse_top(&walk, member->string, line);
        }
    }
    cJSON_Delete(root);
    put_net_first(config);
    return err->count > before ? -1 : 0;
}
