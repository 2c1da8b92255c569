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
        if (mkdirat(fd, "dev", 0500) < 0)
                return err_sys(e, errno, "cannot make the runtime's own /dev");
        file = openat(fd, "file", O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444);
        if (file < 0)
                return err_sys(e, errno, "cannot make the runtime's own file");
        return fd_take(&fd);
}

int stash_dev_child(int stash_fd, int dev_fd, struct err *e)
{
        int r = sys_move_mount(dev_fd, "", stash_fd, "dev", MOVE_MOUNT_F_EMPTY_PATH);

        return r < 0 ? err_sys(e, -r, "cannot put /dev aside") : 0;
}
