/* Read config.json or an exec's process document: decode, then check the
 * values against each other. What passes is well-formed; whether it is allowed
 * here is the policy's question, and has other messages with other fixes. */
#pragma once

#include "kenro/base/tree.h"
#include "kenro/json/json_read.h"
#include "kenro/spec/spec.h"

/* The directory that config.json is in. */
struct bundle {
        const char *path; /* absolute */
        int fd;
        struct tree_list *later; /* trees cannot be cloned before the container is there;
                                  * or NULL */
};

struct spec_file {
        struct json_source src; /* the text, kept for messages and for the state */
        struct spec spec;
};

/* NAME in the directory DIR is the document; "config.json" of a bundle. WARN of keys
 * that are not known. */
int spec_load(int dir, const char *name, bool warn, struct arena *a, struct spec_file *ret,
              struct err *e);

/* The same from a text that is in memory already, checks included. */
int spec_parse(const struct json_source *src, struct spec *ret, struct err *e);

/* The `process` object that `exec --process PATH` names. "-" is not special. */
int spec_load_process(const char *path, struct arena *a, struct spec_process *ret, struct err *e);

/* Make SET a copy of itself with one more string, which is borrowed. */
int spec_strings_add(struct strings *set, const char *text, struct arena *a, struct err *e);

/* NAME=VALUE, as environ(7) has them; the value may be empty, the name not. */
bool spec_is_variable(const char *text);

/* The entry of linux.namespaces of TYPE (CLONE_NEW*), or NULL: inherited. */
const struct spec_namespace *spec_namespace(const struct spec *s, uint64_t type);

/* The host's id for the container's ID; ID itself if M is empty, SPEC_ID_MAX + 1
 * if it is not mapped. */
uint32_t spec_map_id(const struct id_mappings *m, uint32_t id);

/* True if a namespace of TYPE is to be created, that is listed without path. */
bool spec_namespace_new(const struct spec *s, uint64_t type);
