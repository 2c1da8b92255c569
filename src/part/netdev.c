#include "kenro/part/netdev.h"

#include "kenro/base/fd.h"
#include "kenro/base/log.h"

#include "netdev_link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { SAVED_BYTES_MAX = 4 << 20, MOVE_TRIES = 8 };

/* ---- the two sides -------------------------------------------------------------- */

static int netlink_error(const struct netlink *n, int num, const char *what, struct err *e)
{
        if (n->why[0])
                return err_sys(e, num, "%s (%s)", what, n->why);
        return err_sys(e, num, "%s", what);
}

/* A socket of the namespace NETNS, which this process does not enter. */
static int send_socket(int netns, int sock)
{
        struct err ignored;
        int fd = setns(netns, CLONE_NEWNET) < 0
                         ? -1
                         : socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

        if (fd < 0)
                return errno;
        return fd_send(sock, "", 1, fd, &ignored) < 0 ? EIO : 0;
}

static int open_inside(struct netlink *n, int netns, struct err *e)
{
        autoclose int sock = -1;
        pid_t pid = fd_fork(&sock, e);
        int fd = -1, status, r;
        char c;

        if (pid < 0)
                return -1;
        if (pid == 0)
                _exit(send_socket(netns, sock));
        r = fd_recv(sock, &c, 1, &fd, e);
        if (waitpid(pid, &status, 0) < 0)
                status = EIO << 8;
        if (r < 0)
                return -1;
        if (fd < 0)
                return err_sys(e, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR,
                               "cannot enter the container's network namespace");
        return netlink_open(n, fd, e);
}

/* ---- what a device loses when it moves -------------------------------------------- */

struct saving {
        struct netdev_moved *m;
        struct netdev_device *d;
        struct err *e;
};

static int save(struct saving *s, const struct nlmsghdr *h, const struct nlmsghdr ***list,
                size_t *n)
{
        struct nlmsghdr *copy = arena_alloc(&s->m->a, 1, h->nlmsg_len, s->e);
        const struct nlmsghdr **next = copy ? arena_push(&s->m->a, list, n, sizeof(*next), s->e)
                                            : NULL;

        if (!next)
                return -ENOMEM;
        memcpy(copy, h, h->nlmsg_len);
        *next = copy;
        return 0;
}

static int save_address(const struct nlmsghdr *h, void *arg)
{
        struct saving *s = arg;
        const struct ifaddrmsg *i = netlink_data(h);

        if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*i)) ||
            i->ifa_index != s->d->index)
                return 0;
        /* The kernel makes those itself. */
        if (i->ifa_family == AF_INET6 && i->ifa_scope == RT_SCOPE_LINK)
                return 0;
        return save(s, h, &s->d->addresses, &s->d->n_addresses);
}

/* What an administrator has set, and not what follows from an address, from a router
 * or from a server. */
static int save_route(const struct nlmsghdr *h, void *arg)
{
        struct saving *s = arg;
        const struct rtmsg *i = netlink_data(h);
        const uint32_t *oif;

        if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof(*i)))
                return 0;
        oif = netlink_find(h, sizeof(*i), RTA_OIF, sizeof(*oif));
        if (!oif || *oif != s->d->index || i->rtm_type != RTN_UNICAST ||
            i->rtm_flags & RTM_F_CLONED || i->rtm_protocol == RTPROT_KERNEL ||
            i->rtm_protocol == RTPROT_RA || i->rtm_protocol == RTPROT_REDIRECT ||
            netlink_find(h, sizeof(*i), RTA_NH_ID, sizeof(uint32_t)))
                return 0;
        return save(s, h, &s->d->routes, &s->d->n_routes);
}

