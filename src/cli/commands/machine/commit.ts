import { openMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { print, printJson, warn } from "../../output.ts";
import { command } from "../../program/command.ts";
import { list, value } from "../../program/types.ts";
import { parseText } from "../../values/text.ts";

const options = {
  name: {
    ...machineName,
    description: "The machine (default: $SMOLVM_MACHINE_NAME, else default)",
  },
  change: list({
    long: "change",
    short: "c",
    placeholder: "LINE",
    description: "Change how the image is run, by a line of a Dockerfile: 'CMD [\"nginx\"]'",
    parse: parseText,
  }),
  message: value({
    long: "message",
    short: "m",
    placeholder: "TEXT",
    description: "What was done, for the image's history",
    parse: parseText,
  }),
  author: value({
    long: "author",
    short: "a",
    placeholder: "TEXT",
    description: "Who did it",
    parse: parseText,
  }),
  json: jsonObject,
};

export const commit = command({
  path: ["machine", "commit"],
  duration: "slow",
  summary: "Make an image of a machine",
  options,
  arguments: { kind: "words", placeholder: "[NAME] IMAGE", min: 1, max: 2, hint: machineWord.hint },
  text: `Makes an image of the machine NAME, which must not run, and calls it IMAGE: the layers of the
machine's image, and above them one layer with what the machine has changed, /workspace included.
What else is on its storage disk (/storage) and what is mounted from the host is not in it. The
machine's settings, its environment for one, are not in it either: the image is run as the
machine's image is, unless --change says otherwise (CMD, ENTRYPOINT, ENV, EXPOSE, LABEL,
STOPSIGNAL, USER, VOLUME, WORKDIR; repeatable).

Nothing is started for it. Prints the id of the image; --json prints an object with the keys
reference, id, size_bytes and skipped_sockets.`,
  examples: [
    { command: "smolvm machine commit web web:configured" },
    { command: "smolvm machine commit --name web -m 'with nginx' -c 'CMD [\"nginx\"]' web:2" },
    { command: "smolvm machine run --image web:2" },
  ],
  run: async ({ values, words }) => {
    const { machines, context } = await openMachines();
    const reference = words.at(-1) as string;
    const name = machineNameOf({ values, words: words.slice(0, -1) });
    const [{ interruptible }, { loadSettings }] = await Promise.all([
      import("../../work/interruptible.ts"),
      import("../../../config/index.ts"),
    ]);
    const { images } = await loadSettings(context.paths);
    const { change: changes, author, message } = values;
    const image = await interruptible((signal) =>
      machines.commitMachine(context, name, {
        ...{ reference, changes, author, message, signal },
        defaultRegistry: images.defaultRegistry,
      }),
    );
    image.release();
    if (image.skipped > 0) warn(`${image.skipped} sockets are not in the image: only programs make them`);
    if (values.json) {
      const { id, sizeBytes, skipped } = image;
      await printJson({ reference: image.reference, id, size_bytes: sizeBytes, skipped_sockets: skipped });
      return 0;
    }
    await print(`${image.id}\n`);
    return 0;
  },
});
