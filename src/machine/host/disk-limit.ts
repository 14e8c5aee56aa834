/**
 * Limits of disk bandwidth, by the guest's kernel (cgroup v2, `io.max`): both engines have it, and it can be lifted for
 * the moment in which a machine that stops writes what it still has in memory. libkrun limits no disk; QEMU does, and
 * could lift nothing without a monitor. What keeps a limit that the host cannot enforce: docs/supervision.md.
 */
import type { Guest } from "../../guest/index.ts";
import type { RootDisks } from "../root/index.ts";
import { exitCode, failed, runInSystem } from "./system.ts";

/** The numbers of virtio disks are the kernel's to choose: it is asked. One device a write is what `io.max` takes. */
const SCRIPT = `cd /sys/fs/cgroup/"$0" && limit=$1 && shift && for disk; do
  read number <"/sys/class/block/$disk/dev" && echo "$number $limit" >>io.max || exit
done`;

/**
 * Limits what a root's processes read from, and what they write to, each of the machine's writable disks. The image's
 * disk is not limited: many machines share it, and their host's memory has most of it.
 *
 * @param root its name; it may still be made, once the guest was asked for it
 * @param bytesPerSecond null: no limit any more
 * @throws SmolError `disk.no_limit` when the guest's kernel cannot do that
 */
export async function limitDisks(
  guest: Guest,
  root: string,
  { overlay, storage }: RootDisks,
  bytesPerSecond: number | null,
): Promise<void> {
  const most = bytesPerSecond ?? "max";
  const names = [overlay, storage].map(({ device }) => device.replace("/dev/", ""));
  const finished = await runInSystem(guest, [
    "sh",
    "-c",
    SCRIPT,
    root,
    `rbps=${most} wbps=${most}`,
    ...names,
  ]);
  if (exitCode(finished) === 0) return;
  throw failed("disk.no_limit", "limit the bandwidth of the machine's disks: its kernel", finished);
}
