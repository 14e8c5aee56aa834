import { ExitCode } from "../../../errors.ts";
import type { Pack } from "../../../pack/index.ts";
import { verifyKeys } from "../../options/pack-options.ts";
import { runOptions } from "../../options/run-options.ts";
import { complain, print } from "../../output.ts";
import { command } from "../../program/command.ts";
import { defaultsOf, flag, value, without } from "../../program/types.ts";
import { parseText } from "../../values/text.ts";

/** All of `machine run` but what a pack decides, or what is about machines that stay. */
const options = without(
  runOptions,
  ...(["name", "detach", "smolfile", "remove", "image", "platform", "from", "verifyKeys"] as const),
  ...(["pull", "maxImageSize", "proxy", "noProxy"] as const),
);

/** What scripts look for: whether something has to be unpacked, and what the machine gets. */
async function showDebug(pack: Pack, values: { cpus: number | undefined; memory: number | undefined }) {
  const [{ debugPack }, { isUnpacked }, { makeContext }] = await Promise.all([
    import("../../show/pack.ts"),
    import("../../../pack/index.ts"),
    import("../../context.ts"),
  ]);
  complain(`debug: image ${isUnpacked(pack, makeContext().paths.cache) ? "cached" : "to extract"}`);
  complain(debugPack(pack, values));
}

export const packRun = command({
  path: ["pack", "run"],
  duration: "slow",
  interactive: true,
  summary: "Run a VM from a packed file, and remove it at the end",
  options: {
    sidecar: value({
      long: "sidecar",
      placeholder: "FILE",
      description: "The pack (default: the only .smolmachine of this directory)",
      hint: { kind: "file" },
      parse: parseText,
    }),
    info: flag({ long: "info", description: "Print what is in the pack, and run nothing" }),
    forceExtract: flag({
      long: "force-extract",
      description: "Read and check all of the pack first, unpacked or not",
    }),
    debug: flag({
      long: "debug",
      description: "Say on stderr what it runs with",
    }),
    ...options,
    verifyKeys,
  },
  arguments: { kind: "command", required: false },
  failureCode: ExitCode.beforeCommand,
  text: `Runs a pack as machine run --from does: COMMAND replaces the CMD that it was packed with, options
win over what is in it. Without COMMAND, what was packed runs. Nothing that the command changes
outlives it.

The first time, the pack's files go into the image cache, where all packs on one base share it;
after that nothing has to be unpacked. --verify-key refuses a pack that is not signed with that key,
before anything in it is used; a signature that is not right is always refused.`,
  examples: [
    { command: "smolvm pack run --sidecar my-app.smolmachine -- python3 -c 'print(1)'" },
    { command: "smolvm pack run --info" },
    { command: "smolvm pack run --verify-key vendor.pub --net -p 8080:80" },
  ],
  run: async (invocation) => {
    const { values } = invocation;
    const { sidecar, info, forceExtract, debug, ...rest } = values;
    const [{ findSidecar }, { openPackFile }] = await Promise.all([
      import("../../work/find-sidecar.ts"),
      import("../../work/open-pack.ts"),
    ]);
    const from = sidecar ?? (await findSidecar("."));
    if (info || forceExtract || debug) {
      const pack = await openPackFile(from, values.verifyKeys);
      try {
        if (forceExtract) await (await import("../../../pack/index.ts")).verifyPack(pack);
        if (info) {
          await print((await import("../../show/pack.ts")).describePack(pack));
          return 0;
        }
        if (debug) await showDebug(pack, values);
      } finally {
        await pack.close();
      }
    }
    const { runInMachine } = await import("../machine/run.ts");
    return await runInMachine({ ...invocation, values: { ...defaultsOf(runOptions), ...rest, from } });
  },
});
