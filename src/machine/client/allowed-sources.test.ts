import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Volume } from "../model/index.ts";
import { defaultSpec } from "../model/index.ts";
import { silent } from "../model/layers.fixture.ts";
import { contextIn } from "./crash.fixture.ts";
import { createMachine } from "./create.ts";
import { updateMachine } from "./update.ts";

/** A path that a server has allowed, and in whose place a guest has put a link before it was used. */
let place: string;
let volume: Volume;
const sourcesResolved = true;

beforeEach(() => {
  place = realpathSync(mkdtempSync(`${tmpdir()}/allowed-`));
  for (const name of ["shared", "secret"]) mkdirSync(`${place}/${name}`);
  volume = { kind: "bind", source: `${place}/shared`, target: "/x", readOnly: false };
});
afterEach(() => rmSync(place, { recursive: true }));

const putLink = () => {
  renameSync(`${place}/shared`, `${place}/away`);
  symlinkSync(`${place}/secret`, `${place}/shared`);
};
const changed = expect.objectContaining({ code: "volume.changed" });

test("a machine is not made with what the link leads to", () => {
  const context = contextIn(`${place}/data`);
  const spec = (name: string) => ({ ...defaultSpec(name), volumes: [volume] });
  expect(createMachine(context, spec("before"), { sourcesResolved }).record.volumes).toEqual([volume]);
  putLink();
  expect(() => createMachine(context, spec("after"), { sourcesResolved })).toThrow(changed);
  // Whoever names a link on the command line means what it leads to.
  const { record } = createMachine(context, spec("meant"));
  expect(record.volumes).toEqual([{ ...volume, source: `${place}/secret` }]);
});

test("nor is one changed to have it", async () => {
  const context = contextIn(`${place}/data`);
  createMachine(context, defaultSpec("box"));
  putLink();
  const update = updateMachine(context, "box", { ...silent, volumes: [volume] }, {}, { sourcesResolved });
  await expect(update).rejects.toEqual(changed);
});
