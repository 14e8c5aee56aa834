import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bindOf, type ContainerRecord, endedWithMachine, makeContainerId, parseContainer } from "./index.ts";

const record: ContainerRecord = {
  version: 1,
  id: "0123456789ab",
  createdAt: 1,
  reference: "redis:7",
  image: {
    id: `sha256:${"0".repeat(64)}`,
    entrypoint: ["entry"],
    cmd: [],
    env: ["A=b"],
    workdir: "/",
    user: "",
    volumes: ["/data"],
  },
  imageBytes: 4096,
  argv: ["sleep", "infinity"],
  env: [],
  workdir: null,
  binds: [{ source: "a", target: "/a", readOnly: true }],
  state: "running",
  startedAt: 2,
  end: null,
};
const parse = (value: unknown) => parseContainer(JSON.stringify(value), record.id);

describe("a container's record", () => {
  test("is read as it was written, with what a later program added", () => {
    expect(parse({ ...record, later: { x: 1 } })).toEqual({ ...record, later: { x: 1 } } as ContainerRecord);
  });

  test("of another version, of another container, or damaged, is none", () => {
    const wrong = [
      { ...record, version: 2 },
      { ...record, id: "0123456789ac" },
      { ...record, argv: [] },
      { ...record, state: "paused" },
      { ...record, image: { ...record.image, id: "sha256:../../x" } },
      { ...record, imageBytes: -1 },
      [],
      null,
    ];
    for (const value of wrong) expect([value, parse(value)]).toEqual([value, undefined]);
  });

  test("whatever is in the file, reading it does not throw", () => {
    const keys = fc.constantFrom(...Object.keys(record));
    fc.assert(
      fc.property(keys, fc.jsonValue(), fc.string(), (key, value, text) => {
        parse({ ...record, [key]: value });
        parseContainer(text, record.id);
      }),
    );
  });

  test("that runs when its machine ends has ended with it, as nobody has seen", () => {
    const end = { exitCode: null, signal: null, outOfMemory: false, at: 9 };
    expect(endedWithMachine(record, 9)).toEqual({ ...record, state: "exited", end });
    const created = { ...record, state: "created" } as const;
    expect(endedWithMachine(created, 9)).toBe(created);
  });
});

test("an id is 12 hex digits, and no number", () => {
  for (let round = 0; round < 1000; round++) expect(makeContainerId()).toMatch(/^(?=.*[a-f])[0-9a-f]{12}$/);
});

describe("volumes", () => {
  test.each([
    ["/storage", "/all", "", "/all"],
    ["/storage/", "/all/", "", "/all"],
    ["/storage//a/./b/", "/x//y", "a/b", "/x/y"],
    ["/workspace", "/src", "workspace", "/src"],
    ["/workspace/a", "/src", "workspace/a", "/src"],
    ["/storage/a..b", "/...", "a..b", "/..."],
  ])("%s at %s", (source, target, where, at) => {
    expect(bindOf({ source, target, readOnly: true })).toEqual({ source: where, target: at, readOnly: true });
  });

  test.each(["/", "/.", "//", "/./", "relative", "", "/a/../..", "/..", "/x\0y"])(
    "are not put at %j",
    (target) => {
      const refused = () => bindOf({ source: "/storage", target, readOnly: false });
      expect(refused).toThrow(expect.objectContaining({ code: "container.bad_volume", exitCode: 2 }));
    },
  );

  test("never lead out of the storage disk, nor to what belongs to containers", () => {
    const piece = fc.constantFrom("", ".", "..", "a", "storage", "workspace", ".smolvm", "x\0y", "-");
    const path = fc.array(piece, { maxLength: 6 }).map((pieces) => `/${pieces.join("/")}`);
    fc.assert(
      fc.property(path, path, (source, target) => {
        let bind: { source: string; target: string };
        try {
          bind = bindOf({ source, target, readOnly: false });
        } catch (error) {
          expect(error).toMatchObject({ code: "container.bad_volume", exitCode: 2 });
          return;
        }
        expect(source).toMatch(/^\/+(\.\/+)*(storage|workspace)(\/|$)/);
        const words = bind.source.split("/");
        expect(words).not.toContain("..");
        expect(words[0]).not.toBe(".smolvm");
        expect(bind.source).not.toMatch(/^\/|\0/);
        expect(bind.target).toMatch(/^\/[^/\0]/);
      }),
      { examples: [["/workspace", "/."]] },
    );
  });
});
