#include "kenro/base/netlink.h"

#include "kenro/base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { ANSWER_BYTES = 1 << 16 }; /* the kernel writes dumps in pieces of 32 KiB */

int netlink_open(struct netlink *n, int fd, struct err *e)
{
        static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        static const int on = 1;

        *n = (struct netlink){ .sock = fd };
        if (fd < 0)
                n->sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (n->sock < 0)
                return err_sys(e, errno, "cannot make a netlink socket");
        /* Only words get lost without these two. */
        (void)setsockopt(n->sock, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
        (void)setsockopt(n->sock, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
        if (connect(n->sock, (const struct sockaddr *)&kernel, sizeof(kernel)) == 0)
                return 0;
        err_sys(e, errno, "cannot reach the kernel by netlink");
        netlink_close(n);
        return -1;
}

void netlink_close(struct netlink *n)
{
        fd_close(&n->sock);
}

static struct nlmsghdr *header_of(struct netlink_request *r)
{
        return (struct nlmsghdr *)(void *)r->bytes;
}

void netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, const void *header,
                   size_t len)
{
        memset(r, 0, NLMSG_SPACE(len));
        r->full = false;
        *header_of(r) = (struct nlmsghdr){
                .nlmsg_len = NLMSG_LENGTH((uint32_t)len),
                .nlmsg_type = type,
                .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
        };
        memcpy(r->bytes + NLMSG_HDRLEN, header, len);
}

void netlink_add(struct netlink_request *r, uint16_t type, const void *data, size_t len)
{
        struct nlmsghdr *h = header_of(r);
        size_t at = NLMSG_ALIGN(h->nlmsg_len);
        struct rtattr *a = (struct rtattr *)(void *)(r->bytes + at);

        if (len > sizeof(r->bytes) || at + RTA_SPACE(len) > sizeof(r->bytes)) {
                r->full = true;
                return;
        }
        memset(a, 0, RTA_SPACE(len));
        a->rta_type = type;
        a->rta_len = (unsigned short)RTA_LENGTH(len);
        memcpy(RTA_DATA(a), data, len);
        h->nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
}

const void *netlink_find(const struct nlmsghdr *h, size_t len, uint16_t type, size_t size)
{
        size_t at = NLMSG_SPACE(len);

        while (at + sizeof(struct rtattr) <= h->nlmsg_len) {
                const struct rtattr *a = (const struct rtattr *)(const void *)((const char *)h +
                                                                               at);

                if (a->rta_len < sizeof(*a) || at + a->rta_len > h->nlmsg_len)
                        return NULL;
                if ((a->rta_type & NLA_TYPE_MASK) == type)
                        return a->rta_len >= RTA_LENGTH(size) ? netlink_value(a) : NULL;
                at += RTA_ALIGN(a->rta_len);
        }
        return NULL;
}

/* NLMSG_ERROR is also what says that all went well. */
static int result(struct netlink *n, const struct nlmsghdr *h)
{
        const struct nlmsgerr *err = netlink_data(h);
        const char *why = NULL;

        if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*err)))
                return -EBADMSG;
        if (err->error != 0 && h->nlmsg_flags & NLM_F_ACK_TLVS && h->nlmsg_flags & NLM_F_CAPPED)
                why = netlink_find(h, sizeof(*err), NLMSGERR_ATTR_MSG, 1);
        if (why)
                snprintf(n->why, sizeof(n->why), "%.*s", (int)sizeof(n->why) - 1, why);
        return err->error;
}

/* One datagram of N bytes. Returns 1 if there is more to come. */
static int read_answer(struct netlink *n, const char *buf, size_t len, netlink_each *each,
                       void *arg)
{
        for (size_t at = 0; at + sizeof(struct nlmsghdr) <= len;) {
                const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(buf + at);
                int r = 0;

                if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > len - at)
                        return -EBADMSG;
                at += NLMSG_ALIGN(h->nlmsg_len);
                if (h->nlmsg_seq != n->seq)
                        continue; /* of a request that was given up */
                if (h->nlmsg_flags & NLM_F_DUMP_INTR)
                        return -EAGAIN; /* what is told is not of one moment */
                if (h->nlmsg_type == NLMSG_ERROR)
                        return result(n, h);
                if (h->nlmsg_type == NLMSG_DONE)
                        return 0;
                if (each && h->nlmsg_type >= NLMSG_MIN_TYPE)
                        r = each(h, arg);
                if (r != 0)
                        return r;
        }
        return 1;
}

int netlink_ask(struct netlink *n, struct netlink_request *r, netlink_each *each, void *arg)
{
        _Alignas(struct nlmsghdr) char buf[ANSWER_BYTES];
        struct nlmsghdr *h = header_of(r);
        ssize_t len;
        int more = 1;

        n->why[0] = '\0';
        if (r->full)
                return -EMSGSIZE;
        h->nlmsg_seq = ++n->seq;
        if ((h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
                h->nlmsg_flags |= NLM_F_ACK;
        if (send(n->sock, h, h->nlmsg_len, 0) < 0)
                return -errno;
        while (more > 0) {
                /* rtnetlink answers before send(2) returns. */
                len = recv(n->sock, buf, sizeof(buf), MSG_TRUNC | MSG_DONTWAIT);
                if (len < 0 && errno == EINTR)
                        continue;
                if (len < 0)
                        return -errno;
                if ((size_t)len > sizeof(buf))
                        return -EMSGSIZE;
                more = read_answer(n, buf, (size_t)len, each, arg);
        }
        return more;
}
