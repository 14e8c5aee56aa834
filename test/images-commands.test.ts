import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { tarOf } from "../src/image/image.fixture.ts";
import { writeLayout } from "./image/layout.ts";
import { testImages } from "./support/images.ts";
import { inLab, program } from "./support/program.ts";
import { onQemu } from "./support/register.ts";
import {
  copyTo,
  isBlob,
  PullHome,
  pushLayout,
  QUICK,
  randomBytes,
  startDockerRegistry,
  startProxy,
  trickle,
  useRegistry,
} from "./support/registry/index.ts";

/** `images …`, `machine images`, `machine prune` and what a pull shows, by the whole program. */

setDefaultTimeout(60_000);

const { server, scratch } = useRegistry();

const registry = server(await startDockerRegistry());
const MIB = 2 ** 20;
const base = tarOf({ path: "base", data: randomBytes(2 * MIB) });
const anId = /^sha256:[0-9a-f]{64}$/;

/** An image of a shared layer and one of its own, as a layout. */
function makeLayout(content: string, platform?: string): string {
  const layout = scratch.directory(`layout-${content}`);
  writeLayout(layout, [base, tarOf({ path: content, data: randomBytes(MIB) })], {
    compression: "gzip",
    config: { Entrypoint: ["/bin/app"], Labels: { evil: "a\u001b[2J\u009b31m" } },
    editConfig: (config) => {
      if (platform !== undefined) config.architecture = platform;
    },
  });
  return layout;
}

const push = async (name: string, content: string, platform?: string) =>
  await pushLayout(registry, makeLayout(content, platform), name);

const layout = makeLayout("app");
const app = await pushLayout(registry, layout, "team/app:1");
const other = await push("team/other:1", "other");

/** What a proxy passes on of a request's headers. */
const accepted = (request: Request) => ({ accept: request.headers.get("accept") ?? "*/*" });

/** On a terminal: everything that it shows, and the exit code. */
async function onTerminal(home: PullHome, args: readonly string[], env: Record<string, string> = {}) {
  let shown = "";
  const { promise: hungUp, resolve: hangUp } = Promise.withResolvers<void>();
  const child = Bun.spawn([program, ...args], {
    cwd: home.path,
    env: { ...home.env, TERM: "xterm", ...env },
    terminal: {
      cols: 80,
      rows: 24,
      data: (_, bytes) => {
        shown += Buffer.from(bytes).toString();
      },
      exit: () => hangUp(),
    },
  });
  const exitCode = await child.exited;
  await hungUp;
  child.terminal?.close();
  return { exitCode, shown };
}

