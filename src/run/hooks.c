#include "kenro/run/hooks.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/log.h"
#include "kenro/json/json_write.h"
#include "kenro/spec/spec_load.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* As for the runtime's own image: FUTURE_WRITE does not fail when something else holds
 * a page for a moment. */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE)

int hooks_memory(struct err *e)
{
        int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        return fd < 0 ? err_sys(e, errno, "cannot make memory for the hooks' state") : fd;
}

int hooks_document(int fd, const struct state *s, const char *status, pid_t pid, struct err *e)
{
        struct json_out o;
        const char *text;
        size_t len;
        int r;

        if (json_out_init(&o, false, e) < 0)
                return -1;
        json_map(&o);
        state_describe(&o, s, status, (uint64_t)pid);
        json_map_end(&o);
        text = json_text(&o, &len, e);
        r = text ? file_write_all(fd, text, len) : -1;
        json_out_release(&o);
        if (!text)
                return -1;
        if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                r = -errno;
        return r < 0 ? err_sys(e, -r, "cannot write the hooks' state") : 0;
}

static int memory_with(const struct state *s, const char *status, struct err *e)
{
        autoclose int fd = hooks_memory(e);

        if (fd < 0 || hooks_document(fd, s, status, (pid_t)s->pid, e) < 0)
                return -1;
        return fd_take(&fd);
}

int hooks_run(const struct hook_plan *p, enum hook_point point, const struct state *s,
              const char *status, struct err *e)
{
        autoclose int fd = -1;

        if (p->at[point].n == 0)
                return 0;
        fd = memory_with(s, status, e);
        return fd < 0 ? -1 : hook_run(p, point, fd, s->bundle, e);
}

static void warn(const struct err *e)
{
        log_warn("%s", e->text);
}

void hooks_poststop(const struct hook_plan *p, const struct state *s)
{
        struct state stopped = *s;
        autoclose int fd = -1;
        struct err e;

        if (p->at[HOOK_POSTSTOP].n == 0)
                return;
        stopped.pid = 0;
        fd = memory_with(&stopped, "stopped", &e);
        if (fd < 0)
                warn(&e);
        else /* what cleans up does so where the bundle is gone, too */
                hook_run_poststop(p, fd, access(s->bundle, X_OK) == 0 ? s->bundle : "/", warn);
}

uint64_t hooks_points(const struct hook_plan *p)
{
        uint64_t bits = 0;

        for (enum hook_point point = 0; point < HOOK_POINTS; point++)
                if (p->at[point].n > 0)
                        bits |= 1ull << point;
        return bits;
}

int hooks_load(int dir_fd, struct arena *a, struct hook_plan *ret, struct err *e)
{
        struct spec_file file;

        if (spec_load(dir_fd, "config.json", false, a, &file, e) < 0)
                return err_in(e, "the container's record");
        return hook_plan(file.spec.hooks, a, ret, e);
}
