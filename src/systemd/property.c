#include "property.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 4096, BITMASK_MAX = 1024, VERSION_MAX = 100000 };

struct property {
        const char *name, *type;
        unsigned long long since, count;
};

static int signed_number(const char *text, sd_bus_message *m, char type)
{
        char *end;
        long long n;

        if (!text || !*text)
                return -EINVAL;
        errno = 0;
        n = strtoll(text, &end, 10);
        if (*end || errno || (type == 'i' && (n < INT32_MIN || n > INT32_MAX)))
                return -EINVAL;
        return type == 'i' ? sd_bus_message_append(m, "i", (int32_t)n)
                           : sd_bus_message_append(m, "x", (int64_t)n);
}

static int number(struct fields_left *f, sd_bus_message *m, char type)
{
        unsigned long long n;

        if (fields_next_number(f, type == 't' ? UINT64_MAX : type == 'b' ? 1 : UINT32_MAX, &n) < 0)
                return -EINVAL;
        if (type == 't')
                return sd_bus_message_append(m, "t", (uint64_t)n);
        return type == 'b' ? sd_bus_message_append(m, "b", n != 0)
                           : sd_bus_message_append(m, "u", (uint32_t)n);
}

static int text(struct fields_left *f, sd_bus_message *m)
{
        const char *s = fields_next(f);

        return s ? sd_bus_message_append(m, "s", s) : -EINVAL;
}

static int nibble(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int bytes(struct fields_left *f, sd_bus_message *m)
{
        const char *hex = fields_next(f);
        unsigned char v[BITMASK_MAX];
        size_t n = hex ? strlen(hex) / 2 : 0;

        if (!hex || strlen(hex) % 2 || n > sizeof(v))
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EINVAL;
                v[i] = (unsigned char)(high << 4 | low);
        }
        return sd_bus_message_append_array(m, 'y', v, n);
}

static int device(struct fields_left *f, sd_bus_message *m)
{
        int r = sd_bus_message_open_container(m, 'r', "st");

        if (r >= 0)
                r = text(f, m);
        if (r >= 0)
                r = number(f, m, 't');
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int list(struct fields_left *f, sd_bus_message *m, const struct property *p)
{
        bool devices = strcmp(p->type, "a(st)") == 0;
        int r = sd_bus_message_open_container(m, 'a', p->type + 1);

        for (unsigned long long i = 0; r >= 0 && i < p->count; i += devices ? 2 : 1)
                r = devices ? device(f, m) : text(f, m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int value(struct fields_left *f, sd_bus_message *m, const struct property *p)
{
        if (strcmp(p->type, "as") == 0 || (strcmp(p->type, "a(st)") == 0 && p->count % 2 == 0))
                return list(f, m, p);
        if (p->count != 1)
                return -EINVAL;
        if (strcmp(p->type, "ay") == 0)
                return bytes(f, m);
        if (strcmp(p->type, "s") == 0)
                return text(f, m);
        if (strcmp(p->type, "i") == 0 || strcmp(p->type, "x") == 0)
                return signed_number(fields_next(f), m, *p->type);
        return strlen(p->type) == 1 && strchr("but", *p->type) ? number(f, m, *p->type) : -EINVAL;
}

static int append(sd_bus_message *m, struct fields_left *f, const struct property *p)
{
        int r = sd_bus_message_open_container(m, 'r', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", p->name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', p->type);
        if (r >= 0)
                r = value(f, m, p);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* 0 if it cannot be told. */
static unsigned long version(sd_bus *bus)
{
        char *s = NULL;
        unsigned long n = 0;

        if (sd_bus_get_property_string(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                       "org.freedesktop.systemd1.Manager", "Version", NULL,
                                       &s) >= 0)
                n = strtoul(s + (*s == 'v'), NULL, 10);
        free(s);
        return n;
}

/* Returns 1 at the end. */
static int next(struct fields_left *f, struct property *p)
{
        p->name = fields_next(f);
        if (!p->name)
                return 1;
        p->type = fields_next(f);
        if (!p->type || fields_next_number(f, VERSION_MAX, &p->since) < 0 ||
            fields_next_number(f, VALUES_MAX, &p->count) < 0)
                return -EINVAL;
        return 0;
}

int property_append_all(sd_bus *bus, sd_bus_message *m, struct fields_left *f, unsigned pid,
                        struct err *e)
{
        unsigned long has = 0;
        struct property p = { .name = "" };
        int r = sd_bus_message_open_container(m, 'a', "(sv)");

        if (r >= 0 && pid > 0)
                r = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, pid);
        while (r >= 0 && (r = next(f, &p)) == 0) {
                if (p.since > 0 && has == 0)
                        has = version(bus);
                if (p.since <= has || p.since == 0)
                        r = append(m, f, &p);
                else
                        for (unsigned long long i = 0; i < p.count; i++)
                                (void)fields_next(f); /* what it does not know it leaves alone */
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? err_sys(e, -r, "cannot say the property %.60s", p.name ? p.name : "") : 0;
}
