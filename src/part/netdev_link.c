#include "netdev_link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

static int read_link(const struct nlmsghdr *h, void *arg)
{
        struct netdev_link *l = arg;
        const struct ifinfomsg *i = netlink_data(h);
        const char *name = netlink_find(h, sizeof(*i), IFLA_IFNAME, 1);
        const uint32_t *master = netlink_find(h, sizeof(*i), IFLA_MASTER, sizeof(*master));

        if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*i)) || !name)
                return -EBADMSG;
        *l = (struct netdev_link){ (uint32_t)i->ifi_index, i->ifi_flags, master ? *master : 0, "" };
        snprintf(l->name, sizeof(l->name), "%s", name);
        return 0;
}

int netdev_link_get(struct netlink *n, const char *name, uint32_t index, struct netdev_link *ret)
{
        const struct ifinfomsg i = { .ifi_index = name ? 0 : (int)index };
        struct netlink_request r;

        netlink_begin(&r, RTM_GETLINK, 0, &i, sizeof(i));
        if (name)
                netlink_add(&r, IFLA_IFNAME, name, strlen(name) + 1);
        return netlink_ask(n, &r, read_link, ret);
}

struct indexes {
        uint32_t wanted, largest;
        bool taken;
};

static int read_index(const struct nlmsghdr *h, void *arg)
{
        struct indexes *x = arg;
        struct netdev_link l;
        int r = read_link(h, &l);

        if (r < 0)
                return r;
        x->taken |= l.index == x->wanted;
        x->largest = l.index > x->largest ? l.index : x->largest;
        return 0;
}

int netdev_link_free(struct netlink *n, uint32_t wanted, uint32_t *ret)
{
        const struct ifinfomsg i = { 0 };
        struct indexes x = { .wanted = wanted };
        struct netlink_request r;
        int failed;

        netlink_begin(&r, RTM_GETLINK, NLM_F_DUMP, &i, sizeof(i));
        failed = netlink_ask(n, &r, read_index, &x);
        if (failed < 0)
                return failed;
        *ret = x.taken ? x.largest + 1 : wanted;
        return 0;
}

int netdev_link_move(struct netlink *n, uint32_t index, int netns, const char *name,
                     uint32_t new_index)
{
        const struct ifinfomsg i = { .ifi_index = (int)index };
        const uint32_t fd = (uint32_t)netns;
        struct netlink_request r;

        netlink_begin(&r, RTM_NEWLINK, 0, &i, sizeof(i));
        netlink_add(&r, IFLA_NET_NS_FD, &fd, sizeof(fd));
        netlink_add(&r, IFLA_IFNAME, name, strlen(name) + 1);
        if (new_index)
                netlink_add(&r, IFLA_NEW_IFINDEX, &new_index, sizeof(new_index));
        return netlink_ask(n, &r, NULL, NULL);
}

int netdev_link_up(struct netlink *n, uint32_t index)
{
        const struct ifinfomsg i = { .ifi_index = (int)index,
                                     .ifi_flags = IFF_UP,
                                     .ifi_change = IFF_UP };
        struct netlink_request r;

        netlink_begin(&r, RTM_NEWLINK, 0, &i, sizeof(i));
        return netlink_ask(n, &r, NULL, NULL);
}

int netdev_link_enslave(struct netlink *n, uint32_t index, uint32_t master)
{
        const struct ifinfomsg i = { .ifi_index = (int)index };
        struct netlink_request r;

        netlink_begin(&r, RTM_NEWLINK, 0, &i, sizeof(i));
        netlink_add(&r, IFLA_MASTER, &master, sizeof(master));
        return netlink_ask(n, &r, NULL, NULL);
}

static bool is_one_of(uint16_t type, const uint16_t *types)
{
        for (; *types; types++)
                if (*types == type)
                        return true;
        return false;
}

/* The attributes behind a header of LEN bytes, but for those of LEFT_OUT. */
static void add_all(struct netlink_request *r, const struct nlmsghdr *h, size_t len,
                    const uint16_t *left_out)
{
        size_t at = NLMSG_SPACE(len);

        while (at + sizeof(struct rtattr) <= h->nlmsg_len) {
                const struct rtattr *a = (const struct rtattr *)(const void *)((const char *)h +
                                                                               at);

                if (a->rta_len < sizeof(*a) || at + a->rta_len > h->nlmsg_len)
                        return;
                if (!is_one_of(a->rta_type & NLA_TYPE_MASK, left_out))
                        netlink_add(r, a->rta_type, netlink_value(a), RTA_PAYLOAD(a));
                at += RTA_ALIGN(a->rta_len);
        }
}

static int is_there(int r)
{
        return r == -EEXIST ? 0 : r;
}

int netdev_link_address(struct netlink *n, const struct nlmsghdr *h, uint32_t index,
                        const char *label)
{
        static const uint16_t none[] = { 0 }, labels[] = { IFA_LABEL, 0 };
        struct ifaddrmsg i = *(const struct ifaddrmsg *)netlink_data(h);
        const char *has = netlink_find(h, sizeof(i), IFA_LABEL, 1);
        struct netlink_request r;

        i.ifa_index = index;
        netlink_begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
        add_all(&r, h, sizeof(i), label && has && strcmp(has, label) == 0 ? labels : none);
        return is_there(netlink_ask(n, &r, NULL, NULL));
}

int netdev_link_route(struct netlink *n, const struct nlmsghdr *h, uint32_t index)
{
        static const uint16_t left_out[] = { RTA_OIF, RTA_CACHEINFO, 0 };
        struct rtmsg i = *(const struct rtmsg *)netlink_data(h);
        struct netlink_request r;

        i.rtm_flags &= RTNH_F_ONLINK; /* the others tell, and are not for the asking */
        netlink_begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
        add_all(&r, h, sizeof(i), left_out);
        netlink_add(&r, RTA_OIF, &index, sizeof(index));
        return is_there(netlink_ask(n, &r, NULL, NULL));
}
