import { SmolError } from "../../../errors.ts";
import { pruneOptions } from "../../options/image-options.ts";
import { givenName, machineName, machineWord } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { pruneAll } from "../images/prune.ts";

const options = {
  name: { ...machineName, description: "A machine that must exist; all machines share the images" },
  ...pruneOptions,
};

export const machinePrune = command({
  path: ["machine", "prune"],
  duration: "med",
  summary: "Remove layers of images that nobody needs",
  options,
  arguments: machineWord,
  text: `The same as images prune. Images are kept on the host, and all machines share them: with --name it
fails when there is no such machine, or when that runs and --all was given, and otherwise does the
same. The images that machines are made of stay, whether these run or not.`,
  examples: [{ command: "smolvm machine prune --dry-run" }, { command: "smolvm machine prune --all" }],
  /** Images are shared by all machines: a name only says that the user expects that machine to be there. */
  run: async ({ values, words }) => {
    const name = givenName({ values, words });
    if (name !== undefined) await checkMachine(name, values.all);
    return pruneAll(values, { machine: name });
  },
});

/** @throws SmolError `machine.not_found`; `machine.running`, which scripts expect although nothing could be lost */
async function checkMachine(name: string, all: boolean): Promise<void> {
  const [{ hasProcess, inspectMachine }, { makeContext }] = await Promise.all([
    import("../../../machine/index.ts"),
    import("../../context.ts"),
  ]);
  const { status } = inspectMachine(makeContext(), name);
  if (!all || !hasProcess(status)) return;
  const stop = `smolvm machine stop --name ${name}`;
  throw new SmolError(
    "machine.running",
    `cannot prune --all while machine '${name}' is running. Stop it first with: ${stop}`,
  );
}
