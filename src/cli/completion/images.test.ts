import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { SHELLS } from "../commands/system/completion.ts";
import { complete, IMAGE_NAMES, type Shell } from "./completion.fixture.ts";

const sorted = (...names: readonly string[]) => [...names].sort();
const NAMES = sorted(...IMAGE_NAMES);
const ALPINE = ["alpine:3.20", "alpine:edge"];

/** bash replaces only what stands behind the last colon. */
const behindColon = (shell: Shell, names: readonly string[]) =>
  shell === "bash" ? sorted(...names.map((name) => name.replace(/^.*?:/, ""))) : sorted(...names);

setDefaultTimeout(120_000);

describe.each(SHELLS.map((shell) => [shell]))("%s offers the images on this host", (shell) => {
  test("to commands that take them", async () => {
    const offered = await complete(shell, [
      "smolvm images rm ",
      "smolvm images inspect al",
      "smolvm image remove -f alpine:3.20 al",
      "smolvm pull alpine:e",
      "smolvm images pull localhost:",
      "smolvm images rm -- al",
    ]);
    expect(offered.slice(0, 5)).toEqual([
      NAMES,
      ALPINE,
      ALPINE,
      behindColon(shell, ["alpine:edge"]),
      behindColon(shell, ["localhost:5000/a/b:1"]),
    ]);
  });

  test("beside files to machine run, as they are", async () => {
    const offered = await complete(shell, ["smolvm machine run --image a", "smolvm machine run -I alpine:3"]);
    const words = offered[0]?.map((word) => word.replaceAll("\\", ""));
    expect(words).toEqual(sorted("alpine:3.20", "alpine:edge", "an image.tar"));
    expect(offered[1]).toEqual(behindColon(shell, ["alpine:3.20"]));
  });
});
