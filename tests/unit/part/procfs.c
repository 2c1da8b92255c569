#include "child.h"

#include "kenro/base/file.h"
#include "kenro/part/procfs.h"

#include <ctype.h>
#include <dirent.h>

static struct err error;

enum { NOBODY = 65534, EXTRA = 2 };

/* The first process of a new pid namespace, with EXTRA children in it. */
static pid_t make_namespace(void)
{
        struct clone_args args = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
        int pair[2];
        pid_t pid;
        char c;

        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        pid = sys_clone3(&args);
        if (pid < 0)
                _exit(CHILD_SKIPPED);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                for (int i = 0; i < EXTRA; i++)
                        if (fork() == 0)
                                for (;;)
                                        pause();
                (void)!write(pair[1], "", 1);
                for (;;)
                        pause();
        }
        close(pair[1]);
        assert_int_equal(read(pair[0], &c, 1), 1);
        close(pair[0]);
        return pid;
}

/* The numbers of the processes that are listed in the directory, as bits. */
static unsigned listed(int proc_fd)
{
        int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fdopendir(fd);
        unsigned bits = 0;

        assert_non_null(dir);
        for (const struct dirent *d; (d = readdir(dir));)
                if (isdigit((unsigned char)d->d_name[0])) {
                        unsigned long pid = strtoul(d->d_name, NULL, 10);

                        assert_true(pid < 32);
                        bits |= 1u << pid;
                }
        closedir(dir);
        return bits;
}

static int ns_fd(pid_t pid)
{
        char name[64];
        int fd;

        snprintf(name, sizeof(name), "/proc/%d/ns/pid", pid);
        fd = open(name, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static void show_exactly_its_processes(int proc_fd)
{
        char text[64];

        assert_int_equal(fcntl(proc_fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(listed(proc_fd), 1u << 1 | 1u << 2 | 1u << 3);
        /* this process is not in it: there is no "self" to be found */
        assert_true(readlinkat(proc_fd, "self", text, sizeof(text)) < 0);
        assert_true(file_peek(proc_fd, "1/status", text, sizeof(text)) > 0);
}

/* Whether processes were left behind by the one that looks. */
static void wait_for_the_namespaces_end(pid_t pid)
{
        child_kill(pid);
        assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void make_it(void *arg)
{
        pid_t pid;
        int proc;

        (void)arg;
        child_unshare(CLONE_NEWNS);
        pid = make_namespace();
        proc = procfs_child(ns_fd(pid), NOBODY, NOBODY, &error);
        if (proc < 0)
                fail_msg("%s", error.text);
        show_exactly_its_processes(proc);
        /* and none when they are gone */
        wait_for_the_namespaces_end(pid);
        assert_int_equal(listed(proc), 0);
}

static void it_shows_the_processes_of_the_namespace_and_no_other(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(make_it, NULL);
}

static void borrow_it(void *arg)
{
        pid_t pid;
        int fs, proc;

        (void)arg;
        child_unshare(CLONE_NEWNS);
        pid = make_namespace();
        fs = procfs_borrow(ns_fd(pid), NOBODY, NOBODY, &error);
        if (fs < 0) {
                if (strstr(error.text, "ENOSPC") || strstr(error.text, "EPERM")) {
                        wait_for_the_namespaces_end(pid);
                        _exit(CHILD_SKIPPED); /* no user namespaces here */
                }
                fail_msg("%s", error.text);
        }
        assert_int_equal(fcntl(fs, F_GETFD), FD_CLOEXEC);
        assert_true(sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) >= 0);
        proc = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
        assert_true(proc >= 0);
        show_exactly_its_processes(proc);
        /* whoever borrowed it is itself where it was */
        assert_int_equal(getuid(), 0);
        assert_true(access("/proc/self/ns/pid", F_OK) == 0);
        wait_for_the_namespaces_end(pid);
}

static void one_can_be_borrowed_on_older_kernels(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(borrow_it, NULL);
}

static void name_something_else(void *arg)
{
        int uts = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

        (void)arg;
        child_unshare(CLONE_NEWNS);
        assert_int_equal(procfs_borrow(uts, NOBODY, NOBODY, &error), -1);
        assert_memory_equal(error.text, "cannot open a procfs in the joined pid namespace: ", 50);
        assert_int_equal(procfs_child(uts, NOBODY, NOBODY, &error), -1);
        assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void another_namespace_is_an_error(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(name_something_else, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_shows_the_processes_of_the_namespace_and_no_other),
                cmocka_unit_test(one_can_be_borrowed_on_older_kernels),
                cmocka_unit_test(another_namespace_is_an_error),
        };

        return RUN(tests);
}
