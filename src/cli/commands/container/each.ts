import type { ContainerRecord, Machine } from "../../../machine/index.ts";
import { machineAndContainers } from "../../options/container-options.ts";
import { print } from "../../output.ts";

/**
 * Does the same to each container that was named, one after the other, and prints its id. The first failure ends it.
 *
 * @param words a machine, and containers of it
 */
export async function eachContainer(
  words: readonly string[],
  action: (machine: Machine, id: string) => Promise<ContainerRecord>,
): Promise<number> {
  const [{ connectMachine }, { makeContext }] = await Promise.all([
    import("../../../machine/index.ts"),
    import("../../context.ts"),
  ]);
  const { machine: name, ids } = machineAndContainers(words);
  const machine = await connectMachine(makeContext(), name);
  try {
    for (const word of ids) {
      const { id } = await action(machine, word);
      await print(`${id}\n`);
    }
    return 0;
  } finally {
    machine.close();
  }
}
