#include "kenro/run/notify.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/sys.h"
#include "kenro/json/json_write.h"

#include <stdio.h>
#include <string.h>

int notify_connect(struct job *j, struct err *e)
{
        if (!j->process->seccomp.notifies)
                return 0;
        j->agent_fd = fd_connect(j->process->seccomp.agent, e);
        return j->agent_fd < 0 ? err_in(e, "failed to connect with seccomp agent") : 0;
}

/* The number comes from the container's process: it must be what it should be. */
static int fetch(const struct job *j, struct err *e)
{
        static const char wanted[] = "anon_inode:seccomp notify";
        autoclose int fd = sys_pidfd_getfd(j->pidfd, j->shared->listener);
        char name[40], target[sizeof(wanted)] = "";

        if (fd < 0)
                return err_sys(e, -fd, "cannot fetch the seccomp agent's descriptor");
        snprintf(name, sizeof(name), "self/fd/%d", fd);
        if (readlinkat(j->host->proc_fd, name, target, sizeof(target)) != sizeof(wanted) - 1 ||
            memcmp(target, wanted, sizeof(wanted) - 1) != 0)
                return err_set(e, "the container's process offers no seccomp descriptor");
        return fd_take(&fd);
}

static void describe(struct json_out *o, const struct job *j, const char *status)
{
        const struct state *s = &j->container->state;

        json_map(o);
        json_key_str(o, "ociVersion", s->oci_version);
        json_key(o, "fds");
        json_list(o);
        json_str(o, "seccompFd");
        json_list_end(o);
        json_key_uint(o, "pid", (uint64_t)j->pid);
        if (j->process->seccomp.metadata)
                json_key_str(o, "metadata", j->process->seccomp.metadata);
        json_key(o, "state");
        json_map(o);
        state_describe(o, s, status, s->pid ? s->pid : (uint64_t)j->pid);
        json_map_end(o);
        json_map_end(o);
}

int notify_agent(struct job *j, const char *status, struct err *e)
{
        autoclose int listener = -1;
        struct json_out o;
        const char *text;
        size_t len;
        int r = -1, n = -1;

        if (j->agent_fd < 0)
                return 0;
        listener = fetch(j, e);
        if (listener < 0 || json_out_init(&o, false, e) < 0)
                return -1;
        describe(&o, j, status);
        text = json_text(&o, &len, e);
        /* Agents may look for all of it where the descriptor is: in the first message. */
        if (text)
                n = fd_send(j->agent_fd, text, len, listener, e);
        if (n >= 0) {
                r = file_write_all(j->agent_fd, text + n, len - (size_t)n);
                r = r < 0 ? err_sys(e, -r, "cannot send to the seccomp agent") : 0;
        }
        json_out_release(&o);
        fd_close(&j->agent_fd);
        return r;
}
