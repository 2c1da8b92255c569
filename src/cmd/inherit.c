#include "kenro/cmd/inherit.h"

#include "kenro/part/descriptor.h"
#include "kenro/part/sdnotify.h"
#include "kenro/spec/spec_load.h"

#include <stdlib.h>
#include <unistd.h>

/* A decimal number, 0 for anything else. */
static unsigned long number(const char *name)
{
        const char *text = getenv(name);
        char *end;
        unsigned long n;

        if (!text || *text < '0' || *text > '9')
                return 0;
        n = strtoul(text, &end, 10);
        return *end ? 0 : n;
}

unsigned inherit_listen_fds(void)
{
        unsigned long n = number("LISTEN_FDS");

        /* Others pass these variables on without meaning us. */
        if (number("LISTEN_PID") != (unsigned long)getpid() || n > DESCRIPTOR_PRESERVE_MAX)
                return 0;
        return (unsigned)n;
}

const char *inherit_notify_socket(void)
{
        const char *path = getenv("NOTIFY_SOCKET");

        return path && *path ? path : NULL;
}

static int add(struct spec_process *p, const char *text, struct arena *a, struct err *e)
{
        return text ? spec_strings_add(&p->env, text, a, e) : -1;
}

int inherit_environment(struct spec *s, unsigned listen, bool notify, struct arena *a,
                        struct err *e)
{
        const char *names = getenv("LISTEN_FDNAMES");
        struct spec_process *p = s->process;

        if (!p)
                return 0;
        if (listen > 0) {
                /* 1 is right in a pid namespace of its own; nobody can tell elsewhere. */
                if (add(p, arena_printf(a, e, "LISTEN_FDS=%u", listen), a, e) < 0 ||
                    add(p, "LISTEN_PID=1", a, e) < 0)
                        return -1;
                if (names && add(p, arena_printf(a, e, "LISTEN_FDNAMES=%s", names), a, e) < 0)
                        return -1;
        }
        return notify ? add(p, SDNOTIFY_ENV, a, e) : 0;
}
