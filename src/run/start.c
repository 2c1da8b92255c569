#include "kenro/run/start.h"

#include "kenro/base/fd.h"
#include "kenro/base/log.h"
#include "kenro/part/cgroup_stats.h"
#include "kenro/part/sdnotify.h"
#include "kenro/run/gate.h"
#include "kenro/run/hooks.h"
#include "kenro/spec/spec_fields.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static bool has(const struct container *c, enum hook_point point)
{
        return (c->state.hooks & 1ull << point) != 0;
}

/* Of the error that init has sent: a program that cannot be executed, for one, is no
 * hook's failure. */
static bool is_of_hook(const struct err *e)
{
        char prefix[64];
        int len = snprintf(prefix, sizeof(prefix), HOOK_FAILED,
                           spec_hook_names[HOOK_START_CONTAINER].name);

        return strncmp(e->text, prefix, (size_t)len) == 0;
}

static int killed(const struct container *c, const struct host_cgroup *cg, struct err *e)
{
        struct err ignored;
        autoclose int fd = container_cgroup(c, cg, &ignored);

        if (fd < 0 || cgroup_stats_oom_kills(fd) == 0) {
                err_set(e, "init was killed before it could execute the program");
                /* systemd takes an empty scope away, and with it what the kernel has counted */
                return fd < 0 ? err_hint(e, "too low a linux.resources.memory.limit does that")
                              : -1;
        }
        err_set(e, "memory limit too low: init was OOM-killed");
        return err_hint(e, "raise linux.resources.memory.limit");
}

static int release(struct container *c, const struct host *host, const struct host_cgroup *cg,
                   struct err *e)
{
        if (gate_release(c->dir_fd, c->pidfd, e) < 0)
                return -1;
        if (state_has_executed(host->proc_fd, (pid_t)c->state.pid))
                return 0;
        return killed(c, cg, e);
}

int container_wait_ready(const struct container *c, int sock, const char *host_socket,
                         struct err *e)
{
        struct pollfd p[2] = { { .fd = sock, .events = POLLIN },
                               { .fd = c->pidfd, .events = POLLIN } };

        char state[SDNOTIFY_STATE_MAX] = "";

        while (!p[0].revents || !sdnotify_receive(sock, state) || !sdnotify_is_ready(state)) {
                if (p[1].revents)
                        return 0; /* it has ended, which the manager sees by itself */
                if (poll(p, 2, -1) < 0 && errno != EINTR)
                        return err_sys(e, errno, "cannot wait for the service to be ready");
        }
        return sdnotify_hand_over(host_socket, (pid_t)c->state.pid, e);
}

int container_start(struct container *c, const struct host *host, const struct host_cgroup *cg,
                    const char *host_socket, struct arena *a, struct err *e)
{
        autoclose int ready = -1;
        struct hook_plan hooks;
        struct err late;
        int r = 0;

        if (has(c, HOOK_POSTSTART) && hooks_load(c->dir_fd, a, &hooks, e) < 0)
                return -1;
        if (host_socket && c->state.notifies && (ready = sdnotify_listen(c->dir_fd, e)) < 0)
                return -1;
        r = release(c, host, cg, e);
        if (r < 0 && !is_of_hook(e))
                return -1;
        if (r == 0 && has(c, HOOK_POSTSTART))
                r = hooks_run(&hooks, HOOK_POSTSTART, &c->state, "running", e);
        if (r < 0 && container_delete(c, host->proc_fd, cg, true, a, &late) < 0)
                log_warn("%s", late.text);
        if (r < 0 || ready < 0)
                return r;
        container_unlock(c);
        return container_wait_ready(c, ready, host_socket, e);
}
