import { verifyKeys } from "../../options/pack-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

export const packInspect = command({
  path: ["pack", "inspect"],
  summary: "Show what is in a pack",
  options: {
    json: flag({ long: "json", description: "Print the manifest as a JSON object" }),
    verify: flag({ long: "verify", description: "Read all of the pack, and check each byte" }),
    verifyKeys,
  },
  arguments: { kind: "words", placeholder: "FILE", min: 1, max: 1, hint: { kind: "file" } },
  text: `Shows what a pack is made of and runs with, and who signed it. Signatures, manifest and the digests
that everything hangs on are always checked; --verify reads the rest too, without unpacking it.

--json prints the manifest (docs/pack-format.md) with the keys layer_digest (of the pack, as
Checksum:), layer_size (bytes of the file) and signers besides.`,
  examples: [
    { command: "smolvm pack inspect my-app.smolmachine" },
    { command: "smolvm pack inspect --verify --verify-key vendor.pub --json my-app.smolmachine" },
  ],
  run: async ({ values, words: [path = ""] }) => {
    const [{ openPackFile }, { describePack, packJson }] = await Promise.all([
      import("../../work/open-pack.ts"),
      import("../../show/pack.ts"),
    ]);
    const pack = await openPackFile(path, values.verifyKeys);
    try {
      if (values.verify) await (await import("../../../pack/index.ts")).verifyPack(pack);
      if (values.json) await printJson(packJson(pack));
      else await print(describePack(pack));
      return 0;
    } finally {
      await pack.close();
    }
  },
});