static int save_all(struct netdev_moved *m, struct netdev_device *d, struct err *e)
{
        const struct ifaddrmsg addresses = { 0 };
        const struct rtmsg routes = { 0 };
        struct saving s = { m, d, e };
        struct netlink_request r;
        int failed;

        netlink_begin(&r, RTM_GETADDR, NLM_F_DUMP, &addresses, sizeof(addresses));
        failed = netlink_ask(&m->host, &r, save_address, &s);
        if (failed >= 0) {
                netlink_begin(&r, RTM_GETROUTE, NLM_F_DUMP, &routes, sizeof(routes));
                failed = netlink_ask(&m->host, &r, save_route, &s);
        }
        return failed < 0 ? netlink_error(&m->host, -failed, "cannot read its addresses", e) : 0;
}

/* config-linux.md: permanent, of global scope. */
static bool is_kept(const struct nlmsghdr *h)
{
        const struct ifaddrmsg *i = netlink_data(h);
        const uint32_t *flags = netlink_find(h, sizeof(*i), IFA_FLAGS, sizeof(*flags));

        return (flags ? *flags : i->ifa_flags) & IFA_F_PERMANENT &&
               i->ifa_scope == RT_SCOPE_UNIVERSE;
}

static bool is_main_route(const struct nlmsghdr *h)
{
        const struct rtmsg *i = netlink_data(h);

        return i->rtm_table == RT_TABLE_MAIN && i->rtm_protocol != RTPROT_DHCP;
}

/* A gateway must be reachable when its route is added. */
static bool has_gateway(const struct nlmsghdr *h)
{
        return netlink_find(h, sizeof(struct rtmsg), RTA_GATEWAY, 1) != NULL ||
               netlink_find(h, sizeof(struct rtmsg), RTA_VIA, 1) != NULL;
}

/* ---- there --------------------------------------------------------------------------- */

static void warn(const struct netdev_device *d, const char *what, int num)
{
        char name[24];

        log_warn("network device %s: %s: %s", d->name, what, errno_name(num, name));
}

static void set_routes(struct netlink *n, const struct netdev_device *d, uint32_t index,
                       bool inside)
{
        for (size_t i = 0; i < 2 * d->n_routes; i++) {
                const struct nlmsghdr *h = d->routes[i % d->n_routes];
                int r = 0;

                if (has_gateway(h) == (i >= d->n_routes) && (!inside || is_main_route(h)))
                        r = netdev_link_route(n, h, index);
                if (r < 0)
                        warn(d, "a route is lost", -r);
        }
}

static int set_inside(struct netdev_moved *m, struct netdev_device *d, struct err *e)
{
        int r;

        for (size_t i = 0; i < d->n_addresses; i++) {
                if (!is_kept(d->addresses[i]))
                        continue;
                r = netdev_link_address(&m->inside, d->addresses[i], d->inside, d->name);
                if (r < 0)
                        return netlink_error(&m->inside, -r, "cannot give it its address back", e);
        }
        r = netdev_link_up(&m->inside, d->inside);
        if (r < 0)
                return netlink_error(&m->inside, -r, "cannot set it up", e);
        set_routes(&m->inside, d, d->inside, true);
        return 0;
}

static int move_one(const struct netdev_entry *p, int netns, struct netdev_moved *m,
                    struct netdev_device *d, struct err *e)
{
        struct netdev_link l;
        int r = netdev_link_get(&m->host, p->name, 0, &l);

        if (r < 0)
                return netlink_error(&m->host, -r, "cannot look at the network device", e);
        d->name = arena_strndup(&m->a, l.name, strlen(l.name), e);
        d->index = l.index;
        d->master = l.master;
        d->up = l.flags & IFF_UP;
        if (!d->name || save_all(m, d, e) < 0)
                return -1;
        if (netdev_link_get(&m->inside, p->as, 0, &l) == 0)
                return err_set(e, "the container has a network device %s already", p->as);
        r = netdev_link_free(&m->inside, d->index, &d->inside);
        if (r < 0)
                return netlink_error(&m->inside, -r, "cannot list the container's devices", e);
        r = netdev_link_move(&m->host, d->index, netns, p->as, d->inside);
        /* An error of the name comes when it is there. Do not ask there: what has the
         * number may be another container's. */
        d->moved = r == 0 || netdev_link_get(&m->host, NULL, d->index, &l) == -ENODEV;
        if (r < 0)
                return netlink_error(&m->host, -r, "cannot move it into the container", e);
        return set_inside(m, d, e);
}

