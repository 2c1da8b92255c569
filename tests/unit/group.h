/* A control group of the test's own, for its children to be in. */
#pragma once

#include "child.h"

#include "kenro/part/cgroup.h"

struct test_group {
        struct host_cgroup host; /* fd -1: there can be none */
        char path[40];           /* below the mount, with all that the tests make */
};

static inline int test_group_make(struct test_group *g)
{
        struct err e;

        g->host.fd = -1;
        if (geteuid() != 0 || host_cgroup(&g->host, test_arena(), &e) < 0)
                return 0;
        snprintf(g->path, sizeof(g->path), "/kenro-unit-%d", getpid());
        return mkdirat(g->host.fd, g->path + 1, 0755);
}

/* Whatever the tests have left in it ends with it. */
static inline int test_group_remove(struct test_group *g)
{
        struct err e;
        int fd;

        if (g->host.fd < 0)
                return 0;
        fd = cgroup_open(&g->host, g->path);
        if (fd >= 0)
                (void)cgroup_kill(fd);
        close(fd);
        return cgroup_remove(&g->host, g->path, 1, &e);
}

#define NEEDS_GROUP(g)                                                                             \
        do {                                                                                       \
                if ((g).host.fd < 0)                                                               \
                        SKIP("needs root and a cgroup2 file system");                              \
        } while (0)
