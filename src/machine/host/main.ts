import { prepareVmm } from "../../engine/index.ts";
import { connectTransport } from "../../protocol/index.ts";
import { version } from "../../version.ts";
import { leaseFilesOf } from "./leases.ts";
import { MachineHost } from "./machine-host.ts";
import { launcher } from "./session.ts";
import { openStarter } from "./starter.ts";

/** The descriptor on which a machine's process finds its owner. */
export const OWNER_FD = 3;

/** Entry of the `__machine` role; ends the process when the machine has ended. */
export async function runMachineProcess(): Promise<never> {
  process.umask(0o077);
  // Where this program is the VMM, its start-up overlaps with the owner's work on the image.
  const vmm = process.platform === "linux" ? undefined : prepareVmm();
  const host = new MachineHost({ launcher, lease: leaseFilesOf, openStarter, program: version, vmm });
  process.on("SIGTERM", () => void host.end("gracefully"));
  // The owner decides what an interrupt means; this process is in another session, but may be signalled by hand.
  process.on("SIGINT", () => void host.end("gracefully"));
  // While a machine ends, nothing but promises may be left: the process must not end before it has.
  setInterval(() => {}, 2 ** 30);
  const transport = await connectTransport({ fd: OWNER_FD });
  void host.serveOwner(transport);
  await host.ended;
  process.exit(0);
}
