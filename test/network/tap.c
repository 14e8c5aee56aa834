/*
 * A network card for tests: the Linux kernel's own TCP/IP stack as the guest of ours. Opens a TAP device in the network
 * namespace that it runs in, and carries frames between that and a Unix stream socket, each behind its length (u32, big
 * endian), as QEMU's `-netdev stream` does. On the way to the socket and back it may lose and reorder frames.
 *
 *   unshare -rn tap SOCKET [MTU [LOSS REORDER SEED]]      losses and reorderings of a thousand frames
 *
 * Says "ready" when the device is up. Ends when the socket does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_FRAME 65549
#define BUFFER (1 << 20)

static unsigned loss, reorder;
static uint64_t state;

static int happens(unsigned per_mille) {
  if (!per_mille) return 0;
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state % 1000 < per_mille;
}

static int open_tap(void) {
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
  strcpy(request.ifr_name, "eth0");
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request)) err(1, "/dev/net/tun");
  return fd;
}

static int connect_to(const char *path) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un name = { .sun_family = AF_UNIX };
  strncpy(name.sun_path, path, sizeof name.sun_path - 1);
  if (connect(fd, (struct sockaddr *)&name, sizeof name)) err(1, "%s", path);
  int size = 1 << 20;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return fd;
}

static void write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = send(fd, bytes, length, MSG_NOSIGNAL);
    if (written < 0) exit(0);
    bytes += written, length -= written;
  }
}

/* A frame that is held back until the next one has passed. */
struct held { char bytes[4 + MAX_FRAME]; size_t length; };

static char out[BUFFER], in[BUFFER];
static struct held held_out, held_in;

static void to_tap(int tap, const char *frame, size_t length) {
  if (happens(loss)) return;
  if (!held_in.length && happens(reorder)) {
    memcpy(held_in.bytes, frame, held_in.length = length);
    return;
  }
  if (write(tap, frame, length) < 0 && errno != EAGAIN && errno != EINVAL) exit(0);
  if (held_in.length && write(tap, held_in.bytes, held_in.length) < 0 && errno != EAGAIN) exit(0);
  held_in.length = 0;
}

static size_t add(size_t at, const char *frame, size_t length) {
  uint32_t prefix = htonl(length);
  memcpy(out + at, &prefix, 4);
  if (frame != out + at + 4) memcpy(out + at + 4, frame, length);
  return at + 4 + length;
}

static void from_tap(int tap, int link) {
  size_t at = 0;
  while (at + 2 * (4 + MAX_FRAME) <= BUFFER) {
    ssize_t length = read(tap, out + at + 4, MAX_FRAME);
    if (length <= 0) break;
    if (happens(loss)) continue;
    if (!held_out.length && happens(reorder)) {
      memcpy(held_out.bytes, out + at + 4, held_out.length = length);
      continue;
    }
    at = add(at, out + at + 4, length);
    if (held_out.length) at = add(at, held_out.bytes, held_out.length);
    held_out.length = 0;
  }
  write_all(link, out, at);
}

static void pass(int tap, int link) {
  size_t have = 0;
  for (;;) {
    struct pollfd fds[2] = { { tap, POLLIN, 0 }, { link, POLLIN, 0 } };
    if (poll(fds, 2, -1) < 0) err(1, "poll");
    if (fds[1].revents) {
      ssize_t length = recv(link, in + have, BUFFER - have, 0);
      if (length <= 0) exit(0);
      have += length;
      size_t at = 0;
      while (have - at >= 4) {
        uint32_t size;
        memcpy(&size, in + at, 4);
        size = ntohl(size);
        if (size > MAX_FRAME) errx(1, "frame of %u bytes", size);
        if (have - at < 4 + size) break;
        to_tap(tap, in + at + 4, size);
        at += 4 + size;
      }
      memmove(in, in + at, have -= at);
    }
    if (fds[0].revents) from_tap(tap, link);
  }
}

int main(int count, char **words) {
  if (count < 2) errx(2, "tap SOCKET [MTU [LOSS REORDER SEED]]");
  const char *mtu = count > 2 ? words[2] : "65520";
  if (count > 5) loss = atoi(words[3]), reorder = atoi(words[4]), state = strtoull(words[5], 0, 10) | 1;
  int tap = open_tap();
  char command[2048];
  snprintf(command, sizeof command,
           "ip link set lo up && ip link set eth0 address 02:53:4d:00:00:02 mtu %s up && "
           "ip addr add 100.96.0.2/30 dev eth0 && ip route add default via 100.96.0.1 && "
           "if [ %s -ge 1280 ]; then ip -6 addr add fd00:53:4d::2/64 dev eth0 nodad && ip -6 route add default via fd00:53:4d::1; fi",
           mtu, mtu);
  if (system(command)) errx(1, "cannot set the device up");
  int link = connect_to(words[1]);
  puts("ready");
  fflush(stdout);
  pass(tap, link);
}
