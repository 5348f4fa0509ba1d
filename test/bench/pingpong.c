// SPDX-License-Identifier: Apache-2.0
// pingpong ROUNDS: that many round trips of 64 bytes between two processes over one TCP connection
// on the loopback; prints round trips per second.
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kBytes = 64 };

static void Transfer(int fd, char *bytes, ssize_t (*move)(int, void *, size_t))
{
	for (size_t done = 0; done < kBytes;) {
		ssize_t n = move(fd, bytes + done, kBytes - done);

		if (n <= 0)
			err(1, "the other side ended");
		done += (size_t)n;
	}
}

static ssize_t Write(int fd, void *bytes, size_t size)
{
	return write(fd, bytes, size);
}

static void Rounds(int fd, long rounds, int first)
{
	char bytes[kBytes] = {0};
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (long i = 0; i < rounds; i++) {
		Transfer(fd, bytes, first ? Write : read);
		Transfer(fd, bytes, first ? read : Write);
	}
}

static double Now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void Echo(int listener, long rounds)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		err(1, "accept");
	Rounds(fd, rounds, 0);
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);
	long rounds = argc > 1 ? atol(argv[1]) : 10000;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	double start;

	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		err(1, "listen");
	if (fork() == 0)
		Echo(listener, rounds);
	if (connect(fd, (struct sockaddr *)&address, size))
		err(1, "connect");
	start = Now();
	Rounds(fd, rounds, 1);
	printf("%.1f\n", (double)rounds / (Now() - start));
	return wait(NULL) < 0;
}
