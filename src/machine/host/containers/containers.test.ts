import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { makeRoot } from "../../../../agent/testing/index.ts";
import type { Machine } from "../../client/connect.ts";
import {
  type CreateContainerOptions,
  createContainer,
  execInContainer,
  listContainers,
  removeContainer,
  startContainer,
  stopContainer,
} from "../../client/containers.ts";
import type { Process } from "../../client/process.ts";
import { type TestMachine, TestPlace } from "../host.fixture.ts";

/** The real agent without a VM: what runs is a directory of the host, the image is only copied. */

setDefaultTimeout(60_000);

let place: TestPlace;
let image: string;
let running: TestMachine;
let machine: Machine;

beforeEach(async () => {
  place = new TestPlace();
  image = `${place.paths.data}-image/`;
  makeRoot(image, { "etc/os-release": "NAME=test\n" });
  running = await start();
  machine = await place.connect("box");
});
afterEach(() => place.remove());

async function start(): Promise<TestMachine> {
  const started = await place.start(place.order(place.record("box") ?? place.create("box")));
  await started.report;
  return started;
}

const context = () => ({ paths: place.paths, environment: {}, note: () => {} });
const create = (options: CreateContainerOptions = {}) => createContainer(context(), machine, image, options);
const list = () => listContainers(context(), "box");
const depot = (path: string) => `${place.storage("box")}/.smolvm/${path}`;
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

async function outputOf(process: Process): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of process.stdout) parts.push(chunk);
  await process.result;
  return Buffer.concat(parts).toString();
}

const run = (id: string, ...argv: string[]) => outputOf(execInContainer(machine, id, { argv, stdin: false }));

