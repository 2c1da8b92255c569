/* Network devices that move into the container: config-linux.md, Network Devices.
 *
 * All is done by the parent, by two netlink sockets: one of the host's namespace, one
 * of the container's. The kernel takes addresses and routes from a device that moves;
 * they are noted before and given back after, on the other side, or on this one if the
 * container cannot be made. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/base/netlink.h"
#include "kenro/spec/spec.h"

#include <net/if.h>
#include <sys/types.h>

struct netdev_entry {
        const char *name; /* on the host */
        const char *as;   /* in the container; with "%d" the kernel numbers it */
};

struct netdev_plan {
        struct netdev_entry *v;
        size_t n;
        int join_fd; /* the network namespace that exists already, or -1: the new one */
};

/* OWN: the container has a network namespace that is not the host's, at JOIN_FD if it
 * exists already. Looks the devices up. */
int netdev_plan(const struct spec *s, bool own, int join_fd, struct arena *a,
                struct netdev_plan *ret, struct err *e);

/* What has been moved. */
struct netdev_device {
        const char *name; /* on the host */
        uint32_t index, master;
        bool up, moved;
        uint32_t inside; /* its index in the container */
        const struct nlmsghdr **addresses, **routes;
        size_t n_addresses, n_routes;
};

struct netdev_moved {
        struct netlink host, inside;
        int host_fd; /* the host's network namespace */
        struct arena a;
        struct netdev_device *v;
        size_t n;
};

#define NETDEV_MOVED_INIT                                                                          \
        {                                                                                          \
                .host = NETLINK_INIT, .inside = NETLINK_INIT, .host_fd = -1                        \
        }

/* Move them into the network namespace of the process PID, or where the plan says. M
 * holds what was done, also after an error. */
int netdev_parent(const struct netdev_plan *p, int proc_fd, pid_t pid, struct netdev_moved *m,
                  struct err *e);

/* Move back what was moved, as it was. What does not succeed is a warning. */
void netdev_undo(struct netdev_moved *m);

/* It stays where it is now. */
void netdev_done(struct netdev_moved *m);
