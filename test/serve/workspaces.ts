import { expect } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Machines } from "../support/machines.ts";
import type { Api } from "./api.ts";

/**
 * A guest's changes are seen, taken over and thrown away over HTTP while it runs; git judges the patch.
 *
 * @param shared a directory that the server allows
 */
export async function tryWorkspaces(api: Api, home: Machines, shared: string): Promise<void> {
  const folder = `${shared}/project`;
  mkdirSync(folder);
  for (const name of ["kept", "gone", "both"]) writeFileSync(`${folder}/${name}`, `${name} of the host\n`);
  const json = {
    ...{ name: "coder", cpus: 1, memoryMb: 256, storageGb: 1, overlayGb: 2 },
    mounts: [{ source: folder, target: "/src", overlay: true }],
  };
  await api.ask("POST", "/api/v1/machines", { json });
  const coder = "/api/v1/machines/coder";
  const script = "cd /src && echo more >> kept && rm gone && echo guest > both && echo new > new";
  const exec = (command: string[]) => api.ask("POST", `${coder}/exec`, { json: { command } });
  expect((await exec(["sh", "-c", script])).exitCode).toBe(0);

  const { changes } = await api.ask("GET", `${coder}/changes`);
  const seen = changes.map(({ path, status }: Record<string, string>) => `${status} ${path}`).sort();
  expect(seen).toEqual(["added new", "deleted gone", "modified both", "modified kept"]);
  const one = await api.ask("GET", `${coder}/changes?path=/src/new`);
  expect(one.changes).toEqual([
    { workspace: "/src", path: "new", status: "added", kind: "file", newMode: "100644", size: 4 },
  ]);
  const patch = await (await api.call("GET", `${coder}/patch`)).arrayBuffer();
  const git = Bun.spawnSync(["git", "apply", "--check", "-"], { cwd: folder, stdin: new Uint8Array(patch) });
  expect([git.exitCode, git.stderr.toString()]).toEqual([0, ""]);

  writeFileSync(`${folder}/both`, "the host's own\n");
  const refused = await api.ask("POST", `${coder}/apply`, { json: { atomic: true } });
  expect(refused).toMatchObject({ applied: [], kept: [{ path: "both", reason: "changed" }] });
  expect(existsSync(`${folder}/new`)).toBe(false);
  const done = await api.ask("POST", `${coder}/apply`);
  expect(done.applied).toHaveLength(3);
  expect(done.kept).toMatchObject([{ path: "both", reason: "changed" }]);
  expect(readFileSync(`${folder}/kept`, "utf8")).toBe("kept of the host\nmore\n");
  expect(existsSync(`${folder}/gone`)).toBe(false);
  expect((await api.refusal("POST", `${coder}/discard`, { json: { paths: ["../both"] } })).status).toBe(400);
  expect((await api.ask("POST", `${coder}/discard`, { json: { paths: ["both"] } })).discarded).toHaveLength(
    1,
  );
  expect((await exec(["cat", "/src/both"])).stdout).toBe("the host's own\n");
  expect(await api.ask("GET", `${coder}/changes`)).toEqual({ changes: [] });
  await api.ask("DELETE", coder);

  // Only the command line can have given it that folder.
  const outside = `${home.path}/private`;
  mkdirSync(outside);
  await home.ok("create", "other", "--cpus", "1", "--mem", "256", "-v", `${outside}:/src:overlay`);
  const other = "/api/v1/machines/other";
  const write = { json: { command: ["sh", "-c", "echo x > /src/x"] } };
  expect((await api.ask("POST", `${other}/exec`, write)).exitCode).toBe(0);
  expect(await api.refusal("POST", `${other}/apply`)).toMatchObject({ status: 403, code: "FORBIDDEN" });
  expect(existsSync(`${outside}/x`)).toBe(false);
  expect((await api.ask("POST", `${other}/discard`)).discarded).toHaveLength(1);
  await api.ask("DELETE", other);
  expect((await api.refusal("GET", "/api/v1/machines/box/changes")).status).toBe(409);
}
