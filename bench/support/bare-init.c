/* PID 1 of the bare QEMU that smolvm is compared with: the least with which a Bun program runs. */
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char *const argv[] = { "/hello", 0 };
	char *const envp[] = { "HOME=/tmp", 0 };

	mount("proc", "/proc", "proc", 0, 0);
	mount("tmpfs", "/tmp", "tmpfs", 0, 0);
	if (fork() == 0) {
		execve(argv[0], argv, envp);
		_exit(127);
	}
	wait(0);
	reboot(RB_AUTOBOOT);
	return 1;
}
