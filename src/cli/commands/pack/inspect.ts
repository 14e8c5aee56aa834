import { existsSync } from "node:fs";
import type { Platform } from "../../../image/index.ts";
import { verifyKeys } from "../../options/pack-options.ts";
import { platformOption, pullOptions } from "../../options/pull-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";
import { usageError } from "../../usage.ts";

export const packInspect = command({
  path: ["pack", "inspect"],
  kind: "status",
  summary: "Show what is in a pack",
  options: {
    json: flag({ long: "json", description: "Print the manifest as a JSON object" }),
    verify: flag({ long: "verify", description: "Read all of the pack, and check each byte" }),
    verifyKeys,
    platform: { ...platformOption, description: "Which one of a pack for several platforms, in a registry" },
    proxy: pullOptions.proxy,
    noProxy: pullOptions.noProxy,
  },
  arguments: { kind: "words", placeholder: "FILE|NAME", min: 1, max: 1, hint: { kind: "file" } },
  text: `Shows what a pack is made of and runs with, and who signed it. Signatures, manifest and the digests
that everything hangs on are always checked; --verify reads the rest too, without unpacking it.

What is no file of that name, and no path, is a pack in a registry (team/app:1.0): only its manifest
is looked at then, and not downloaded.

--json prints the manifest (docs/pack-format.md) with the keys layer_digest (of the pack, as
Checksum:), layer_size (bytes of the file) and signers besides; of a pack in a registry reference
and manifest_digest in the place of signers, and layer_digest is the file's.`,
  examples: [
    { command: "smolvm pack inspect my-app.smolmachine" },
    { command: "smolvm pack inspect team/my-app:1.0" },
    { command: "smolvm pack inspect --verify --verify-key vendor.pub --json my-app.smolmachine" },
  ],
  run: async ({ values, words: [path = ""] }) => {
    if (isRemote(path)) return await inspectRemote(path, values);
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

/** A file wins over a name of a registry; what is written as a path, or as a pack's file, is one. */
const isRemote = (path: string): boolean =>
  !existsSync(path) && !/^\.{0,2}\//.test(path) && !path.endsWith(".smolmachine");

interface RemoteValues {
  readonly json: boolean;
  readonly verify: boolean;
  readonly verifyKeys: readonly string[];
  readonly platform: Platform | undefined;
  readonly proxy: string | undefined;
  readonly noProxy: string | undefined;
}

async function inspectRemote(name: string, values: RemoteValues): Promise<number> {
  if (values.verify || values.verifyKeys.length > 0) {
    throw usageError(
      "cli.conflict",
      `${name} is in a registry: only all of a pack can be verified`,
      "smolvm pack pull it first",
    );
  }
  const [{ inspectRemotePack }, { namePack }, { interruptible }, platforms, show] = await Promise.all([
    import("../../../pack/registry/index.ts"),
    import("../../work/pack-registry.ts"),
    import("../../work/interruptible.ts"),
    import("../../../image/platform.ts"),
    import("../../show/pack.ts"),
  ]);
  const platform = platforms.platformName(values.platform ?? platforms.hostPlatform());
  const { reference, pack } = await interruptible(async (signal) => {
    const named = await namePack(name, values, signal);
    return { reference: named.reference.familiar, pack: await inspectRemotePack({ ...named, platform }) };
  });
  if (values.json) await printJson(show.remotePackJson(pack, reference));
  else await print(show.describeRemotePack(pack, reference));
  return 0;
}
