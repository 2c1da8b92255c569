/* For tests of what changes the process itself, its ids, its namespaces or its
 * descriptors: they run in a child. */
#pragma once

#include "unit.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"
#include "kenro/base/tree.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { CHILD_SKIPPED = 77 };

/* A failed assert ends the child, by SIGABRT; cmocka would else go on with the
 * other tests in it. */
static inline pid_t child_fork(void)
{
        pid_t pid = fork();

        if (pid == 0) {
                setenv("CMOCKA_TEST_ABORT", "1", 1);
                prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* if the test fails */
        }
        assert_true(pid >= 0);
        return pid;
}

/* A process that does nothing until it is killed. */
static inline pid_t child_idle(void)
{
        pid_t pid = child_fork();

        if (pid == 0)
                for (;;)
                        pause();
        return pid;
}

/* The exit status of the child PID, or -1 if a signal ended it. */
static inline int child_wait(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void child_kill(pid_t pid)
{
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(child_wait(pid), -1);
}

/* Run FN in a child and wait for its end. */
static inline int child_run(void (*fn)(void *arg), void *arg)
{
        pid_t pid = child_fork();

        if (pid == 0) {
                fn(arg);
                _exit(0);
        }
        return child_wait(pid);
}

/* What child_wait has returned must be success. */
#define CHILD_DONE(status)                                                                         \
        do {                                                                                       \
                if ((status) == CHILD_SKIPPED)                                                     \
                        SKIP("the namespaces it needs cannot be made here");                       \
                assert_int_equal(status, 0);                                                       \
        } while (0)

#define IN_CHILD(fn, arg)                                                                          \
        do {                                                                                       \
                int status_ = child_run(fn, arg);                                                  \
                CHILD_DONE(status_);                                                               \
        } while (0)

/* New namespaces for the child; its mounts reach nobody else. */
static inline void child_unshare(int flags)
{
        if (unshare(flags) < 0)
                _exit(CHILD_SKIPPED);
        if (flags & CLONE_NEWNS) {
                int slash = open("/", O_PATH | O_CLOEXEC);

                assert_true(tree_propagation(slash, MS_PRIVATE | MS_REC) == 0);
                close(slash);
        }
}

/* A detached file system of TYPE. */
static inline int child_fs(const char *type)
{
        int fs = sys_fsopen(type, FSOPEN_CLOEXEC), fd;

        assert_true(fs >= 0);
        assert_true(sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) >= 0);
        fd = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
        assert_true(fd >= 0);
        close(fs);
        return fd;
}

/* Attach it on PATH, after child_unshare(CLONE_NEWNS). */
static inline void child_attach(int tree, const char *path)
{
        int target = open(path, O_PATH | O_CLOEXEC);

        assert_true(target >= 0 && tree_attach(tree, target) == 0);
        close(target);
}
