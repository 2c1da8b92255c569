#include "unit.h"

#include "kenro/base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/kenro-unit-XXXXXX";

static const char *contents(void)
{
        static char buf[8192];
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, buf, sizeof(buf) - 1);

        assert_true(n >= 0);
        buf[n] = '\0';
        close(fd);
        return buf;
}

static void text_is_escaped_as_json(void **state)
{
        char buf[64];

        (void)state;
        log_escape("a\"b\\c\n\x01 \xc3\xa9", buf, sizeof(buf));
        assert_string_equal(buf, "a\\\"b\\\\c\\u000a\\u0001 \xc3\xa9");
        log_escape("bad \xff\xc0\xaf\xed\xa0\x80 end", buf, sizeof(buf));
        assert_non_null(strstr(buf, "bad \xef\xbf\xbd"));
        assert_null(strchr(buf, '\xed'));
        assert_int_equal(log_escape("0123456789", buf, 5), 4);
}

/* containerd and Podman: one compact object per error, no warning beside it. */
static void a_json_log_holds_errors_only(void **state)
{
        static const char head[] =
                "{\"level\":\"error\",\"msg\":\"it \\\"failed\\\"\",\"time\":\"20";
        struct err e;
        const char *text;

        (void)state;
        close(mkstemp(path));
        log_program("/usr/bin/kenro");
        assert_int_equal(log_open(path, true, LOG_ERROR, &e), 0);
        log_warn("careful");
        log_debug("detail");
        assert_string_equal(contents(), "");
        log_line(LOG_ERROR, "it \"failed\"");
        text = contents();
        assert_memory_equal(text, head, sizeof(head) - 1);
        assert_non_null(strstr(text, "Z\"}\n"));
        unlink(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_is_escaped_as_json),
                cmocka_unit_test(a_json_log_holds_errors_only),
        };

        return RUN(tests);
}
