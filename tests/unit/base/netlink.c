#include "child.h"

#include "kenro/base/netlink.h"

#include <net/if.h>

static struct err error;

static const struct ifinfomsg link_header = { .ifi_index = 7 };

static const struct nlmsghdr *message(const struct netlink_request *r)
{
        return (const struct nlmsghdr *)(const void *)r->bytes;
}

static void attributes_are_found_behind_their_header(void **state)
{
        static const uint32_t number = 4711;
        struct netlink_request r;
        const uint32_t *found;

        (void)state;
        netlink_begin(&r, RTM_GETLINK, 0, &link_header, sizeof(link_header));
        netlink_add(&r, IFLA_IFNAME, "eth0", 5);
        netlink_add(&r, IFLA_MASTER, &number, sizeof(number));
        netlink_add(&r, IFLA_GROUP, "", 1);
        assert_false(r.full);
        assert_string_equal(netlink_find(message(&r), sizeof(link_header), IFLA_IFNAME, 1), "eth0");
        found = netlink_find(message(&r), sizeof(link_header), IFLA_MASTER, sizeof(number));
        assert_int_equal(*found, number);
        assert_null(netlink_find(message(&r), sizeof(link_header), IFLA_MTU, 1));
        /* one that is shorter than what is read of it */
        assert_null(netlink_find(message(&r), sizeof(link_header), IFLA_GROUP, 4));
}

static void an_attribute_beyond_the_message_is_not_read(void **state)
{
        struct netlink_request r;
        struct nlmsghdr *h = (struct nlmsghdr *)(void *)r.bytes;
        struct rtattr *a;

        (void)state;
        netlink_begin(&r, RTM_GETLINK, 0, &link_header, sizeof(link_header));
        a = (struct rtattr *)(void *)(r.bytes + h->nlmsg_len);
        netlink_add(&r, IFLA_IFNAME, "eth0", 5);
        a->rta_len = 400;
        assert_null(netlink_find(h, sizeof(link_header), IFLA_IFNAME, 1));
        a->rta_len = 0; /* would never end */
        assert_null(netlink_find(h, sizeof(link_header), IFLA_MTU, 1));
        h->nlmsg_len = NLMSG_LENGTH(sizeof(link_header)) + 2;
        assert_null(netlink_find(h, sizeof(link_header), IFLA_IFNAME, 1));
}

static void a_request_that_is_too_large_is_not_sent(void **state)
{
        static const char much[NETLINK_REQUEST_MAX];
        struct netlink n = NETLINK_INIT;
        struct netlink_request r;

        (void)state;
        netlink_begin(&r, RTM_GETLINK, 0, &link_header, sizeof(link_header));
        netlink_add(&r, IFLA_IFNAME, "a", 2);
        netlink_add(&r, IFLA_IFALIAS, much, sizeof(much));
        assert_true(r.full);
        assert_int_equal(netlink_ask(&n, &r, NULL, NULL), -EMSGSIZE);
        assert_int_equal(message(&r)->nlmsg_len, NLMSG_LENGTH(sizeof(link_header)) + RTA_SPACE(2));
}

static int count(const struct nlmsghdr *h, void *arg)
{
        unsigned *n = arg;

        assert_int_equal(h->nlmsg_type, RTM_NEWLINK);
        (*n)++;
        return 0;
}

static int give_up(const struct nlmsghdr *h, void *arg)
{
        (void)h;
        (void)arg;
        return -ECANCELED;
}

static void ask(void *arg)
{
        static const struct ifinfomsg lo = { .ifi_index = 1 }, any = { 0 };
        struct netlink n;
        struct netlink_request r;
        unsigned links = 0;

        (void)arg;
        child_unshare(CLONE_NEWNET);
        assert_int_equal(netlink_open(&n, -1, &error), 0);
        assert_int_equal(fcntl(n.sock, F_GETFD), FD_CLOEXEC);
        netlink_begin(&r, RTM_GETLINK, NLM_F_DUMP, &any, sizeof(any));
        assert_int_equal(netlink_ask(&n, &r, count, &links), 0);
        assert_int_equal(links, 1);
        netlink_begin(&r, RTM_GETLINK, 0, &lo, sizeof(lo));
        assert_int_equal(netlink_ask(&n, &r, count, &links), 0);
        assert_int_equal(links, 2);
        /* what is left of an answer does not become the next one's */
        netlink_begin(&r, RTM_GETLINK, 0, &lo, sizeof(lo));
        assert_int_equal(netlink_ask(&n, &r, give_up, NULL), -ECANCELED);
        netlink_begin(&r, RTM_GETLINK, 0, &link_header, sizeof(link_header));
        assert_int_equal(netlink_ask(&n, &r, count, &links), -ENODEV);
        assert_int_equal(links, 2);
        netlink_close(&n);
        assert_int_equal(n.sock, -1);
}

static void the_kernel_answers_one_request_after_the_other(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(ask, NULL);
}

static void hear_why(void *arg)
{
        struct ifinfomsg lo = { .ifi_index = 1 };
        struct netlink n;
        struct netlink_request r;

        (void)arg;
        child_unshare(CLONE_NEWNET);
        assert_int_equal(netlink_open(&n, -1, &error), 0);
        netlink_begin(&r, RTM_NEWLINK, 0, &lo, sizeof(lo));
        netlink_add(&r, IFLA_MTU, "\xff\xff\xff\xff", 4);
        assert_int_equal(netlink_ask(&n, &r, NULL, NULL), -EINVAL);
        assert_string_not_equal(n.why, "");
        netlink_begin(&r, RTM_GETLINK, 0, &lo, sizeof(lo));
        assert_int_equal(netlink_ask(&n, &r, NULL, NULL), 0);
        assert_string_equal(n.why, "");
        netlink_close(&n);
}

static void the_kernels_words_are_kept(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(hear_why, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(attributes_are_found_behind_their_header),
                cmocka_unit_test(an_attribute_beyond_the_message_is_not_read),
                cmocka_unit_test(a_request_that_is_too_large_is_not_sent),
                cmocka_unit_test(the_kernel_answers_one_request_after_the_other),
                cmocka_unit_test(the_kernels_words_are_kept),
        };

        return RUN(tests);
}
