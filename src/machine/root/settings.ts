import { type Step, StepFlag } from "../../guest/index.ts";
import { threadsMax } from "./limits.ts";

/**
 * Settings of the guest's kernel, for a machine that is a user's own: what distributions and container
 * engines raise, since programs expect it. Not here, because the kernel's defaults are good today:
 * net.core.somaxconn (4096 since 5.4), user namespaces, SysV shared memory (unlimited since 3.16), port
 * ranges.
 */
function settings(memoryMib: number): [name: string, value: string | number][] {
  return [
    // As docker and podman: every user may listen on port 80, and ping.
    ["net.ipv4.ip_unprivileged_port_start", 0],
    ["net.ipv4.ping_group_range", "0 2147483647"],
    // What Fedora, Ubuntu and Arch ship. Elasticsearch asks for this much today, others for 262144; a mapping
    // costs some 200 bytes, which the workload's own memory limit counts.
    ["vm.max_map_count", 1_048_576],
    // In two steps: a kernel that was built small refuses the second (what it has then is 4096).
    ["kernel.pid_max", 32_768],
    // systemd's number on every machine of 64 bits: numbers that are used again late make races of pids rare.
    ["kernel.pid_max", 4_194_304],
    ["kernel.threads-max", threadsMax(memoryMib)],
    // Editors, bundlers and file watchers ask for this many; counted as the workload's memory, about 1 KiB each.
    ["fs.inotify.max_user_watches", 524_288],
    // 128 is what a dozen containers or an IDE use up.
    ["fs.inotify.max_user_instances", 1024],
    // Databases (MySQL, Oracle, ScyllaDB) size their queues of asynchronous I/O for this.
    ["fs.aio-max-nr", 1_048_576],
    // By default a tenth of the memory: a small machine would have fewer descriptors than one process may
    // open. The memory is the limit.
    ["fs.file-max", "9223372036854775807"],
  ];
}

/** Steps on the system's side. A kernel that lacks one of them does without. */
export function setKernel(memoryMib: number): Step[] {
  return settings(memoryMib).map(([name, value]) => ({
    kind: "write",
    path: `/proc/sys/${name.replaceAll(".", "/")}`,
    content: String(value),
    flags: StepFlag.optional,
  }));
}
