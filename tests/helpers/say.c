/* say TEXT...: send each to the socket that NOTIFY_SOCKET names, as sd_notify(3). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        const char *path = getenv("NOTIFY_SOCKET");
        int sock = socket(AF_UNIX, SOCK_DGRAM, 0);

        if (!path || strlen(path) >= sizeof(sa.sun_path))
                return 2;
        strcpy(sa.sun_path, path);
        if (connect(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
                perror(path);
                return 1;
        }
        for (int i = 1; i < argc; i++)
                if (send(sock, argv[i], strlen(argv[i]), 0) < 0) {
                        perror("send");
                        return 1;
                }
        return 0;
}
