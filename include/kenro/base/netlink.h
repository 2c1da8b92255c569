/* Requests to rtnetlink(7): links, addresses, routes. libmnl has no static archive in
 * Debian, and what is needed of it is here. */
#pragma once

#include "kenro/base/err.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NETLINK_REQUEST_MAX = 8192 };

struct netlink {
        int sock;
        uint32_t seq;
        char why[160]; /* the kernel's words on the last failure, or empty */
};

#define NETLINK_INIT                                                                               \
        {                                                                                          \
                .sock = -1                                                                         \
        }

struct netlink_request {
        _Alignas(struct nlmsghdr) char bytes[NETLINK_REQUEST_MAX];
        bool full; /* something did not fit */
};

/* A socket in the caller's network namespace, or with FD, which is taken, where that
 * comes from. Nobody but the kernel can write to it. */
int netlink_open(struct netlink *n, int fd, struct err *e);
void netlink_close(struct netlink *n);

/* Begin a request with a family's header (struct ifinfomsg, ...), and add to it. */
void netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, const void *header,
                   size_t len);
void netlink_add(struct netlink_request *r, uint16_t type, const void *data, size_t len);

/* NLMSG_DATA and RTA_DATA of what is only read: these cast const away. */
static inline const void *netlink_data(const struct nlmsghdr *h)
{
        return (const char *)h + NLMSG_HDRLEN;
}

static inline const void *netlink_value(const struct rtattr *a)
{
        return (const char *)a + RTA_LENGTH(0);
}

/* A message of an answer. Not 0 ends the request with that. */
typedef int netlink_each(const struct nlmsghdr *h, void *arg);

/* Send R and read all of the answer. Returns 0 or -errno, with N->why. */
int netlink_ask(struct netlink *n, struct netlink_request *r, netlink_each *each, void *arg);

/* The attribute TYPE behind a header of LEN bytes, or NULL; at least SIZE bytes. */
const void *netlink_find(const struct nlmsghdr *h, size_t len, uint16_t type, size_t size);
