/* One device by rtnetlink(7). Nothing here knows why. */
#pragma once

#include "kenro/base/netlink.h"

#include <net/if.h>

struct netdev_link {
        uint32_t index, flags, master;
        char name[IFNAMSIZ];
};

/* The link called NAME, or for NULL that with INDEX. 0 or -errno. */
int netdev_link_get(struct netlink *n, const char *name, uint32_t index, struct netdev_link *ret);

/* An index that no link has, WANTED if it is free. 0 or -errno. */
int netdev_link_free(struct netlink *n, uint32_t wanted, uint32_t *ret);

/* Into the namespace NETNS, there with the name and the index that are given; 0 for
 * any. */
int netdev_link_move(struct netlink *n, uint32_t index, int netns, const char *name,
                     uint32_t new_index);

int netdev_link_up(struct netlink *n, uint32_t index);
int netdev_link_enslave(struct netlink *n, uint32_t index, uint32_t master);

/* An address or a route as the kernel told it, for the link with INDEX. What is there
 * already is fine. LABEL is a name that an address shall not keep. */
int netdev_link_address(struct netlink *n, const struct nlmsghdr *h, uint32_t index,
                        const char *label);
int netdev_link_route(struct netlink *n, const struct nlmsghdr *h, uint32_t index);
