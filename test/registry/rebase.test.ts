import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { tarOf } from "../../src/image/image.fixture.ts";
import { busyboxLayer } from "../support/images.ts";
import { PullHome, type Server, startCraneRegistry, useRegistry } from "../support/registry/index.ts";

/** Packs of machines that were made of packs: with what they inherited, or above what the image's name means now. */

setDefaultTimeout(120_000);

const { server, push } = useRegistry();
let registry: Server;
let home: PullHome;
beforeAll(async () => {
  registry = server(await startCraneRegistry());
  home = new PullHome();
});
afterAll(() => home.remove());
afterEach(async () => await home.expectNothingLeft());

async function ok(...words: string[]): Promise<string> {
  const { exitCode, output, stderr } = await home.smolvm(words, { cwd: home.path });
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${exitCode}: ${stderr}`);
  return output;
}

/** Makes a machine, changes it by a script, and stops it. */
async function changed(name: string, script: string, ...made: string[]): Promise<void> {
  await ok("machine", "create", name, "--cpus", "1", "--mem", "256", ...made);
  await ok("machine", "start", "--name", name);
  await ok("machine", "exec", "--name", name, "--", "sh", "-c", script);
  await ok("machine", "stop", "--name", name);
}

/** Packs a machine, and says which of these files a machine of that pack has. */
async function filesOf(name: string, ...options: string[]): Promise<string[]> {
  await ok("pack", "create", "-q", "--no-runtime", "--from-vm", name, ...options, "-o", "made");
  const script = "ls -d /image /image-2 /inherited /own /bin/vi 2>/dev/null; true";
  const run = ["pack", "run", "-q", "--sidecar", "made.smolmachine", "--", "sh", "-c", script];
  return (await ok(...run)).trim().split("\n");
}

test("a machine of a pack is packed with what it inherited, and --rebase-from-image drops that", async () => {
  try {
    const busybox = await busyboxLayer();
    const image = await push(registry, [busybox, tarOf({ path: "image", data: "1" })], "app/base:1");
    await changed("one", "echo >/inherited; mv /bin/vi /bin/gone", "--image", image);
    await ok("pack", "create", "-q", "--no-runtime", "--from-vm", "one", "-o", "first");
    // What is taken away from the pack is in no image.
    await changed("two", "echo >/own; rm /bin/gone", "--from", "first.smolmachine");
    expect(await filesOf("two")).toEqual(["/image", "/inherited", "/own"]);
    expect(await filesOf("two", "--rebase-from-image")).toEqual(["/bin/vi", "/image", "/own"]);
    await push(registry, [busybox, tarOf({ path: "image-2", data: "2" })], "app/base:1");
    expect(await filesOf("two", "--rebase-from-image")).toEqual(["/bin/vi", "/image", "/own"]);
    const newest = await filesOf("two", "--rebase-from-image", "--pull", "always");
    expect(newest).toEqual(["/bin/vi", "/image-2", "/own"]);
  } finally {
    for (const name of ["one", "two"]) await home.smolvm(["machine", "delete", "-f", "--name", name]);
  }
});

test("a machine without an image that has a name is not rebased", async () => {
  try {
    await changed("bare", "echo >/own");
    const words = ["pack", "create", "--no-runtime", "--rebase-from-image", "-o", "made"];
    const refused = await home.smolvm(["--error-format", "json", ...words, "--from-vm", "bare"]);
    expect(JSON.parse(refused.stderr.trim().split("\n").at(-1) ?? "").error.code).toBe("machine.bad_setting");
    const alone = await home.smolvm([...words, "--image", "app"]);
    expect([alone.exitCode, alone.stderr]).toEqual([2, expect.stringContaining("--from-vm NAME")]);
  } finally {
    await home.smolvm(["machine", "delete", "-f", "--name", "bare"]);
  }
});
