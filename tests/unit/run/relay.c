#include "child.h"

#include "kenro/run/job.h"
#include "kenro/run/relay.h"

#include <poll.h>
#include <sys/socket.h>

static struct err error;

/* Every cell writes its letter: a capital is the parent's. */
static int diary[2];

static int note(char letter)
{
        return write(diary[1], &letter, 1) == 1 ? 0 : -1;
}

#define CELL(name, letter)                                                                         \
        static int name(struct job *j, struct err *e)                                              \
        {                                                                                          \
                (void)j;                                                                           \
                (void)e;                                                                           \
                return note(letter);                                                               \
        }

CELL(parent_a, 'A')
CELL(parent_b, 'B')
CELL(child_a, 'a')
CELL(child_b, 'b')
CELL(child_c, 'c')

static int failing(struct job *j, struct err *e)
{
        (void)j;
        err_sys(e, EBUSY, "it does not work");
        return err_hint(e, "try again");
}

static int dying(struct job *j, struct err *e)
{
        (void)j;
        (void)e;
        raise(SIGKILL);
        return 0;
}

static bool never(const struct job *j)
{
        (void)j;
        return false;
}

/* The child's side of the socket is its report. */
static pid_t start(const struct step *steps, int *ret_sock)
{
        struct job job = JOB_INIT;
        int pair[2];
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        pid = child_fork();
        if (pid == 0) {
                close(pair[0]);
                _exit(relay(steps, CHILD, &pair[1], &job, &error) < 0);
        }
        close(pair[1]);
        *ret_sock = pair[0];
        return pid;
}

/* Run STEPS in two processes. RET_CHILD gets the child's exit status. */
static int both(const struct step *steps, const char **ret_diary, int *ret_child)
{
        static char text[64];
        struct job job = JOB_INIT;
        int sock, r;
        pid_t pid;
        ssize_t n;

        memset(&error, 0, sizeof(error));
        assert_int_equal(pipe2(diary, O_CLOEXEC), 0);
        pid = start(steps, &sock);
        r = relay(steps, PARENT, &sock, &job, &error);
        close(sock);
        *ret_child = child_wait(pid);
        close(diary[1]);
        n = read(diary[0], text, sizeof(text) - 1);
        close(diary[0]);
        text[n > 0 ? n : 0] = '\0';
        *ret_diary = text;
        return r;
}

static void cells_run_in_the_order_of_the_table(void **state)
{
        static const struct step steps[] = {
                { "one", NULL, parent_a, child_a },
                { "two", NULL, NULL, child_b },
                { "three", NULL, parent_b, NULL },
                { "four", never, failing, failing },
                { "five", NULL, parent_a, NULL },
                { "six", NULL, NULL, child_c },
                { 0 },
        };
        static const struct step child_first[] = {
                { "one", never, parent_a, NULL },
                { "two", NULL, NULL, child_a },
                { "three", NULL, parent_b, child_b },
                { 0 },
        };
        const char *written;
        int status;

        (void)state;
        assert_int_equal(both(steps, &written, &status), 0);
        assert_int_equal(status, 0);
        assert_string_equal(written, "AabBAc");
        assert_int_equal(both(child_first, &written, &status), 0);
        assert_int_equal(status, 0);
        assert_string_equal(written, "aBb");
}

static void an_error_of_the_child_reaches_the_parent(void **state)
{
        static const struct step steps[] = {
                { "one", NULL, parent_a, child_a },
                { "two", NULL, NULL, failing },
                { "three", NULL, parent_b, child_b },
                { 0 },
        };
        const char *written;
        int status;

        (void)state;
        assert_int_equal(both(steps, &written, &status), -1);
        assert_int_equal(status, 1);
        assert_string_equal(written, "Aa");
        assert_string_equal(error.text, "it does not work: EBUSY");
        assert_string_equal(error.hint, "try again");
        assert_int_equal(error.num, EBUSY);
}

static void an_error_of_the_parent_ends_the_child(void **state)
{
        static const struct step steps[] = {
                { "one", NULL, NULL, child_a },
                { "two", NULL, failing, NULL },
                { "three", NULL, NULL, child_b },
                { 0 },
        };
        const char *written;
        int status;

        (void)state;
        assert_int_equal(both(steps, &written, &status), -1);
        assert_int_equal(status, 1);
        assert_string_equal(written, "a");
        assert_string_equal(error.text, "it does not work: EBUSY");
}

static void the_death_of_the_child_is_told(void **state)
{
        static const struct step steps[] = {
                { "prepare", NULL, parent_a, NULL },
                { "survive", NULL, NULL, dying },
                { "go on", NULL, parent_b, NULL },
                { 0 },
        };
        const char *written;
        int status;

        (void)state;
        assert_int_equal(both(steps, &written, &status), -1);
        assert_int_equal(status, -1);
        assert_string_equal(written, "A");
        assert_string_equal(error.text, "survive: the other process died");
}

