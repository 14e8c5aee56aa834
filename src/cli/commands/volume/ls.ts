import { jsonArray } from "../../options/common.ts";
import { openVolumes } from "../../options/volume-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  quiet: flag({ long: "quiet", short: "q", description: "Print names only, one a line" }),
  json: jsonArray,
};

export const volumeList = command({
  path: ["volume", "ls"],
  aliases: ["list"],
  kind: "status",
  summary: "List the volumes of smolvm's own",
  options,
  arguments: { kind: "none" },
  text: `Lists volumes that have a name, with the machines whose description names them. Folders of the host
that machines see are not among them: machine inspect shows those.

--json prints an array of objects with the keys name, path, created_at (seconds since 1970) and
machines.`,
  examples: [{ command: "smolvm volume ls" }],
  run: async ({ values }) => {
    const { volumes, context } = await openVolumes();
    const found = volumes.listVolumes(context);
    const { formatVolumes, volumeJson } = await import("../../show/volumes.ts");
    if (values.json) await printJson(found.map(volumeJson));
    else if (values.quiet) await print(found.map(({ name }) => `${name}\n`).join(""));
    else await print(formatVolumes(found));
    return 0;
  },
});
