import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tarOf } from "../../src/image/image.fixture.ts";
import { busyboxLayer, file } from "../support/images.ts";
import { useMachines } from "../support/machines.ts";
import { slowness } from "../support/program.ts";
import { startCraneRegistry, startDockerRegistry, useRegistry } from "../support/registry/index.ts";
import { Api, eventsOf } from "./api.ts";

/** Images of a real registry, and packs, through the HTTP API: got, run, and removed. */
setDefaultTimeout(120_000 * slowness);

let api: Api;
let reference: string;

// Before what looks whether anything is left.
afterAll(async () => {
  await api.stop();
});

const home = useMachines();
const { server, push } = useRegistry();
// What other tests have in the cache is nothing to these.
home.env.XDG_CACHE_HOME = `${home.path}/cache`;

const SMALL = { cpus: 1, memoryMb: 256, overlayGb: 2, storageGb: 1 };
const shared = `${home.path}/shared`;

beforeAll(async () => {
  const registry = server(await startCraneRegistry());
  const layers = [await busyboxLayer(), tarOf(file("marker", "of the image\n"))];
  const config = { Env: ["PATH=/bin", "FROM=image"], User: "65534:65534" };
  reference = await push(registry, layers, "team/app:1", { config });
  mkdirSync(shared);
  api = await Api.start(home, ["--allow-mount", shared]);
}, 120_000 * slowness);

const create = (json: object) => api.ask("POST", "/api/v1/machines", { json: { ...SMALL, ...json } });
const refusedCreate = (json: object) =>
  api.refusal("POST", "/api/v1/machines", { json: { ...SMALL, ...json } });
const exec = async (name: string, ...command: readonly string[]) =>
  (await api.ask("POST", `/api/v1/machines/${name}/exec`, { json: { command } })).stdout;
const listed = async () => (await api.ask("GET", "/api/v1/images")).images;

test("an image is pulled with its progress, runs, and is removed when no machine needs it", async () => {
  const pulled = await api.call("POST", "/api/v1/images/pull/stream", { json: { image: reference } });
  const events = await Array.fromAsync(eventsOf(pulled));
  expect(events.length).toBeGreaterThan(1);
  expect(events.at(-1)?.event).toBe("image");
  const image = JSON.parse(events.at(-1)?.data ?? "");
  expect(image).toMatchObject({ references: [reference], os: "linux", layerCount: 2, inUse: false });
  const again = await api.ask("POST", "/api/v1/images/pull", { json: { reference } });
  expect(again.image.id).toBe(image.id);
  expect(await listed()).toMatchObject([{ id: image.id }]);
  const inspect = `/api/v1/images/inspect?image=${encodeURIComponent(reference)}`;
  expect((await api.ask("GET", inspect)).image).toMatchObject({
    ...{ id: image.id, references: [reference], layers: [{}, {}] },
    config: {
      env: [
        { name: "PATH", value: "/bin" },
        { name: "FROM", value: "image" },
      ],
      user: "65534:65534",
    },
  });

  await create({ name: "app", image: reference });
  expect(await exec("app", "sh", "-c", "cat /marker; id -u; echo $FROM")).toBe(
    "of the image\n65534\nimage\n",
  );
  expect((await api.ask("GET", "/api/v1/machines/app/images")).images).toMatchObject([{ id: image.id }]);
  await create({ name: "plain" });
  const inside = { image: reference, command: ["cat", "/marker"] };
  expect((await api.ask("POST", "/api/v1/machines/plain/run", { json: inside })).stdout).toBe(
    "of the image\n",
  );

  const remove = { json: { image: reference } };
  expect((await api.refusal("POST", "/api/v1/images/remove", remove)).status).toBe(409);
  for (const name of ["app", "plain"]) await api.ask("DELETE", `/api/v1/machines/${name}`);
  const removed = await api.ask("POST", "/api/v1/images/remove", remove);
  expect(removed.images).toEqual([image.id]);
  expect(removed.freedBytes).toBeGreaterThan(500_000);
  expect(await listed()).toEqual([]);
  expect((await api.refusal("POST", "/api/v1/images/remove", remove)).status).toBe(404);
  expect((await api.refusal("GET", inspect)).status).toBe(404);
  expect((await api.refusal("GET", "/api/v1/images/inspect?image=")).status).toBe(400);
});

test("a machine is made of a pack below an allowed directory, and needs the pack no more", async () => {
  const words = ["pack", "create", "-q", "--no-runtime", "--image", reference, "--cpus", "2"];
  const packed = await home.smolvm([...words, "-o", `${shared}/app`]);
  expect([packed.exitCode, packed.stderr]).toEqual([0, ""]);
  const from = `${shared}/app.smolmachine`;
  // The request's own fields win over the pack's.
  expect(await create({ name: "packed", from })).toMatchObject({ cpus: 1 });
  const { cpus: _, ...more } = SMALL;
  const own = { ...more, name: "own", from };
  expect(await api.ask("POST", "/api/v1/machines", { json: own })).toMatchObject({ cpus: 2 });
  const elsewhere = `${home.path}/app.smolmachine`;
  renameSync(from, elsewhere);
  expect(await exec("packed", "sh", "-c", "cat /marker; id -u; echo $FROM")).toBe(
    "of the image\n65534\nimage\n",
  );
  expect(await refusedCreate({ from: elsewhere })).toMatchObject({ status: 403, code: "FORBIDDEN" });
  expect((await refusedCreate({ from: "app.smolmachine" })).status).toBe(400);
  renameSync(elsewhere, from);
  expect((await refusedCreate({ from, image: reference })).error).toContain("mutually exclusive");
  expect(await refusedCreate({ from: `${shared}/gone` })).toMatchObject({
    ...{ status: 404, error: `sidecar file not found: "${shared}/gone"` },
  });
  writeFileSync(`${shared}/none`, "no pack at all");
  expect((await refusedCreate({ name: "bad", from: `${shared}/none` })).error).toContain("is no pack");
  const bytes = readFileSync(from);
  bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
  writeFileSync(`${shared}/flipped`, bytes);
  expect((await refusedCreate({ name: "bad", from: `${shared}/flipped` })).status).toBe(400);
  expect((await api.refusal("GET", "/api/v1/machines/bad")).status).toBe(404);
});

