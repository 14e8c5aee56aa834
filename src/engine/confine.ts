import { refuseNewPrivileges, setParentDeathSignal, setResourceLimit } from "../../ffi/libc.ts";

const SIGKILL = 9;

/**
 * Gives up what a VMM does not need, and ties it to its parent: however that ends, this process ends with it.
 *
 * Descriptors need no closing here: Bun.spawn hands over stdin, stdout and stderr and nothing else.
 *
 * @param parent process id of the one that started this
 */
export function confine(parent: number): void {
  process.umask(0o077);
  // A core would hold the guest's memory.
  setResourceLimit("core", 0);
  if (process.platform === "linux") {
    refuseNewPrivileges();
    setParentDeathSignal(SIGKILL);
    // It may have ended before this process asked to be told.
    if (process.ppid !== parent) process.exit(1);
  } else {
    watchParent();
  }
  process.chdir("/");
}

/** Where the kernel does not tell: a child that kills this process when our stdin, which the parent holds, ends. */
function watchParent(): void {
  Bun.spawn(["/bin/sh", "-c", `cat >/dev/null; kill -9 ${process.pid}`], {
    stdin: 0,
    stdout: "ignore",
    stderr: "ignore",
  });
}