static void a_death_without_taking_the_turn_is_told(void **state)
{
        static const struct step steps[] = {
                { "prepare", NULL, parent_a, NULL },
                { "take over", NULL, NULL, child_a },
                { "go on", NULL, parent_b, NULL },
                { 0 },
        };
        struct job job = JOB_INIT;
        struct pollfd p = { .events = POLLIN };
        int pair[2], r;
        pid_t pid;

        (void)state;
        assert_int_equal(pipe2(diary, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        p.fd = pair[1];
        pid = child_fork();
        if (pid == 0)
                _exit(poll(&p, 1, -1) != 1); /* it has come, and is not read */
        close(pair[1]);
        r = relay(steps, PARENT, &pair[0], &job, &error);
        assert_int_equal(child_wait(pid), 0);
        close(pair[0]);
        close(diary[0]);
        close(diary[1]);
        assert_int_equal(r, -1);
        assert_string_equal(error.text, "take over: the other process died");
}

/* ---- a child that says what it likes ---- */

static const struct step last_is_ours[] = {
        { "theirs", NULL, NULL, child_a },
        { "ours", NULL, parent_a, NULL },
        { 0 },
};

/* What the parent makes of LEN bytes in the place of a baton. */
static int hear(const void *said, size_t len)
{
        struct job job = JOB_INIT;
        int pair[2], r;

        memset(&error, 0, sizeof(error));
        assert_int_equal(pipe2(diary, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(write(pair[1], said, len), len);
        r = relay(last_is_ours, PARENT, &pair[0], &job, &error);
        close(pair[0]);
        close(pair[1]);
        close(diary[0]);
        close(diary[1]);
        return r;
}

static void a_baton_of_another_size_is_refused(void **state)
{
        struct {
                struct baton b;
                char more;
        } large = { .b = { .row = 1 } };

        (void)state;
        assert_int_equal(hear(&large.b, sizeof(large.b)), 0);
        assert_int_equal(hear(&large.b, 1), -1);
        assert_string_equal(error.text, "the container's process sent something else than its "
                                        "result");
        assert_int_equal(hear(&large.b, sizeof(large.b) - 1), -1);
}

static void a_baton_for_another_row_is_refused(void **state)
{
        struct baton b = { .row = 0 };

        (void)state;
        assert_int_equal(hear(&b, sizeof(b)), -1);
        assert_string_equal(error.text, "theirs: the other process is at step 0, not 1");
        b.row = UINT32_MAX;
        assert_int_equal(hear(&b, sizeof(b)), -1);
        assert_string_equal(error.text, "theirs: the other process is at step 4294967295, not 1");
}

static void a_text_without_an_end_gets_one(void **state)
{
        struct baton b = { .row = 1, .failed = true };

        (void)state;
        memset(b.err.text, 'x', sizeof(b.err.text));
        memset(b.err.hint, 'y', sizeof(b.err.hint));
        assert_int_equal(hear(&b, sizeof(b)), -1);
        assert_int_equal(strnlen(error.text, sizeof(error.text)), ERR_TEXT_MAX - 1);
        assert_int_equal(strnlen(error.hint, sizeof(error.hint)), ERR_HINT_MAX - 1);
}

static void a_baton_without_an_error_is_none(void **state)
{
        struct baton b = { .row = 77, .err = { .text = "old" } };

        (void)state;
        error.text[0] = '\0';
        assert_int_equal(baton_error(&b, sizeof(b), &error), 0);
        assert_int_equal(baton_error(&b, 0, &error), -1);
        assert_int_equal(baton_error(&b, -1, &error), -1);
}

/* Any byte may come in the place of a bool: what the compiler makes of reading
 * it as one is undefined, and the sanitizer stops here. So this one is last. */
static void a_flag_that_is_neither_true_nor_false_is_no_accident(void **state)
{
        struct baton b = { .row = 1, .err = { .text = "bad" } };

        (void)state;
        memset(&b.failed, 2, 1);
        assert_int_equal(hear(&b, sizeof(b)), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cells_run_in_the_order_of_the_table),
                cmocka_unit_test(an_error_of_the_child_reaches_the_parent),
                cmocka_unit_test(an_error_of_the_parent_ends_the_child),
                cmocka_unit_test(the_death_of_the_child_is_told),
                cmocka_unit_test(a_death_without_taking_the_turn_is_told),
                cmocka_unit_test(a_baton_of_another_size_is_refused),
                cmocka_unit_test(a_baton_for_another_row_is_refused),
                cmocka_unit_test(a_text_without_an_end_gets_one),
                cmocka_unit_test(a_baton_without_an_error_is_none),
                cmocka_unit_test(a_flag_that_is_neither_true_nor_false_is_no_accident),
        };

        signal(SIGPIPE, SIG_IGN); /* as in the runtime */
        return RUN(tests);
}
