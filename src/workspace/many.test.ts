/** 20,000 files: unpacked in a guest, listed, applied, removed again. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { applyChanges, changesOf, openWorkspace } from "./index.ts";
import { Guest, makePlace } from "./workspace.fixture.ts";

const FILES = 20_000;
const PER_DIRECTORY = 200;

test(`${FILES} files`, () => {
  // A disk would be what is measured.
  using place = makePlace("/dev/shm");
  const laps: string[] = [];
  let began = performance.now();
  const lap = (what: string) => {
    laps.push(`${what} ${Math.round(performance.now() - began)} ms`);
    began = performance.now();
  };
  const paths = Array.from({ length: FILES }, (_, i) => `d${Math.floor(i / PER_DIRECTORY)}/f${i}`);
  {
    using guest = Guest.of(place);
    for (let i = 0; i < FILES / PER_DIRECTORY; i++) guest.mkdir(`d${i}`);
    for (const path of paths) guest.write(path, path);
    lap("unpack");
    using workspace = openWorkspace(place, "change");
    const changes = changesOf(workspace);
    lap("list");
    expect(changes).toHaveLength(FILES + FILES / PER_DIRECTORY);
    expect(applyChanges(workspace).kept).toEqual([]);
    lap("apply");
    expect(readdirSync(place.folder, { recursive: true })).toHaveLength(FILES + FILES / PER_DIRECTORY);
    Bun.sleepSync(50);
    for (const path of paths) expect(guest.stat(path).size).toBe(path.length);
    lap("stat");
    for (let i = 0; i < FILES / PER_DIRECTORY; i++) guest.removeAll(`d${i}`);
    lap("remove");
  }
  using workspace = openWorkspace(place, "change");
  expect(applyChanges(workspace).kept).toEqual([]);
  lap("apply");
  expect(readdirSync(place.folder)).toEqual([]);
  expect(readdirSync(`${place.directory}/data`)).toEqual([]);
  expect(changesOf(workspace)).toEqual([]);
  console.log(laps.join(", "));
}, 180_000);
