/*
 * Both ends of what the network's benchmark measures: on the host, in a namespace and in a virtual machine.
 *
 *   net-peer echo PORT                            says back what it hears
 *   net-peer once PORT                            says back what it hears first, and closes: whoever closes first keeps the
 *                                                 connection's ports for a minute, and clients have only 28,000
 *   net-peer requests ADDRESS PORT COUNT AT-ONCE  a byte and its answer, each on a connection of its own; prints how long
 *                                                 all took, and the median and 99th percentile of one, in milliseconds
 *   net-peer idle ADDRESS PORT COUNT SECONDS      connections that have carried a byte there and back; ends when they are
 *                                                 open, and leaves a process that keeps them so long
 *   net-peer questions SERVER NAME COUNT AT-ONCE  questions for a name's IPv4 address; prints milliseconds for all
 *   net-peer answers                              a DNS server on 127.0.0.1:53 that has one answer to everything
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, SOCKETS = 65536, PATIENCE_MS = 10000, MESSAGE = 512 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static struct sockaddr_in end_of(const char *address, int port) {
  struct sockaddr_in end = { .sin_family = AF_INET, .sin_port = htons(port) };
  if (!inet_aton(address, &end.sin_addr)) errx(2, "%s", address);
  return end;
}

static void watch(int poller, int operation, int fd, uint32_t events) {
  struct epoll_event event = { .events = events, .data.fd = fd };
  if (epoll_ctl(poller, operation, fd, &event)) err(1, "epoll_ctl");
}

static void ready(void) {
  puts("ready");
  fflush(stdout);
}

static int serve(int port, int once) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0), on = 1;
  struct sockaddr_in end = end_of("0.0.0.0", port);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&end, sizeof end) || listen(listener, 4096)) err(1, "port %d", port);
  watch(poller, EPOLL_CTL_ADD, listener, EPOLLIN);
  ready();
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      char bytes[4096];
      int fd = events[i].data.fd;
      if (fd == listener) {
        int client = accept4(listener, 0, 0, SOCK_NONBLOCK);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(poller, EPOLL_CTL_ADD, client, EPOLLIN);
        continue;
      }
      ssize_t length = recv(fd, bytes, sizeof bytes, 0);
      if (length > 0) send(fd, bytes, length, MSG_NOSIGNAL);
      if (length <= 0 || once) close(fd);
    }
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Connections under way: when each began. */
static double begun_at[SOCKETS];

static void begin(int poller, const struct sockaddr_in *end) {
  double begun = now();
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  if (fd < 0 || fd >= SOCKETS) err(1, "socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  begun_at[fd] = begun;
  if (connect(fd, (const struct sockaddr *)end, sizeof *end) && errno != EINPROGRESS) err(1, "connect");
  watch(poller, EPOLL_CTL_ADD, fd, EPOLLOUT);
}

/* So many requests, so many of them at once. */
static void ask(const struct sockaddr_in *end, int count, int at_once, double *times) {
  int poller = epoll_create1(0), begun = 0, done = 0, closed = 0;
  while (begun < at_once && begun < count) begin(poller, end), begun++;
  while (closed < count) {
    struct epoll_event events[EVENTS];
    int got = epoll_wait(poller, events, EVENTS, PATIENCE_MS);
    if (got <= 0) errx(1, "no answer for %d s", PATIENCE_MS / 1000);
    for (int i = 0; i < got; i++) {
      char byte;
      int fd = events[i].data.fd;
      if (events[i].events & EPOLLOUT) {
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1) err(1, "connection");
        watch(poller, EPOLL_CTL_MOD, fd, EPOLLIN);
        continue;
      }
      ssize_t length = recv(fd, &byte, 1, 0);
      if (length == 1) {
        times[done++] = now() - begun_at[fd];
        begun_at[fd] = 0;
        if (begun < count) begin(poller, end), begun++;
      } else if (length < 0 || begun_at[fd] != 0) {
        err(1, "answer");
      } else {
        close(fd), closed++;
      }
    }
  }
  close(poller);
}

