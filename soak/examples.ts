/**
 * Examples whose images take minutes to make: `examples/browser`, with Debian's Chromium. Its pictures are looked at.
 *
 *     ./dev soak examples
 */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { installedExample } from "../test/examples/examples.fixture.ts";
import { debianImage } from "../test/support/debian.ts";
import { imageWith } from "../test/support/images.ts";
import { Machines } from "../test/support/machines.ts";
import { collect } from "../test/support/process.ts";
import { program } from "../test/support/program.ts";
import { say, soak } from "./support/options.ts";
import { readPng } from "./support/png.ts";

/** Chromium under an emulated processor has shown a page after 20 s. */
const LIMIT_MS = 300_000;

/** Its two halves have colours of their own; the title and the lower half are made by its script. */
const PAGE = `<!doctype html><title>before</title>
<body style="margin:0;background:rgb(0,128,255)"><script>
  document.title = "a page " + 6 * 7;
  const lower = document.body.appendChild(document.createElement("div"));
  lower.style = "position:fixed;top:400px;bottom:0;width:100%;background:rgb(255,200,10)";
</script>`;

await soak(async () => {
  const machines = new Machines();
  const picture = `${machines.path}/picture.png`;
  const example = await installedExample("browser", `${machines.path}/examples`);
  const capture = async (image: string, url: string) => {
    const start = performance.now();
    const child = Bun.spawn([process.execPath, `${example}/capture.ts`, image, url, picture], {
      env: { ...machines.env, SMOLVM_BIN: program },
      ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    });
    const ended = await collect(child, "capture.ts", LIMIT_MS);
    say(`${url.slice(0, 40)}: exit code ${ended.exitCode} after ${Math.round(performance.now() - start)} ms`);
    return ended;
  };
  const asked: string[] = [];
  const server = Bun.serve({
    ...{ hostname: "127.0.0.1", port: 0 },
    fetch: ({ url }) => {
      asked.push(new URL(url).pathname);
      return new Response(PAGE, { headers: { "content-type": "text/html" } });
    },
  });
  try {
    const browser = await debianImage(["chromium-headless-shell", "fonts-dejavu-core"]);
    const urls = [
      `http://host.smolvm.internal:${server.port}/page`,
      `data:text/html,${encodeURIComponent(PAGE)}`,
    ];
    for (const url of urls) {
      const ended = await capture(browser, url);
      expect(ended).toMatchObject({ exitCode: 0, output: "a page 42\n", stderr: "" });
      const { width, height, at } = readPng(readFileSync(picture));
      expect([width, height]).toEqual([1280, 800]);
      for (const [x, y] of [
        [0, 0],
        [1279, 399],
      ] as const)
        expect(at(x, y)).toEqual([0, 128, 255]);
      for (const [x, y] of [
        [0, 400],
        [1279, 799],
      ] as const)
        expect(at(x, y)).toEqual([255, 200, 10]);
    }
    expect(asked).toContain("/page");
    const nobody = await capture(browser, "http://host.smolvm.internal:1/");
    expect([nobody.exitCode, nobody.stderr]).toEqual([1, expect.stringContaining("net::ERR_")]);
    const none = await capture(await imageWith({}), "data:text/html,x");
    expect([none.exitCode, none.stderr]).toEqual([
      1,
      expect.stringContaining("the image has none of chromium"),
    ]);
    await machines.expectNothingLeft();
  } finally {
    await server.stop(true);
    await machines.deleteAll();
    machines.remove();
  }
});
