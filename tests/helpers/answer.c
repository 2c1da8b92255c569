/* answer: a server that is handed its socket, as sd_listen_fds(3) says. Whoever connects
 * is told what it has been handed. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
        const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");

        if (!fds || !pid || atoi(pid) != getpid())
                return 2;
        for (;;) {
                int client = accept(3, NULL, NULL);

                if (client < 0) {
                        perror("accept");
                        return 1;
                }
                dprintf(client, "%s descriptor for %d\n", fds, getpid());
                close(client);
        }
}
