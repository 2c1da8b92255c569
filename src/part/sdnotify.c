#include "kenro/part/sdnotify.h"

#include "kenro/base/fd.h"
#include "kenro/base/log.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>

#define DIRECTORY "notify"
#define SOCKET "notify.sock"

enum { MESSAGE_MAX = 4096, DIGITS_MAX = 20, BARRIER_MS = 30000 };

int sdnotify_parent(int dir_fd, struct tree_list *later, struct arena *a, struct err *e)
{
        int tree;

        if (mkdirat(dir_fd, DIRECTORY, 0755) < 0)
                return err_sys(e, errno, "NOTIFY_SOCKET: cannot make its directory");
        tree = tree_source(later, dir_fd, DIRECTORY, false, a);
        return tree < 0 ? err_sys(e, -tree, "NOTIFY_SOCKET: cannot make a mount of its directory")
                        : tree;
}

int sdnotify_child(int tree_fd, int root_fd, struct err *e)
{
        autoclose int target = path_make_in(root_fd, SDNOTIFY_DIR, false, e);
        struct statfs fs;
        int r;

        if (target < 0)
                return err_in(e, "NOTIFY_SOCKET");
        if (fstatfs(target, &fs) < 0)
                return err_sys(e, errno, "NOTIFY_SOCKET: cannot stat its place");
        /* A link of the image: as for the mounts of the configuration. */
        if (fs.f_type == PROC_SUPER_MAGIC)
                return err_set(e, "NOTIFY_SOCKET: " SDNOTIFY_DIR " leads into procfs");
        r = tree_attr(tree_fd,
                      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                      0, false);
        if (r == 0)
                r = tree_propagation(tree_fd, MS_PRIVATE);
        if (r == 0)
                r = tree_attach(tree_fd, target);
        return r < 0 ? err_sys(e, -r, "NOTIFY_SOCKET: cannot mount its directory") : 0;
}

void sdnotify_undo(int dir_fd)
{
        (void)unlinkat(dir_fd, DIRECTORY "/" SOCKET, 0); /* gone is what we want */
        (void)unlinkat(dir_fd, DIRECTORY, AT_REMOVEDIR);
}

int sdnotify_listen(int dir_fd, struct err *e)
{
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        autoclose int dir = openat(dir_fd, DIRECTORY,
                                   O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        autoclose int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        mode_t mask = umask(0);
        int r;

        (void)unlinkat(dir, SOCKET, 0); /* of a start that was killed */
        snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" SOCKET, dir);
        r = bind(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? errno : 0;
        umask(mask);
        if (r != 0)
                return err_sys(e, r, "NOTIFY_SOCKET: cannot listen");
        return fd_take(&sock);
}

/* A service may say what concerns itself. Not MAINPID, NOTIFYACCESS or FDSTORE: with
 * these it would speak for the runtime. Not EXTEND_TIMEOUT_USEC: it would decide how long
 * it takes to be stopped. */
static const struct {
        const char *key;
        enum { ONE, DIGITS, TEXT } value;
} states[] = {
        { "READY=", ONE },    { "RELOADING=", ONE },         { "STOPPING=", ONE },
        { "WATCHDOG=", ONE }, { "MONOTONIC_USEC=", DIGITS }, { "STATUS=", TEXT },
};

static bool may_go_on(const char *line)
{
        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
                const char *value = line + strlen(states[i].key);

                if (strncmp(line, states[i].key, strlen(states[i].key)) != 0)
                        continue;
                if (states[i].value == ONE)
                        return strcmp(value, "1") == 0;
                return states[i].value == TEXT || (*value && strlen(value) <= DIGITS_MAX &&
                                                   value[strspn(value, "0123456789")] == '\0');
        }
        return false;
}

void sdnotify_filter(char *message, char ret[SDNOTIFY_STATE_MAX])
{
        char *rest;
        size_t n = 0;

        ret[0] = '\0';
        for (char *line = strtok_r(message, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest)) {
                /* It comes to terminals. */
                log_clean(line);
                if (!may_go_on(line) || n + strlen(line) + 1 >= SDNOTIFY_STATE_MAX)
                        continue;
                n += (size_t)snprintf(ret + n, SDNOTIFY_STATE_MAX - n, "%s%s", n ? "\n" : "", line);
        }
}

bool sdnotify_receive(int sock, char ret[SDNOTIFY_STATE_MAX])
{
        char text[MESSAGE_MAX + 1];
        ssize_t n = recv(sock, text, MESSAGE_MAX, MSG_TRUNC);

        ret[0] = '\0';
        if (n <= 0 || n > MESSAGE_MAX)
                return false;
        text[n] = '\0';
        sdnotify_filter(text, ret);
        return ret[0] != '\0';
}

bool sdnotify_is_ready(const char *state)
{
        static const char ready[] = "READY=1";

        for (const char *line = state; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strcspn(line, "\n") == sizeof(ready) - 1 &&
                    memcmp(line, ready, sizeof(ready) - 1) == 0)
                        return true;
        }
        return false;
}

/* "/path", or "@name" in the abstract namespace. */
static int connect_to(const char *path, int flags, struct err *e)
{
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        autoclose int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);
        size_t len = strlen(path);

        if (sock < 0)
                return err_sys(e, errno, "NOTIFY_SOCKET: cannot make a socket");
        if ((path[0] != '/' && path[0] != '@') || len >= sizeof(sa.sun_path))
                return err_set(e, "NOTIFY_SOCKET: '%.120s' is no address of a socket", path);
        memcpy(sa.sun_path, path, len);
        if (path[0] == '@')
                sa.sun_path[0] = '\0';
        len += offsetof(struct sockaddr_un, sun_path) + (path[0] == '/');
        if (connect(sock, (struct sockaddr *)&sa, (socklen_t)len) < 0)
                return err_sys(e, errno, "NOTIFY_SOCKET: cannot connect to %s", path);
        return fd_take(&sock);
}

static int send_barrier(int sock, struct err *e)
{
        autoclose int ours = -1, theirs = -1;
        struct pollfd p = { .events = 0 };
        int pair[2], r;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return err_sys(e, errno, "cannot make a pipe");
        ours = pair[0];
        theirs = pair[1];
        if (fd_send(sock, "BARRIER=1", strlen("BARRIER=1"), theirs, e) < 0)
                return -1;
        fd_close(&theirs);
        p.fd = ours; /* it hangs up when the manager has come so far */
        do
                r = poll(&p, 1, BARRIER_MS);
        while (r < 0 && errno == EINTR);
        return 0;
}

int sdnotify_tell(const char *host_socket, const char *state, struct err *e)
{
        autoclose int sock = connect_to(host_socket, SOCK_NONBLOCK, e);

        if (sock < 0)
                return -1;
        return fd_send(sock, state, strlen(state), -1, e) < 0 ? err_in(e, "NOTIFY_SOCKET") : 0;
}

int sdnotify_hand_over(const char *host_socket, pid_t pid, struct err *e)
{
        autoclose int sock = connect_to(host_socket, 0, e);
        char text[48];

        if (sock < 0)
                return -1;
        snprintf(text, sizeof(text), "READY=1\nMAINPID=%d", pid);
        if (fd_send(sock, text, strlen(text), -1, e) < 0 || send_barrier(sock, e) < 0)
                return err_in(e, "NOTIFY_SOCKET");
        return 0;
}
