import { expect } from "bun:test";
import { existsSync } from "node:fs";
import type { Machines } from "../support/machines.ts";
import type { Api } from "./api.ts";

/** Volumes over HTTP: what a machine writes outlives it, and nobody takes a volume from a machine that names it. */
export async function tryVolumes(api: Api, home: Machines): Promise<void> {
  const volumes = "/api/v1/volumes";
  const made = await api.ask("POST", volumes, { json: { name: "data" } });
  expect(made).toMatchObject({ name: "data", machines: [] });
  // Upstream's word for its name.
  expect((await api.ask("POST", volumes, { json: { id: "data", backend: "local" } })).path).toBe(made.path);
  await home.ok("create", "writer", "--cpus", "1", "--mem", "256", "-v", "data:/data");
  const json = { command: ["sh", "-c", "echo kept > /data/file"] };
  expect((await api.ask("POST", "/api/v1/machines/writer/exec", { json })).exitCode).toBe(0);
  expect(await api.ask("GET", `${volumes}/data`)).toMatchObject({ machines: ["writer"] });
  expect(await api.refusal("DELETE", `${volumes}/data`)).toMatchObject({ status: 409, code: "CONFLICT" });
  await api.ask("DELETE", "/api/v1/machines/writer");
  expect(existsSync(`${made.path}/file`)).toBe(true);
  await api.ask("POST", volumes, { json: { name: "other" } });
  expect(await api.ask("DELETE", `${volumes}/other`)).toEqual({ deleted: "other" });
  expect((await api.ask("GET", volumes)).volumes).toEqual([{ ...made, machines: [] }]);
  expect((await api.refusal("DELETE", volumes)).status).toBe(400);
  expect(await api.ask("DELETE", `${volumes}?unused=true`)).toEqual({ deleted: ["data"] });
  expect(existsSync(made.path)).toBe(false);
  for (const name of ["..", "a/b", "", ".x", "x".repeat(65)])
    expect([name, (await api.refusal("POST", volumes, { json: { name } })).status]).toEqual([name, 400]);
  for (const name of ["none", "%2e%2e%2fmachines", "..%2fvolumes"])
    expect([name, (await api.refusal("DELETE", `${volumes}/${name}`)).status]).toEqual([name, 404]);
}
