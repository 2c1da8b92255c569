#include "kenro/part/stash.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <fcntl.h>
#include <sys/stat.h>

int stash_make(const char *label, struct err *e)
{
        static const struct {
                const char *key, *value;
        } params[] = { { "source", "kenro" }, { "mode", "755" }, { "size", "64k" } };
        autoclose int fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
        autoclose int fd = -1, file = -1;
        int r = fs;

        for (size_t i = 0; r >= 0 && i < sizeof(params) / sizeof(params[0]); i++)
                r = sys_fsconfig(fs, FSCONFIG_SET_STRING, params[i].key, params[i].value, 0);
        if (r >= 0 && label)
                r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "context", label, 0);
        if (r >= 0)
                r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
        if (r >= 0)
                r = fd = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
        if (r < 0 && label)
                return err_sys(e, -r, "linux.mountLabel: cannot make a tmpfs with '%.150s'", label);
        if (r < 0)
                return err_sys(e, -r, "cannot make the runtime's own tmpfs");
        if (mkdirat(fd, "dir", 0555) < 0)
                return err_sys(e, errno, "cannot make the runtime's own directory");
        if (mkdirat(fd, "dev", 0500) < 0 || mkdirat(fd, "proc", 0500) < 0)
                return err_sys(e, errno, "cannot make places for the runtime's own mounts");
        file = openat(fd, "file", O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444);
        if (file < 0)
                return err_sys(e, errno, "cannot make the runtime's own file");
        return fd_take(&fd);
}

int stash_put_child(int stash_fd, const char *name, int mount_fd, struct err *e)
{
        int r = mount_fd < 0
                        ? 0
                        : sys_move_mount(mount_fd, "", stash_fd, name, MOVE_MOUNT_F_EMPTY_PATH);

        return r < 0 ? err_sys(e, -r, "cannot put /%s aside", name) : 0;
}