static int open_netns(const struct netdev_plan *p, int proc_fd, pid_t pid)
{
        char path[40];

        if (p->join_fd >= 0)
                return fcntl(p->join_fd, F_DUPFD_CLOEXEC, 0);
        snprintf(path, sizeof(path), "%d/ns/net", pid);
        return openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
}

int netdev_parent(const struct netdev_plan *p, int proc_fd, pid_t pid, struct netdev_moved *m,
                  struct err *e)
{
        autoclose int netns = open_netns(p, proc_fd, pid);

        if (netns < 0)
                return err_sys(e, errno, "cannot open the container's network namespace");
        m->host_fd = openat(proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC);
        if (m->host_fd < 0)
                return err_sys(e, errno, "cannot open the host's network namespace");
        if (arena_init(&m->a, SAVED_BYTES_MAX, e) < 0)
                return -1;
        m->v = ARENA_NEW(&m->a, struct netdev_device, p->n, e);
        if (!m->v || netlink_open(&m->host, -1, e) < 0 || open_inside(&m->inside, netns, e) < 0)
                return -1;
        for (size_t i = 0; i < p->n; i++) {
                m->n = i + 1;
                if (move_one(&p->v[i], netns, m, &m->v[i], e) < 0)
                        return err_in(e, "linux.netDevices.%s", p->v[i].name);
        }
        return 0;
}

/* ---- and back again ---------------------------------------------------------------- */

/* Its number, or even its name, may be another's by now. INDEX gets what it has. */
static int move_back(struct netdev_moved *m, const struct netdev_device *d, uint32_t *index)
{
        struct netdev_link l;
        unsigned tries = 0;
        int r;

        do {
                r = netdev_link_free(&m->host, d->index, index);
                if (r == 0)
                        r = netdev_link_move(&m->inside, d->inside, m->host_fd, d->name, *index);
        } while (r == -EBUSY && ++tries < MOVE_TRIES);
        if (r != -EEXIST)
                return r;
        /* The error of the name comes when it is there, with the one it had. */
        if (netdev_link_get(&m->host, NULL, *index, &l) < 0)
                r = netdev_link_move(&m->inside, d->inside, m->host_fd, "dev%d", *index);
        warn(d, "comes back with another name", EEXIST);
        return r == -EEXIST ? 0 : r;
}

static void undo_one(struct netdev_moved *m, const struct netdev_device *d)
{
        uint32_t index;
        int r = move_back(m, d, &index);

        if (r < 0) {
                warn(d, "cannot be moved back", -r);
                return;
        }
        if (d->master)
                r = netdev_link_enslave(&m->host, index, d->master);
        for (size_t i = 0; i < d->n_addresses; i++) {
                int failed = netdev_link_address(&m->host, d->addresses[i], index, NULL);

                r = r < 0 ? r : failed;
        }
        if (d->up) {
                int failed = netdev_link_up(&m->host, index);

                r = r < 0 ? r : failed;
                set_routes(&m->host, d, index, false);
        }
        if (r < 0)
                warn(d, "is back, but not as it was", -r);
}

void netdev_undo(struct netdev_moved *m)
{
        for (size_t i = m->n; i > 0; i--)
                if (m->v[i - 1].moved)
                        undo_one(m, &m->v[i - 1]);
        netdev_done(m);
}

void netdev_done(struct netdev_moved *m)
{
        netlink_close(&m->host);
        netlink_close(&m->inside);
        fd_close(&m->host_fd);
        if (m->a.base)
                arena_release(&m->a);
        *m = (struct netdev_moved)NETDEV_MOVED_INIT;
}
