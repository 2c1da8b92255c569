#include "child.h"

#include "kenro/part/console.h"

#include <linux/magic.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <termios.h>

static struct err error;
static const struct console_to nowhere = { .sock = -1 };

static void a_terminal_is_planned_if_asked_for(void **state)
{
        struct console_plan r;

        (void)state;
        assert_int_equal(console_plan(test_process("'terminal': true, 'user': {'uid': 7,'gid': 8},"
                                                   "'consoleSize': {'height': 40, 'width': 100}"),
                                      &r, &error),
                         0);
        assert_true(r.wanted);
        assert_int_equal(r.rows, 40);
        assert_int_equal(r.columns, 100);
        assert_int_equal(r.uid, 7);
        assert_int_equal(console_plan(test_process("'terminal': true"), &r, &error), 0);
        assert_true(r.wanted);
        assert_int_equal(r.rows | r.columns, 0);
        assert_int_equal(console_plan(test_process(""), &r, &error), 0);
        assert_false(r.wanted);
}

static void without_a_terminal_the_size_is_ignored(void **state)
{
        struct console_plan r;

        (void)state;
        assert_int_equal(console_plan(test_process("'terminal': false, 'consoleSize': {"
                                                   "'height': 1000000, 'width': 80}"),
                                      &r, &error),
                         0);
        assert_false(r.wanted);
        assert_int_equal(r.rows | r.columns, 0);
}

static void a_side_has_sixteen_bits(void **state)
{
        struct console_plan r;

        (void)state;
        assert_int_equal(console_plan(test_process("'terminal': true, 'consoleSize': {"
                                                   "'height': 65535, 'width': 65535}"),
                                      &r, &error),
                         0);
        assert_int_equal(r.rows, 65535);
        assert_int_equal(r.columns, 65535);
        assert_int_equal(console_plan(test_process("'terminal': true, 'consoleSize': {"
                                                   "'height': 65536, 'width': 80}"),
                                      &r, &error),
                         -1);
        assert_string_equal(error.text, "process.consoleSize: a side is larger than 65535");
        assert_int_equal(console_plan(test_process("'terminal': true, 'consoleSize': {"
                                                   "'height': 80, 'width': 65536}"),
                                      &r, &error),
                         -1);
}

/* CVE-2025-52565: the image may have put anything there. */
static void what_is_no_multiplexer_is_not_opened(void **state)
{
        const struct console_plan p = { .wanted = true };
        char dir[PATH_MAX];
        int root, r[3];
        struct err e[3];

        (void)state;
        test_dir_make(dir);
        root = open(dir, O_PATH | O_CLOEXEC);
        r[0] = console_child(&p, root, &nowhere, false, &e[0]);
        assert_int_equal(mkdirat(root, "dev", 0755) | mkdirat(root, "dev/pts", 0755), 0);
        test_file(root, "dev/pts/ptmx", "", 0666);
        r[1] = console_child(&p, root, &nowhere, false, &e[1]);
        assert_int_equal(unlinkat(root, "dev/pts/ptmx", 0), 0);
        assert_int_equal(symlinkat("/dev/null", root, "dev/pts/ptmx"), 0);
        r[2] = console_child(&p, root, &nowhere, false, &e[2]);
        close(root);
        test_dir_remove(dir);
        assert_int_equal(r[0], -1);
        assert_string_equal(e[0].text, "cannot open /dev/pts/ptmx: ENOENT");
        assert_string_equal(e[0].hint, "mount a devpts at /dev/pts");
        assert_int_equal(r[1], -1);
        assert_string_equal(e[1].text, "/dev/pts/ptmx is not the multiplexer of a devpts");
        assert_int_equal(r[2], -1);
        assert_string_equal(e[2].text, "/dev/pts/ptmx is not the multiplexer of a devpts");
}

static void be_a_process_with_a_terminal(void *arg)
{
        const struct console_plan p = { .wanted = true, .rows = 33, .columns = 77 };
        const struct console_to *to = arg;
        int root = open("/", O_PATH | O_CLOEXEC);
        struct stat st;

        assert_true(console_child(&p, root, to, false, &error) == 0);
        assert_true(isatty(0) && isatty(1) && isatty(2));
        assert_true(fstat(0, &st) == 0 && (st.st_mode & 07777) == 0620);
        assert_true(console_session_child(&p, &error) == 0);
        assert_true(tcgetsid(0) == getpid());
        assert_true(write(1, "line\n", 5) == 5);
}

static bool has_devpts(void)
{
        struct statfs fs;

        return statfs("/dev/pts/ptmx", &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC;
}

/* What the caller's end has of "line" and the newline, and its size. */
static const char *seen_at_the_end(struct console_to to, struct winsize *size)
{
        static char text[64];
        int pair[2], master = -1;
        size_t len;
        ssize_t n;
        pid_t pid;
        char name[64];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        to.sock = pair[1];
        pid = child_fork();
        if (pid == 0) {
                be_a_process_with_a_terminal(&to);
                _exit(0);
        }
        close(pair[1]);
        assert_true(fd_recv(pair[0], name, sizeof(name), &master, &error) > 0);
        close(pair[0]);
        assert_true(master >= 0);
        assert_string_equal(name, "/dev/pts/ptmx");
        assert_int_equal(ioctl(master, TIOCGWINSZ, size), 0);
        /* The line may come in pieces. */
        for (len = 0; len == 0 || text[len - 1] != '\n'; len += (size_t)n) {
                n = read(master, text + len, sizeof(text) - 1 - len);
                assert_true(n > 0);
        }
        text[len] = '\0';
        assert_int_equal(child_wait(pid), 0);
        close(master); /* which would have hung up on it */
        return text;
}

static void a_terminal_is_what_its_other_end_needs(void **state)
{
        struct winsize size;

        (void)state;
        NEEDS_ROOT();
        if (!has_devpts())
                SKIP("there is no /dev/pts/ptmx");
        assert_string_equal(seen_at_the_end((struct console_to){ 0 }, &size), "line\r\n");
        assert_int_equal(size.ws_row, 33);
        assert_int_equal(size.ws_col, 77);
        assert_string_equal(seen_at_the_end((struct console_to){ .plain = true }, &size), "line\n");
        assert_int_equal(size.ws_row, 33);
        seen_at_the_end((struct console_to){ .rows = 5, .columns = 6 }, &size);
        assert_int_equal(size.ws_row, 5);
        assert_int_equal(size.ws_col, 6);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_terminal_is_planned_if_asked_for),
                cmocka_unit_test(without_a_terminal_the_size_is_ignored),
                cmocka_unit_test(a_side_has_sixteen_bits),
                cmocka_unit_test(what_is_no_multiplexer_is_not_opened),
                cmocka_unit_test(a_terminal_is_what_its_other_end_needs),
        };

        return RUN(tests);
}
