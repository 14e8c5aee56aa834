import { resolvePaths } from "../config/paths.ts";
import { connectMachine } from "./client.ts";
import { runInForeground } from "./foreground.ts";
import { Interrupts } from "./interrupt.ts";
import type { ExecCommand } from "./request.ts";
import { hostnameOf } from "./root/index.ts";
import { planWorkload } from "./workload.ts";

/**
 * `machine exec`: runs one more command in a running machine, in the foreground of this process. The machine goes on
 * whatever happens to the command or to this process.
 *
 * @returns the exit code for this process
 */
export async function execInMachine(command: ExecCommand): Promise<number> {
  const interrupts = new Interrupts();
  const { record, connection } = await connectMachine(resolvePaths(), command.name);
  try {
    const defaults = { ...record, entrypoint: [], cmd: [] };
    const request = { ...command, entrypoint: undefined, init: false, rlimits: [] };
    const workload = planWorkload(request, defaults, hostnameOf(record.name));
    return await runInForeground(
      workload,
      async (request) => connection.open({ method: "exec", params: request }),
      {
        ...command,
        memoryMib: record.memoryMib,
        interrupts,
      },
    );
  } finally {
    connection.close();
  }
}
