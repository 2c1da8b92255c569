#include "kenro/json/json_encode.h"

static const char *const *text_at(const void *at)
{
        return at;
}

/* A list or map; what it points to begins at V. */
struct members {
        const char *v;
        size_t n;
};

static size_t size_of(const struct json_field *f)
{
        if (f->elem == J_OBJ)
                return f->shape->size;
        if (f->elem == J_STR)
                return f->kind == J_MAP ? sizeof(struct json_pair) : sizeof(char *);
        return f->elem == J_U32 ? sizeof(uint32_t) : sizeof(uint64_t);
}

/* One element of a list, or the value of a map's member. */
static void encode_member(struct json_out *o, const struct json_field *f, const char *at)
{
        if (f->elem == J_OBJ)
                json_encode(o, f->shape, at);
        else if (f->elem == J_U32)
                json_uint(o, *(const uint32_t *)(const void *)at);
        else if (f->elem == J_ENUM)
                json_str(o, name_of(f->names, *(const uint64_t *)(const void *)at));
        else if (f->kind == J_MAP)
                json_str(o, ((const struct json_pair *)(const void *)at)->value);
        else
                json_str(o, *text_at(at));
}

static void encode_members(struct json_out *o, const struct json_field *f, const struct members *m)
{
        (f->kind == J_MAP ? json_map : json_list)(o);
        for (size_t i = 0; i < m->n; i++) {
                const char *at = m->v + i * size_of(f);

                if (f->kind == J_MAP)
                        json_key(o, *text_at(at));
                encode_member(o, f, at);
        }
        (f->kind == J_MAP ? json_map_end : json_list_end)(o);
}

static bool is_absent(const struct json_field *f, const void *at)
{
        if (f->kind == J_UINT || f->kind == J_ENUM)
                return !((const struct opt_uint *)at)->set;
        if (f->kind == J_INT)
                return !((const struct opt_int *)at)->set;
        if (f->kind == J_STR || f->kind == J_OBJ)
                return !*(const void *const *)at;
        if (f->kind == J_LIST || f->kind == J_MAP)
                return ((const struct members *)at)->n == 0;
        return f->kind == J_SKIP;
}

static void encode_value(struct json_out *o, const struct json_field *f, const void *at)
{
        switch (f->kind) {
        case J_BOOL:
                return json_bool(o, *(const bool *)at);
        case J_U32:
                return json_uint(o, *(const uint32_t *)at);
        case J_U64:
                return json_uint(o, *(const uint64_t *)at);
        case J_UINT:
                return json_uint(o, ((const struct opt_uint *)at)->v);
        case J_INT:
                return json_int(o, ((const struct opt_int *)at)->v);
        case J_ENUM:
                return json_str(o, name_of(f->names, ((const struct opt_uint *)at)->v));
        case J_STR:
                return json_str(o, *text_at(at));
        case J_OBJ:
                return json_encode(o, f->shape, *(const void *const *)at);
        case J_LIST:
        case J_MAP:
                return encode_members(o, f, at);
        case J_SKIP:
        case J_END:
        default:
                return;
        }
}

void json_encode(struct json_out *o, const struct json_shape *shape, const void *object)
{
        json_map(o);
        for (const struct json_field *f = shape->fields; f->kind != J_END; f++) {
                const void *at = (const char *)object + f->offset;

                if (is_absent(f, at))
                        continue;
                json_key(o, f->key);
                encode_value(o, f, at);
        }
        json_map_end(o);
}