if (!inLab) {
  describe("images pull", () => {
    test("prints the id, and a few lines on stderr; then there is nothing to do", async () => {
      using home = new PullHome();
      const first = await home.pulled(app);
      const id = first.output.trim();
      expect(id).toMatch(anId);
      expect(first.stderr).toMatch(
        /^Pulling .*\/team\/app:1: 2 layers, 3\.0 MiB\nPulled .*\/team\/app:1 \(3\.0 MiB in .* s\)\n$/,
      );
      expect(await home.pulled(app)).toMatchObject({ output: `${id}\n`, stderr: `${app} is up to date\n` });
    });

    test("does not download a layer again that another image has", async () => {
      using home = new PullHome();
      await home.pulled(app);
      expect((await home.pulled(other)).stderr).toContain(": 1 of 2 layers, 1.0 MiB\n");
    });

    test("several at once, quietly, and by docker's name for it", async () => {
      using home = new PullHome();
      const { output, stderr, exitCode } = await home.smolvm(["pull", "-q", app, other]);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      expect(output.split("\n")).toEqual([expect.stringMatching(anId), expect.stringMatching(anId), ""]);
    });

    test("--json prints one object, and nothing else unless it is asked for", async () => {
      using home = new PullHome();
      const { output, stderr } = await home.pulled(app, { options: ["--json"] });
      expect(stderr).toBe("");
      expect(JSON.parse(output)).toEqual({
        images: [
          {
            reference: app,
            digest: expect.stringMatching(anId),
            id: expect.stringMatching(anId),
            size_bytes: expect.any(Number),
            changed: true,
          },
        ],
      });
      const again = await home.pulled(app, { options: ["--json", "--progress", "json"] });
      expect(JSON.parse(again.output).images[0].changed).toBe(false);
      const events = again.stderr
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line).event);
      expect([events[0], events.at(-1)]).toEqual(["resolving", "done"]);
    });

    test("--progress json tells everything", async () => {
      using home = new PullHome();
      const { stderr } = await home.pulled(app, { options: ["--progress=json"] });
      const events = stderr
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line));
      const [resolving, resolved] = events;
      expect(resolving).toEqual({ event: "resolving", reference: app });
      expect(resolved).toMatchObject({
        event: "resolved",
        reference: app,
        platform: expect.stringMatching(/^linux\//),
      });
      expect(resolved.layers.map(({ present }: { present: boolean }) => present)).toEqual([false, false]);
      for (const { digest, size } of resolved.layers) {
        const own = events.filter((event) => event.digest === digest && event.event !== "resolved");
        expect(own.at(-1)).toEqual({ event: "stored", digest });
        expect(own.at(-2)).toEqual({ event: "progress", digest, bytes: size, size });
      }
      expect(events.slice(-2)).toMatchObject([{ event: "merging" }, { event: "done", reference: app }]);
    });

    test("redraws on a terminal, and leaves one line", async () => {
      const proxy = server(
        await startProxy({
          upstream: registry.url,
          rules: [{ when: isBlob, act: trickle(registry.url, 200_000, 60) }],
        }),
      );
      using home = new PullHome();
      const { shown, exitCode } = await onTerminal(home, ["images", "pull", `${proxy.host}/team/app:1`]);
      expect(exitCode).toBe(0);
      expect(shown).toMatch(/[0-9a-f]{12} downloading \[=*>? *\] /);
      expect(shown).toMatch(/KiB|MiB\/s/);
      const left = shown.slice(shown.lastIndexOf("\x1b[J") + 3);
      expect(left).toMatch(/^Pulled \S+\/team\/app:1 \(3\.0 MiB in \S+ s\)\r+\nsha256:[0-9a-f]{64}\r\n$/);
    });

    test("Ctrl-C leaves the terminal as it was, and what is complete for the next time", async () => {
      const proxy = server(
        await startProxy({
          upstream: registry.url,
          rules: [{ when: isBlob, act: trickle(registry.url, 100_000, 100) }],
        }),
      );
      using home = new PullHome();
      let shown = "";
      let typed = false;
      const child = Bun.spawn([program, "images", "pull", `${proxy.host}/team/app:1`], {
        env: { ...home.env, TERM: "xterm" },
        terminal: {
          cols: 80,
          rows: 24,
          data(terminal, bytes) {
            shown += Buffer.from(bytes).toString();
            if (typed || !shown.includes("downloading")) return;
            typed = true;
            terminal.write("\x03");
          },
        },
      });
      expect(await child.exited).toBe(130);
      child.terminal?.close();
      expect(shown).not.toContain("\x1b[?");
      expect(shown).toEndWith("\x1b[J");
      expect((await home.smolvm(["images", "ls"])).output).toBe("No cached images.\n");
    });

    test("of something that does not exist: one error, and nothing half drawn before it", async () => {
      using home = new PullHome();
      const words = ["images", "pull", `${registry.host}/team/none`];
      const { shown, exitCode } = await onTerminal(home, words, { NO_COLOR: "1" });
      expect(exitCode).toBe(1);
      expect(shown.slice(shown.lastIndexOf("\x1b[J") + 1).replace(/^\[J/, "")).toMatch(/^error: /);
    });

    test("of another platform: it may be pulled, and not be run", async () => {
      const foreign = process.arch === "arm64" ? "amd64" : "arm64";
      const reference = await push("team/foreign:1", "foreign", foreign);
      using home = new PullHome();
      const words = ["--oci-platform", `linux/${foreign}`];
      await home.pulled(reference, { options: words });
      expect((await home.smolvm(["images", "ls"])).output).toContain(`linux/${foreign}`);
      const run = await home.smolvm(["machine", "run", "--image", reference, ...words, "--", "true"]);
      expect(run).toMatchObject({ exitCode: 2, output: "" });
      expect(run.stderr).toStartWith(`error: a machine here runs linux/`);
    });

    test("beyond --max-image-size or SMOLVM_MAX_IMAGE_BYTES is given up", async () => {
      using home = new PullHome();
      const byOption = await home.pull(app, { options: ["--max-image-size", "1M", "--json"] });
      const byVariable = await home.pull(app, { options: ["--json"], env: { SMOLVM_MAX_IMAGE_BYTES: "1M" } });
      for (const { exitCode, output, stderr } of [byOption, byVariable]) {
        expect({ exitCode, output }).toEqual({ exitCode: 1, output: "" });
        expect(JSON.parse(stderr).error.code).toBe("image.limit");
      }
      expect((await home.pull(app, { options: ["--max-image-size", "4M"] })).exitCode).toBe(0);
    });

    test("through --proxy", async () => {
      const asked: string[] = [];
      const proxy = server(
        Bun.serve({
          hostname: "127.0.0.1",
          port: 0,
          fetch(request) {
            // https is tried before http, and is not to be had through this proxy.
            if (request.method === "CONNECT") return new Response(null, { status: 502 });
            const { hostname, pathname } = new URL(request.url);
            asked.push(hostname);
            return fetch(`${registry.url}${pathname}`, {
              method: request.method,
              headers: accepted(request),
            });
          },
        }),
      );
      using home = new PullHome();
      home.settings(`[pull]\n${QUICK}\n[images.registries."registry.invalid"]\ninsecure = true\n`);
      const options = ["--proxy", `127.0.0.1:${proxy.port}`];
      expect(await home.pull("registry.invalid/team/app:1", { options })).toMatchObject({ exitCode: 0 });
      expect(new Set(asked)).toEqual(new Set(["registry.invalid"]));
      const direct = await home.pull("registry.invalid/team/app:1", {
        options: [...options, "--no-proxy", "*"],
      });
      expect(direct.exitCode).toBe(1);
    });
  });

  describe("images ls, inspect, rm and prune", () => {
    test("follow an image through its life", async () => {
      using home = new PullHome();
      const id = (await home.pulled(app)).output.trim();
      await home.pulled(other);
      const short = id.slice(7, 19);

      const table = (await home.smolvm(["images", "ls", "--no-trunc"])).output.split("\n");
      expect(table[0]).toMatch(/^NAME +IMAGE ID +PLATFORM +SIZE CREATED +LAST USED$/);
      // Both were used in the same second, perhaps.
      expect(new Set(table.slice(2, -1).map((line) => line.split(" ")[0]))).toEqual(new Set([app, other]));
      expect(table.slice(2, -1).join("\n")).toMatch(/ 3\.\d MiB .* ago| just now/);
      expect((await home.smolvm(["images", "ls", "-q"])).output).toContain(`${short}\n`);
      const names = (await home.smolvm(["images", "ls", "--names"])).output;
      expect(names.split("\n").sort()).toEqual(["", app, other].sort());

      const listed = JSON.parse((await home.smolvm(["images", "ls", "--json"])).output);
      const [first] = listed.filter((image: { id: string }) => image.id === id);
      expect(first).toMatchObject({ references: [app], layer_count: 2, in_use: false });
      expect(first.unique_bytes).toBeGreaterThan(MIB);
      expect(first.unique_bytes).toBeLessThan(first.size_bytes - 2 * MIB + 1);

      const inspected = await home.smolvm(["images", "inspect", app, short, first.digests[0]]);
      expect(inspected.output).not.toMatch(/(?!\n)\p{Cc}/u);
      const objects = JSON.parse(inspected.output);
      expect(objects.length).toBe(3);
      for (const object of objects) expect(object).toEqual(objects[0]);
      expect(objects[0]).toMatchObject({
        id,
        config: { entrypoint: ["/bin/app"], labels: { evil: "a\u001b[2J\u009b31m" } },
        layers: [{ diff_id: expect.stringMatching(anId) }, { diff_id: expect.stringMatching(anId) }],
      });

      expect((await home.smolvm(["images", "prune"])).output).toBe("No unreferenced layers to remove.\n");
      const removed = await home.smolvm(["images", "rm", app]);
      expect(removed.output).toMatch(new RegExp(`^Untagged: ${app}\nDeleted: ${id}\nFreed 1\\.\\d MiB\n$`));
      expect(await home.smolvm(["images", "rm", app])).toMatchObject({
        exitCode: 1,
        output: "",
        stderr: expect.stringContaining("error: no such image in the cache: "),
      });

      const dry = await home.smolvm(["images", "prune", "-a", "--dry-run"]);
      expect(dry.output).toMatch(
        /^Would delete: sha256:[0-9a-f]{64} .*\/team\/other:1\nWould free 3\.\d MiB\n$/,
      );
      const pruned = JSON.parse((await home.smolvm(["machine", "prune", "--all", "--json"])).output);
      expect(pruned).toMatchObject({ dry_run: false, layer_count: 2, images: [{ references: [other] }] });
      expect(pruned.freed_bytes).toBeGreaterThan(3 * MIB);
      expect((await home.smolvm(["images", "ls"])).output).toBe("No cached images.\n");
    });

    test("rm takes one of several names off, and --force all", async () => {
      const alias = await pushLayout(registry, layout, "team/again:1");
      using home = new PullHome();
      const id = (await home.pulled(app)).output.trim();
      expect(await home.pulled(alias)).toMatchObject({
        output: `${id}\n`,
        stderr: `Pulled ${alias} (nothing to download)\n`,
      });
      expect((await home.pulled(alias)).stderr).toBe(`${alias} is up to date\n`);
      expect(await home.smolvm(["images", "rm", id.slice(7, 20)])).toMatchObject({ exitCode: 1, output: "" });
      expect((await home.smolvm(["images", "rm", alias])).output).toBe(`Untagged: ${alias}\n`);
      await home.pulled(alias);
      const all = await home.smolvm(["images", "rm", "-f", id]);
      expect(all.output.split("\n").slice(0, 3).sort()).toEqual(
        [`Deleted: ${id}`, `Untagged: ${alias}`, `Untagged: ${app}`].sort(),
      );
    });

    test("rm --oci-platform takes the image of that platform alone", async () => {
      const foreign = process.arch === "arm64" ? "amd64" : "arm64";
      const reference = await push("team/both:1", "own");
      using home = new PullHome();
      const own = (await home.pulled(reference)).output.trim();
      await push("team/both:1", "of-another", foreign);
      const words = ["--oci-platform", `linux/${foreign}`];
      const theirs = (await home.pulled(reference, { options: words })).output.trim();
      const removed = await home.smolvm(["images", "rm", ...words, reference]);
      expect(removed.output).toStartWith(`Untagged: ${reference}\nDeleted: ${theirs}\n`);
      expect((await home.smolvm(["images", "ls", "-q", "--no-trunc"])).output).toBe(`${own}\n`);
    });

    test("a tag that moved leaves an image that prune removes", async () => {
      using home = new PullHome();
      const tag = await push("team/moving:latest", "before");
      const before = (await home.pulled(tag)).output.trim();
      await push("team/moving:latest", "after");
      const after = (await home.pulled(tag)).output.trim();
      expect(after).not.toBe(before);
      expect((await home.smolvm(["images", "ls", "--no-trunc"])).output).toMatch(
        new RegExp(`<none> +${before}`),
      );
      const pruned = await home.smolvm(["images", "prune", "-f"]);
      expect(pruned.output).toMatch(new RegExp(`^Deleted: ${before}\nFreed 1\\.\\d MiB\n$`));
      expect((await home.smolvm(["images", "ls", "-q", "--no-trunc"])).output).toBe(`${after}\n`);
    });
  });

  test("machine images has upstream's keys", async () => {
    using home = new PullHome();
    await home.pulled(app);
    const { storage, images } = JSON.parse((await home.smolvm(["machine", "images", "--json"])).output);
    expect(storage).toMatchObject({ image_count: 1, layer_count: 2, total_bytes: 64 * 2 ** 30 });
    expect(images).toMatchObject([{ reference: app, os: "linux", entrypoint: ["/bin/app"], layer_count: 2 }]);
    expect(storage.used_bytes).toBe(images[0].size);
    const text = (await home.smolvm(["machine", "images"])).output;
    expect(text).toMatch(/^Storage Usage:\n {2}Total: {2}64\.0 GiB\n {2}Used: {3}3\.\d MiB\n {2}Layers: 2\n/);
    expect(text).toEndWith("\nTotal: 1 image\n");
  });
}

