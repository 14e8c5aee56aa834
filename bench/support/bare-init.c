/* PID 1 of the bare QEMU that smolvm is compared with: the least that a guest can do. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
	static const char hello[] = "hello\n";
	int console;

	/* Some kernels mount it by themselves. */
	mount("dev", "/dev", "devtmpfs", 0, 0);
	console = open("/dev/console", O_WRONLY);
	if (write(console, hello, sizeof hello - 1) < 0)
		return 1;
	reboot(RB_AUTOBOOT);
	return 1;
}
