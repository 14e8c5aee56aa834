import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Paths, resolvePaths } from "../../config/paths.ts";
import { listenInRuntimeDirectory, removeSockets, socketPaths } from "./sockets.ts";

let root: string;
let paths: Paths;

beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/smolvm-sockets-`);
  paths = { data: root, cache: root, config: root, runtime: `${root}/run` };
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const listen = (path: string) => Bun.listen({ unix: path, socket: { data() {} } });

describe("socket paths", () => {
  test("fit into a socket address, however long the machine's name is", () => {
    for (const env of [{ HOME: "/h" }, { HOME: "/h", XDG_RUNTIME_DIR: `/${"r".repeat(67)}` }]) {
      for (const path of Object.values(socketPaths(resolvePaths(env, 4_294_967_295), "x".repeat(128)))) {
        expect(Buffer.byteLength(path)).toBeLessThanOrEqual(107);
      }
    }
  });

  test("differ between machines, and between the two sockets of one", () => {
    const all = ["web", "web-1", "WEB", "x".repeat(128), `${"x".repeat(127)}y`].flatMap((name) =>
      Object.values(socketPaths(paths, name)),
    );
    expect(new Set(all).size).toBe(all.length);
  });
});

describe("the runtime directory", () => {
  test("is private, and gone with the last machine", () => {
    const first = listenInRuntimeDirectory(paths, () => listen(socketPaths(paths, "one").control));
    const second = listenInRuntimeDirectory(paths, () => listen(socketPaths(paths, "two").control));
    expect(readdirSync(paths.runtime)).toHaveLength(2);
    first.stop();
    removeSockets(paths, "one");
    expect(readdirSync(paths.runtime)).toHaveLength(1);
    second.stop();
    removeSockets(paths, "two");
    expect(existsSync(paths.runtime)).toBe(false);
    removeSockets(paths, "two");
  });

  test("of somebody else, or open to others, is refused", () => {
    mkdirSync(paths.runtime);
    chmodSync(paths.runtime, 0o755);
    expect(() => listenInRuntimeDirectory(paths, () => 1)).toThrow("not a private directory");
  });

  test("that is missing for another reason than a race is the listener's error", () => {
    const fail = () => listen(`${root}/elsewhere/socket`);
    expect(() => listenInRuntimeDirectory(paths, fail)).toThrow("Failed to listen");
  });

  test("machines that come and go at once never take it from each other", async () => {
    const script = `
      import { listenInRuntimeDirectory, removeSockets, socketPaths } from ${JSON.stringify(`${import.meta.dir}/sockets.ts`)};
      const paths = ${JSON.stringify(paths)};
      const name = process.argv[1];
      for (let round = 0; round < 300; round++) {
        const { control } = socketPaths(paths, name);
        const listener = listenInRuntimeDirectory(paths, () => Bun.listen({ unix: control, socket: { data() {} } }));
        await Bun.connect({ unix: control, socket: { data() {} } }).then((socket) => socket.end());
        listener.stop(true);
        removeSockets(paths, name);
      }
      process.exit(0);
    `;
    const children = Array.from({ length: 6 }, (_, at) =>
      Bun.spawn([process.execPath, "-e", script, `machine-${at}`], { stdout: "inherit", stderr: "pipe" }),
    );
    const ends = await Promise.all(
      children.map(async (child) => [await child.exited, await new Response(child.stderr).text()]),
    );
    expect(ends).toEqual(children.map(() => [0, ""]));
    expect(existsSync(paths.runtime)).toBe(false);
  }, 60_000);
});
