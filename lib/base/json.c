// SPDX-License-Identifier: GPL-2.0-only
/* Short words for json-c: members of objects that may be missing. */
#include "lib/base/json.h"

void json_put_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

void json_put_number(struct json_object *o, const char *key, long long value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

void json_put_double(struct json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, json_object_new_double(value));
}

void json_put_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

struct json_object *json_get(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return value;
}

const char *json_word(struct json_object *o, const char *key)
{
	return json_object_get_string(json_get(o, key));
}

const char *json_text(struct json_object *o, const char *key)
{
	return json_word(o, key) ?: "";
}

long long json_number(struct json_object *o, const char *key)
{
	return json_object_get_int64(json_get(o, key));
}

size_t json_length(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

const char *json_format(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
					      JSON_C_TO_STRING_NOSLASHESCAPE);
}
