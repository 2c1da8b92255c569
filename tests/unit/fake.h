/* A root directory of the test's own, for what looks at a host's files. */
#pragma once

#include "unit.h"

struct fake {
        char path[PATH_MAX];
        int root;
};

static inline void fake_make(struct fake *f)
{
        test_dir_make(f->path);
        f->root = open(f->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->root >= 0);
}

static inline void fake_remove(struct fake *f)
{
        close(f->root);
        test_dir_remove(f->path);
}

/* Every directory on the way to PATH, which does not begin with "/". */
static inline void fake_directories(const struct fake *f, const char *path)
{
        char part[PATH_MAX];

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
                (void)mkdirat(f->root, part, 0755); /* it may be there */
        }
}

static inline void fake_file(const struct fake *f, const char *path, const char *text)
{
        fake_directories(f, path);
        test_file(f->root, path, text, 0644);
}

static inline void fake_program(const struct fake *f, const char *path)
{
        fake_directories(f, path);
        test_file(f->root, path, "", 0755);
}

static inline void fake_link(const struct fake *f, const char *path, const char *target)
{
        fake_directories(f, path);
        assert_int_equal(symlinkat(target, f->root, path), 0);
}