describe("a container", () => {
  test("is made, started, used, stopped and removed, and what it was is on the host", async () => {
    const { id } = await create({ env: ["COLOUR=blue"], workdir: "/srv" });
    expect(id).toMatch(/^[0-9a-f]{12}$/);
    expect(list()).toMatchObject([{ id, state: "created", reference: image, argv: ["sleep", "infinity"] }]);

    expect(await startContainer(machine, id)).toMatchObject({ state: "running", end: null });
    // Once more is nothing new.
    await startContainer(machine, id.slice(0, 5));
    const facts = 'echo "$$ $(hostname) $HOSTNAME $COLOUR $PWD"';
    const [pid, ...rest] = (await run(id, "sh", "-c", facts)).trim().split(" ");
    expect([Number(pid) > 1, ...rest]).toEqual([true, id, id, "blue", "/srv"]);
    expect(await run(id, "cat", "/proc/1/cmdline")).toBe("sleep\0infinity\0");
    expect(await run(id, "cat", "/etc/hosts")).toContain(`127.0.1.1\t${id}\n`);

    expect(await stopContainer(machine, id)).toMatchObject({ state: "exited", end: { signal: 15 } });
    await stopContainer(machine, id);
    expect(list()).toMatchObject([{ id, state: "exited" }]);
    expect(existsSync(depot(`containers/${id}`))).toBe(true);

    expect(await removeContainer(machine, id)).toMatchObject({ id });
    expect(list()).toEqual([]);
    expect([readdirSync(depot("containers")), readdirSync(depot("images"))]).toEqual([[], []]);
    expect(readdirSync(depot(""))).toEqual(["containers", "images"]);
  });

  test("runs what it is told to, with its exit code, its output among the machine's processes", async () => {
    const { id } = await create({ cmd: ["sh", "-c", "echo hello; exit 7"] });
    await startContainer(machine, id);
    await until(() => list()[0]?.state === "exited");
    expect(list()).toMatchObject([{ end: { exitCode: 7, signal: null, outOfMemory: false } }]);
    const processes = (await machine.ask("ps")) as { name: string; exitCode: number }[];
    expect(processes).toMatchObject([{ name: id, exitCode: 7 }]);
    // It starts again with the same files.
    expect(await startContainer(machine, id)).toMatchObject({ id });
  });

  test("is killed when it does not end in time, or at once", async () => {
    const stubborn = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"];
    const { id } = await create({ cmd: stubborn });
    const startReady = async () => {
      await startContainer(machine, id);
      await run(id, "sh", "-c", "until grep -q 'SigIgn:.*4...$' /proc/1/status; do sleep 0.01; done");
    };
    await startReady();
    expect(await stopContainer(machine, id, 50)).toMatchObject({ end: { signal: 9 } });
    await startReady();
    // A second one hastens the first.
    const slow = stopContainer(machine, id, 600_000);
    expect(await stopContainer(machine, id, 0)).toMatchObject({ end: { signal: 9 } });
    expect(await slow).toMatchObject({ state: "exited" });
    await startReady();
    expect(await failure(removeContainer(machine, id))).toMatchObject({ code: "container.running" });
    await removeContainer(machine, id, true);
    expect(list()).toEqual([]);
  });

  test("sees a directory of its machine that it is given, and only that", async () => {
    mkdirSync(`${place.storage("box")}/workspace/data`, { recursive: true });
    writeFileSync(`${place.storage("box")}/workspace/data/file`, "shared\n");
    const volumes = [
      { source: "/workspace/data", target: "/data", readOnly: true },
      { source: "/storage/new/place", target: "/new", readOnly: false },
    ];
    const { id } = await create({ volumes });
    await startContainer(machine, id);
    expect(await run(id, "cat", "/data/file")).toBe("shared\n");
    expect(await run(id, "sh", "-c", "echo x > /data/no || echo refused")).toBe("refused\n");
    // Links are followed there as anywhere else in a container.
    await run(id, "sh", "-c", "echo written > /new/file; ln -s file /new/link; cat /new/link > /new/copy");
    expect(await Bun.file(`${place.storage("box")}/new/place/copy`).text()).toBe("written\n");
    expect(await run(id, "ls", "/storage")).toBe("");
  });

  test("outlives its machine, without what ran in it", async () => {
    const one = await create();
    const two = await create({ cmd: ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"] });
    await startContainer(machine, one.id);
    await startContainer(machine, two.id);
    await run(two.id, "sh", "-c", "until grep -q 'SigCgt:.*4...$' /proc/1/status; do sleep 0.01; done");
    await running.host.end("gracefully");
    const ended = [
      { id: one.id, state: "exited", end: { signal: 15 } },
      { id: two.id, state: "exited", end: { exitCode: 3 } },
    ];
    expect(list()).toMatchObject(ended);
    running = await start();
    machine = await place.connect("box");
    expect(list()).toMatchObject(ended);
    expect(await startContainer(machine, one.id)).toMatchObject({ state: "running" });
    // Pulled like a plug: nobody sees its end.
    await running.host.end("now");
    expect(list()[0]).toMatchObject({ state: "exited", end: { exitCode: null, signal: null } });
  });
});

test("an image is copied once, whole, and goes with its last container", async () => {
  const copied: number[][] = [];
  const onCopy = (done: number, total: number) => copied.push([done, total]);
  const [one, two] = await Promise.all([create({ onCopy }), create({ onCopy })]);
  const [name = ""] = readdirSync(depot("images"));
  const bytes = await Bun.file(depot(`images/${name}`)).bytes();
  expect(name).toBe(`${one.image.id.slice(7)}.erofs`);
  expect([one.imageBytes, two.imageBytes]).toEqual([bytes.length, bytes.length]);
  // EROFS_SUPER_MAGIC_V1, little endian, at 1024.
  expect(Buffer.from(bytes.subarray(1024, 1028)).toString("hex")).toBe("e2e1f5e0");
  expect([copied[0], copied.at(-1)]).toEqual([
    [0, bytes.length],
    [bytes.length, bytes.length],
  ]);
  expect(copied.filter(([done]) => done === 0).length).toBe(1);
  await removeContainer(machine, one.id);
  expect(readdirSync(depot("images"))).toEqual([name]);
  await removeContainer(machine, two.id);
  expect(readdirSync(depot("images"))).toEqual([]);
});

test("a copy that is given up leaves nothing", async () => {
  const abort = new AbortController();
  const creating = create({ signal: abort.signal, onCopy: () => abort.abort(new Error("enough")) });
  expect(String(await failure(creating))).toContain("enough");
  const { id } = await create();
  expect(readdirSync(depot(""))).toEqual(["containers", "images"]);
  expect(list().map((container) => container.id)).toEqual([id]);
});

test("an image that does not fit leaves nothing, and says so", async () => {
  const small = `${place.paths.data}-small`;
  mkdirSync(small);
  expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=512k", "none", small]).exitCode).toBe(0);
  try {
    const other = await place.start(place.order(place.create("small")), { storage: small });
    await other.report;
    machine = await place.connect("small");
    expect(await failure(create())).toMatchObject({ code: "container.storage_full" });
    expect(readdirSync(`${small}/.smolvm`)).toEqual(["containers", "images"]);
    expect(readdirSync(`${small}/.smolvm/images`)).toEqual([]);
    await other.host.end("now");
  } finally {
    Bun.spawnSync(["umount", small]);
  }
});

describe("what is wrong is said", () => {
  test("no such container, or several; not running", async () => {
    const { id } = await create();
    await create();
    const wrong = async (id: string) => (await failure(startContainer(machine, id))) as { code: string };
    expect(await wrong("zz")).toMatchObject({ code: "container.not_found" });
    expect(await wrong("")).toMatchObject({ code: "container.not_found" });
    while (!list().some((one) => one.id !== id && one.id[0] === id[0])) await create();
    expect(await wrong(id.slice(0, 1))).toMatchObject({ code: "container.ambiguous" });
    expect(
      await failure(execInContainer(machine, id, { argv: ["true"], stdin: false }).result),
    ).toMatchObject({
      code: "container.not_running",
    });
    await removeContainer(machine, id);
    expect(await wrong(id)).toMatchObject({ code: "container.not_found" });
  });

  test("a command that does not exist; the container is as it was", async () => {
    const { id } = await create({ cmd: ["no-such-program"] });
    expect(await failure(startContainer(machine, id))).toMatchObject({
      code: "exec.not_found",
      exitCode: 127,
    });
    expect(list()).toMatchObject([{ id, state: "created" }]);
    await removeContainer(machine, id);
  });

  test.each([
    ["/etc", "/etc", "container.bad_volume"],
    ["/storage/../etc", "/x", "container.bad_volume"],
    ["/storage/.smolvm", "/x", "container.bad_volume"],
    ["/storagex", "/x", "container.bad_volume"],
    ["relative", "/x", "container.bad_volume"],
    ["/storage/a", "x", "container.bad_volume"],
    ["/storage/a", "/", "container.bad_volume"],
  ])("volume %s:%s", async (source, target, code) => {
    expect(await failure(create({ volumes: [{ source, target, readOnly: false }] }))).toMatchObject({ code });
  });

  test("malformed requests", async () => {
    for (const [method, params] of [
      ["containerCreate", {}],
      ["containerStart", { id: 5 }],
      ["containerStop", null],
      ["containerRemove", { id: "x", force: "yes" }],
      ["containerExec", {}],
    ] as const) {
      expect(await failure(machine.ask(method, params))).toMatchObject({ code: "machine.bad_request" });
    }
  });
});

describe("root of the machine changes what belongs to containers", () => {
  test("an image that is gone, or another", async () => {
    const { id, image: found } = await create();
    const file = depot(`images/${found.id.slice(7)}.erofs`);
    writeFileSync(file, "nothing");
    expect(await failure(startContainer(machine, id))).toMatchObject({ code: "container.image" });
    rmSync(file);
    symlinkSync("/etc/passwd", file);
    expect(await failure(startContainer(machine, id))).toMatchObject({ code: "container.image" });
    // As the hint says.
    await create();
    await startContainer(machine, id);
  });

  test.each(["symlink", "file"])("a %s in the place of its directory", async (kind) => {
    const outside = `${place.paths.data}-outside`;
    mkdirSync(outside);
    if (kind === "symlink") symlinkSync(outside, `${place.storage("box")}/.smolvm`);
    else writeFileSync(`${place.storage("box")}/.smolvm`, "");
    expect(await failure(create())).toMatchObject({ code: "container.storage" });
    expect(readdirSync(outside)).toEqual([]);
    rmSync(`${place.storage("box")}/.smolvm`);
    await create();
  });

  test("a link in the place of a container's changes, or of a volume", async () => {
    const outside = `${place.paths.data}-outside`;
    mkdirSync(outside);
    const volumes = [{ source: "/storage/data", target: "/data", readOnly: false }];
    const { id } = await create({ volumes });
    symlinkSync(outside, depot(`containers/${id}`));
    expect(await failure(startContainer(machine, id))).toMatchObject({ code: "container.storage" });
    rmSync(depot(`containers/${id}`));
    symlinkSync(outside, `${place.storage("box")}/data`);
    expect(await failure(startContainer(machine, id))).toMatchObject({ code: "container.bad_volume" });
    await removeContainer(machine, id);
    expect(readdirSync(outside)).toEqual([]);
  });
});

/** A file of the machine's process: there is no event for it. */
async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 500 && !holds(); round++) await Bun.sleep(10);
}