static int requests(const char *address, int port, int count, int at_once) {
  struct sockaddr_in end = end_of(address, port);
  double *times = calloc(count, sizeof *times), warm[100];
  ask(&end, 100, at_once, warm);
  double started = now();
  ask(&end, count, at_once, times);
  double took = now() - started;
  qsort(times, count, sizeof *times, compare);
  printf("%.1f %.3f %.3f\n", took, times[(count - 1) / 2], times[(count - 1) * 99 / 100]);
  return 0;
}

static int idle(const char *address, int port, int count, int seconds) {
  struct sockaddr_in end = end_of(address, port);
  for (int i = 0; i < count; i++) {
    char byte;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&end, sizeof end)) err(1, "connection %d", i);
    if (send(fd, "x", 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1) err(1, "answer %d", i);
  }
  pid_t keeper = fork();
  if (keeper < 0) err(1, "fork");
  if (keeper > 0) {
    puts("open");
    return 0;
  }
  /* Whoever waits for the end of the output does not wait for this one. */
  close(0), close(1), close(2);
  sleep(seconds);
  return 0;
}

/* RFC 1035, section 4.1: a question for an address. */
static size_t write_question(unsigned char *message, unsigned id, const char *name) {
  memset(message, 0, 12);
  message[0] = id >> 8, message[1] = id, message[2] = 1, message[5] = 1;
  size_t at = 12;
  for (const char *label = name; *label;) {
    size_t length = strcspn(label, ".");
    message[at++] = length;
    memcpy(message + at, label, length);
    at += length;
    label += length + (label[length] == '.');
  }
  memcpy(message + at, "\0\0\1\0\1", 5);
  return at + 5;
}

static int questions(const char *server, const char *name, int count, int at_once) {
  struct sockaddr_in end = end_of(server, 53);
  int fd = socket(AF_INET, SOCK_DGRAM, 0), begun = 0;
  struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (strlen(name) > 200 || connect(fd, (struct sockaddr *)&end, sizeof end)) err(1, "%s", server);
  double started = now();
  unsigned char message[MESSAGE];
  for (int done = 0; done < count; done++) {
    for (; begun < count && begun < done + at_once; begun++)
      if (send(fd, message, write_question(message, begun, name), 0) < 0) err(1, "question");
    ssize_t length = recv(fd, message, sizeof message, 0);
    if (length < 12 || message[7] == 0) errx(1, "an answer is missing or has no address");
  }
  printf("%.1f\n", now() - started);
  return 0;
}

static int answers(void) {
  struct sockaddr_in end = end_of("127.0.0.1", 53);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(fd, (struct sockaddr *)&end, sizeof end)) err(1, "127.0.0.1:53");
  ready();
  for (;;) {
    unsigned char message[MESSAGE];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(fd, message, sizeof message - 16, 0, (struct sockaddr *)&from, &size);
    if (length < 12) continue;
    message[2] |= 0x80, message[7] = 1;
    memcpy(message + length, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1", 16);
    sendto(fd, message, length + 16, 0, (struct sockaddr *)&from, size);
  }
}

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  if (count == 3 && !strcmp(what, "echo")) return serve(atoi(words[2]), 0);
  if (count == 3 && !strcmp(what, "once")) return serve(atoi(words[2]), 1);
  if (count == 2 && !strcmp(what, "answers")) return answers();
  if (count == 6) {
    int port = atoi(words[3]), most = atoi(words[4]), last = atoi(words[5]);
    if (!strcmp(what, "requests")) return requests(words[2], port, most, last);
    if (!strcmp(what, "idle")) return idle(words[2], port, most, last);
    if (!strcmp(what, "questions")) return questions(words[2], words[3], most, last);
  }
  errx(2, "see the head of net-peer.c");
}
