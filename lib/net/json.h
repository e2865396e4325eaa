/* SPDX-License-Identifier: GPL-2.0-only */
/* Members of the objects that ip(8) prints. */
#ifndef NVWA_NET_JSON_H
#define NVWA_NET_JSON_H

#include <json-c/json.h>
#include <stdint.h>

static inline struct json_object *json_member(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? value : NULL;
}

/* NULL if there is none. */
static inline const char *json_word(struct json_object *o, const char *key)
{
	return json_object_get_string(json_member(o, key));
}

/* 0 if there is none. */
static inline int64_t json_int(struct json_object *o, const char *key)
{
	return json_object_get_int64(json_member(o, key));
}

static inline void cleanup_json(struct json_object **o)
{
	json_object_put(*o);
}

#define _cleanup_json_	__attribute__((cleanup(cleanup_json)))

#endif
