#include "kenro/base/tree.h"

#include "kenro/base/sys.h"

#include <fcntl.h>

int tree_clone(int dir, const char *path, bool recursive)
{
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;

        if (!*path)
                flags |= AT_EMPTY_PATH;
        if (recursive)
                flags |= AT_RECURSIVE;
        return sys_open_tree(dir, path, flags);
}

int tree_attr(int fd, uint64_t set, uint64_t clear, bool recursive)
{
        struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

        if (!set && !clear)
                return 0;
        return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr);
}

int tree_propagation(int fd, uint64_t how)
{
        struct mount_attr attr = { .propagation = how & ~(uint64_t)MS_REC };

        return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (how & MS_REC ? AT_RECURSIVE : 0), &attr);
}

int tree_idmap(int fd, int userns, bool recursive)
{
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };

        return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr);
}

int tree_attach(int tree, int target)
{
        return sys_move_mount(tree, "", target, "",
                              MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
