/* Finds the ends of JSON values in a text that is known to be JSON, counting lines: what cJSON's tree lacks
 * (config_json.c). */
#include <string.h>

#include "config_internal.h"

void json_scan_over(struct scan *scan, const char *marks) {
    for (; *scan->at != '\0' && strchr(marks, *scan->at) != NULL; scan->at++) {
        scan->line += *scan->at == '\n';
    }
}

int json_scan_string(struct scan *scan) {
    int nul = 0;
    for (scan->at++; *scan->at != '\0' && *scan->at != '"'; scan->at++) {
        scan->line += *scan->at == '\n';
        if (*scan->at == '\\' && scan->at[1] != '\0') {
            nul |= strncmp(scan->at, "\\u0000", 6) == 0;
            scan->at++;
        }
    }
    scan->at += *scan->at == '"';
    return nul;
}

void json_scan_value(struct scan *scan) {
    int depth = 0;
    do {
        json_scan_over(scan, " \t\r\n,:");
        if (*scan->at == '"') {
            json_scan_string(scan);
        } else if (*scan->at == '{' || *scan->at == '[') {
            depth++;
            scan->at++;
        } else if (*scan->at == '}' || *scan->at == ']') {
            depth--;
            scan->at++;
        } else {
            scan->at += strcspn(scan->at, " \t\r\n,:\"{}[]");
        }
    } while (depth > 0 && *scan->at != '\0');
}
