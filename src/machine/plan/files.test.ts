import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { assetId, assetPath } from "../../assets/index.ts";
import type { Context } from "../../context.ts";
import { resolveImage } from "./index.ts";

test("a bare machine keeps the built-in image that it was begun on, of whichever version, as long as it is there", async () => {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-plan-`);
  try {
    const paths = { data: directory, cache: directory, config: directory, runtime: directory };
    const notes: string[] = [];
    const context: Context = { paths, environment: {}, note: (text) => notes.push(text) };
    const own = { path: await assetPath("base", directory), baseId: assetId("base") };
    expect(await resolveImage(context, null, {})).toMatchObject(own);
    expect(await resolveImage(context, null, {}, assetId("base"))).toMatchObject(own);
    // What an older version has unpacked.
    const older = new Bun.CryptoHasher("sha256").update("older").digest("hex");
    const unpacked = `${directory}/runtime/${older.slice(0, 32)}`;
    mkdirSync(unpacked);
    writeFileSync(`${unpacked}/base.erofs`, "older");
    const kept = await resolveImage(context, null, {}, older);
    expect(kept).toMatchObject({ path: `${unpacked}/base.erofs`, baseId: older, facts: { id: null } });
    expect(notes).toEqual([]);
    rmSync(unpacked, { recursive: true });
    expect(await resolveImage(context, null, {}, older)).toMatchObject(own);
    expect(notes).toEqual([expect.stringContaining("is gone from the cache")]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
