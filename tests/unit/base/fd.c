#include "unit.h"

#include "kenro/base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void a_descriptor_travels_with_the_bytes(void **state)
{
        struct stat sent, got;
        struct err e;
        char buf[16];
        int pair[2], pipes[2], fd = -1;

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        assert_int_equal(fd_send(pair[0], "hello", 5, pipes[0], &e), 5);
        assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), &fd, &e), 5);
        assert_memory_equal(buf, "hello", 5);
        assert_int_equal(fstat(pipes[0], &sent) | fstat(fd, &got), 0);
        assert_int_equal(sent.st_ino, got.st_ino);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);

        assert_int_equal(fd_send(pair[0], "x", 1, -1, &e), 1);
        assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), &fd, &e), 1);
        assert_int_equal(fd, -1);
        close(pair[0]);
        assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), &fd, &e), 0);
        assert_int_equal(fd_send(pair[1], "x", 1, -1, &e), -1); /* and no SIGPIPE */
}

static void too_long_a_message_is_refused(void **state)
{
        struct err e;
        char buf[4];
        int pair[2], fd;

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(fd_send(pair[0], "hello", 5, -1, &e), 5);
        assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), &fd, &e), -1);
}

static void taking_a_descriptor_empties_its_owner(void **state)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), taken;

        (void)state;
        taken = fd_take(&fd);
        assert_int_equal(fd, -1);
        fd_close(&fd);
        assert_int_not_equal(fcntl(taken, F_GETFD), -1);
        fd_close(&taken);
        assert_int_equal(taken, -1);
}

static void a_socket_with_a_long_path_is_reached(void **state)
{
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        char dir[] = "/tmp/kenro-unit-XXXXXX", path[300], pad[150];
        struct err e;
        int sock, fd;

        (void)state;
        memset(pad, 'p', sizeof(pad) - 1);
        pad[sizeof(pad) - 1] = '\0';
        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/%s", dir, pad);
        assert_int_equal(mkdir(path, 0700), 0);
        sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(chdir(path), 0);
        strcpy(sa.sun_path, "s");
        assert_int_equal(bind(sock, (struct sockaddr *)&sa, sizeof(sa)), 0);
        assert_int_equal(listen(sock, 1), 0);
        snprintf(path, sizeof(path), "%s/%s/s", dir, pad);
        fd = fd_connect(path, &e);
        assert_true(fd >= 0);
        assert_int_equal(fd_connect("/nonexistent", &e), -1);
        assert_string_equal(e.text, "cannot open the socket /nonexistent: ENOENT");
        unlink(path);
        snprintf(path, sizeof(path), "%s/%s", dir, pad);
        rmdir(path);
        rmdir(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_descriptor_travels_with_the_bytes),
                cmocka_unit_test(too_long_a_message_is_refused),
                cmocka_unit_test(taking_a_descriptor_empties_its_owner),
                cmocka_unit_test(a_socket_with_a_long_path_is_reached),
        };

        return RUN(tests);
}