test("a registry that asks who one is gets what the request says, and nothing of that is kept", async () => {
  const password = "canary-of-the-request";
  const closed = server(await startDockerRegistry({ users: { me: password } }));
  const credentials = `me:${password}`;
  const name = await push(closed, [await busyboxLayer()], "team/closed:1", {
    ...{ config: { Env: ["PATH=/bin"] }, credentials },
  });
  const auth = { registryAuth: { username: "me", password } };
  const wrong = { registryAuth: { username: "me", password: `${password}-not` } };
  const pull = (more: object) => ({ json: { image: name, ...more } });
  const PULL = "/api/v1/images/pull";
  expect(await api.refusal("POST", PULL, pull({}))).toMatchObject({ status: 404, code: "NOT_FOUND" });
  const refused = await api.refusal("POST", PULL, pull(wrong));
  expect(refused.status).toBe(403);
  expect(JSON.stringify(refused)).not.toContain(password);
  for (const half of [{ username: "me" }, { identityToken: "t", password }, {}])
    expect((await api.refusal("POST", PULL, pull({ registryAuth: half }))).status).toBe(400);

  await create({ name: "closed", image: name });
  expect((await api.refusal("POST", "/api/v1/machines/closed/start")).status).toBe(404);
  expect((await api.ask("POST", "/api/v1/machines/closed/start", { json: auth })).state).toBe("running");
  await api.ask("DELETE", "/api/v1/machines/closed");
  await api.ask("POST", "/api/v1/images/prune", { json: { all: true } });
  await create({ name: "inside" });
  const command = { image: name, command: ["/bin/echo", "in the image"] };
  expect((await api.refusal("POST", "/api/v1/machines/inside/run", { json: command })).status).toBe(404);
  const ran = await api.ask("POST", "/api/v1/machines/inside/run", { json: { ...command, ...auth } });
  expect(ran.stdout).toBe("in the image\n");
  await api.ask("DELETE", "/api/v1/machines/inside");

  const from = `${shared}/closed.smolmachine`;
  const smolfile = `${home.path}/Smolfile`;
  writeFileSync(smolfile, 'env = ["FROM=pack"]\n[network]\nallow_hosts = ["one.example"]\n');
  const source = ["--image", name, "-s", smolfile];
  const made = ["pack", "create", "-q", "--no-runtime", ...source, "-o", `${shared}/closed`];
  expect((await home.smolvm(made)).stderr).toBe("");
  const docker = `${home.path}/user/.docker`;
  mkdirSync(docker, { recursive: true });
  const entry = { auth: Buffer.from(credentials).toString("base64") };
  writeFileSync(`${docker}/config.json`, JSON.stringify({ auths: { [closed.host]: entry } }), {
    mode: 0o600,
  });
  const registryRef = `${closed.host}/team/pack:1`;
  expect((await home.smolvm(["pack", "push", "-q", "-f", from, registryRef])).exitCode).toBe(0);
  rmSync(docker, { recursive: true });
  expect((await refusedCreate({ registryRef })).status).toBe(404);
  expect((await refusedCreate({ registryRef, image: name })).error).toContain("mutually exclusive");
  expect((await refusedCreate(auth)).error).toContain("goes with registryRef");
  expect((await refusedCreate({ registryRef: name, ...auth })).status).toBe(400);
  // Inside a machine, the files and environment of a pack.
  await create({ name: "beside" });
  const inPack = { image: registryRef, command: ["/bin/sh", "-c", "echo $FROM"] };
  expect((await api.refusal("POST", "/api/v1/machines/beside/run", { json: inPack })).status).toBe(404);
  const run = { json: { ...inPack, ...auth } };
  expect((await api.ask("POST", "/api/v1/machines/beside/run", run)).stdout).toBe("pack\n");
  await api.ask("DELETE", "/api/v1/machines/beside");
  // As an image it is the same pack, and its start asks nobody.
  const isolated = await create({ name: "isolated", image: registryRef, network: false, ...auth });
  expect(isolated).toMatchObject({ image: registryRef, network: false });
  const behind = await create({ name: "behind", image: registryRef, ...auth });
  expect(behind).toMatchObject({ image: registryRef, network: true, allowedHosts: ["one.example"] });
  expect(await exec("behind", "/bin/sh", "-c", "echo $FROM")).toBe("pack\n");
  for (const one of ["behind", "isolated"]) await api.ask("DELETE", `/api/v1/machines/${one}`);
  await api.ask("POST", "/api/v1/images/prune", { json: { all: true } });
  await create({ name: "drawn", registryRef, ...auth });
  await closed.stop();
  expect(await exec("drawn", "/bin/echo", "of the pack")).toBe("of the pack\n");
  // The image by the name that the pack has for it, which only the registry knew.
  const offline = { json: { image: name, command: ["/bin/sh", "-c", "echo $FROM"] } };
  expect((await api.ask("POST", "/api/v1/machines/drawn/run", offline)).stdout).toBe("pack\n");
  const kept = await home.shell(`grep -rIl ${password} ${home.path}/data ${home.path}/cache; true`);
  expect(kept.output).toBe("");
});