describe("machine run of a registry's image", () => {
  const busybox = async () => {
    const { archive } = await testImages();
    return await copyTo(registry, `docker-archive:${archive}`, "team/busybox:1");
  };

  onQemu(
    "pulls it once, shows that on stderr, and says nothing the second time",
    async () => {
      const reference = await busybox();
      using home = new PullHome();
      const options = ["--image", reference, "--entrypoint", "/bin/echo"];
      const first = await home.run(["hi"], { options, quiet: false });
      expect(first).toMatchObject({ exitCode: 0, output: "hi\n" });
      expect(first.stderr).toMatch(/^Pulling .*\nPulled .*\nStarting .*\n$/);
      expect(await home.run(["hi"], { options, quiet: false })).toMatchObject({
        exitCode: 0,
        output: "hi\n",
        stderr: expect.stringMatching(/^Starting ephemeral machine \(vm-[0-9a-f]{8}\)\.\.\.\n$/),
      });
      const asked = await home.run(["hi"], { options: ["--pull=always", ...options] });
      expect(asked).toMatchObject({ exitCode: 0, output: "hi\n", stderr: "" });
      const never = await home.run(["hi"], { options: ["--pull=never", "--image", app] });
      expect(never).toMatchObject({ exitCode: 125, output: "" });
      expect(never.stderr).toMatch(/^error: .*--pull never.*\nhint: smolvm images pull /);
    },
    180,
  );

  onQemu(
    "machine start pulls it before its init commands run, in lines that begin with what scripts look for",
    async () => {
      const reference = await busybox();
      using home = new PullHome();
      const words = ["--cpus", "1", "--mem", "256", "--entrypoint", "", "--init", "echo init"];
      await home.smolvm(["machine", "create", "box", "--image", reference, ...words, "--", "sleep", "300"]);
      const { output } = await home.shell(
        '"$SMOLVM" machine start box 2>&1; "$SMOLVM" machine start box 2>&1',
      );
      expect(output).toMatch(
        /^Pulling .*\nPulled .*\nRunning 1 init command\(s\)\.\.\.\ninit\nStarted machine: box\n {2}container: .*\n/,
      );
      expect(output).toMatch(/\nMachine 'box' already running \(PID: \d+\)\n$/);
      await home.smolvm(["machine", "delete", "-f", "box"]);
    },
    180,
  );

  onQemu("Ctrl-C while it pulls ends it, and leaves the terminal and the host as they were", async () => {
    const proxy = server(
      await startProxy({
        upstream: registry.url,
        rules: [{ when: isBlob, act: trickle(registry.url, 100_000, 100) }],
      }),
    );
    using home = new PullHome();
    let shown = "";
    let typed = false;
    const { promise: hungUp, resolve: hangUp } = Promise.withResolvers<void>();
    const child = Bun.spawn(
      [program, "machine", "run", "--image", `${proxy.host}/team/app:1`, "--", "true"],
      {
        env: { ...home.env, TERM: "xterm" },
        terminal: {
          cols: 80,
          rows: 24,
          data(terminal, bytes) {
            shown += Buffer.from(bytes).toString();
            if (typed || !shown.includes("downloading")) return;
            typed = true;
            terminal.write("\x03");
          },
          exit: () => hangUp(),
        },
      },
    );
    expect(await child.exited).toBe(130);
    await hungUp;
    child.terminal?.close();
    expect(shown).toEndWith("\x1b[J");
    expect(home.roles("__machine")).toEqual([]);
    expect((await home.smolvm(["machine", "ls"])).output).toBe("No machines found\n");
  });

  onQemu(
    "keeps what it uses",
    async () => {
      const reference = await busybox();
      using home = new PullHome();
      const running = await home.startScript("read line", {
        stdin: "pipe",
        options: ["-i", "-q", "--name", "user", "--image", reference, "--entrypoint", ""],
      });
      const [image] = JSON.parse((await home.smolvm(["images", "ls", "--json"])).output);
      expect(image).toMatchObject({ in_use: true, references: [reference] });
      const [machine] = JSON.parse((await home.smolvm(["machine", "ls", "--json"])).output);
      expect(machine).toMatchObject({ image: reference, image_id: image.id });
      const own = JSON.parse((await home.smolvm(["machine", "images", "-n", "user", "--json"])).output);
      expect(own.images).toMatchObject([{ reference }]);

      const removed = await home.smolvm(["images", "rm", reference]);
      expect(removed).toMatchObject({ exitCode: 1, output: "" });
      expect(removed.stderr).toStartWith("error: image in use is not removed: ");
      const pruned = await home.smolvm(["machine", "prune", "--all"]);
      expect(pruned.output).toBe(`Kept, because it is in use: ${image.id}\nNo unused images to remove.\n`);

      running.say("\n");
      await running.rest();
      expect(await running.child.exited).toBe(0);
      expect((await home.smolvm(["images", "rm", reference])).exitCode).toBe(0);
    },
    180,
  );
});
