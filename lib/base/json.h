/* SPDX-License-Identifier: GPL-2.0-only */
/* Short words for json-c: members of objects that may be missing. */
#ifndef NVWA_BASE_JSON_H
#define NVWA_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* Add a member; a text of NULL becomes null. */
void json_put_text(struct json_object *o, const char *key, const char *value);
void json_put_number(struct json_object *o, const char *key, long long value);
void json_put_double(struct json_object *o, const char *key, double value);
void json_put_bool(struct json_object *o, const char *key, bool value);

/* A member, or NULL, "" and 0 if there is none (or no object). */
struct json_object *json_get(struct json_object *o, const char *key);
const char *json_text(struct json_object *o, const char *key);
long long json_number(struct json_object *o, const char *key);
/* As json_text(), but NULL. */
const char *json_word(struct json_object *o, const char *key);

/* Entries of a list, 0 if it is none. */
size_t json_length(struct json_object *list);

/* The whole text, for people as well; lives as long as the object is not changed. */
const char *json_format(struct json_object *o);

static inline void cleanup_json(struct json_object **o)
{
	json_object_put(*o);
}

#define _cleanup_json_	__attribute__((cleanup(cleanup_json)))

#endif
