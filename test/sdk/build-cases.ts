/** Cases of the suite (suite.ts): images that programs build. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import {
  FileError,
  ImageBuildError,
  ImageBuilder,
  ImageError,
  InvalidConfigError,
  images,
  Machine,
  SmolvmError,
} from "../../sdk/src/index.ts";
import { rejects, SMALL } from "./cases.ts";

export const buildCases: Record<string, () => Promise<void>> = {
  "an image is built in steps; a step that fails tells what it printed; no machine of a build is left":
    async () => {
      const before = (await Machine.list()).length;
      const folder = mkdtempSync(`${tmpdir()}/builder-`);
      writeFileSync(`${folder}/config`, "from the host");
      const name = `built-${process.pid}:1`;
      const builder = new ImageBuilder()
        .env({ GREETING: 'it\'s "$HOME"\\\nhi' })
        .workdir("/app")
        .run('printf %s "$GREETING $PWD" >said')
        .copy(folder, "etc")
        .user("nobody")
        .run("id -un >/tmp/who")
        .label({ "made by": "suite" })
        .port(8000)
        .entrypoint(["/bin/sh", "-c"])
        .command(['cat "$0" said >/tmp/ran; sleep 100000', "etc/config"]);
      const steps: unknown[] = [];
      const image = await builder.build({
        ...{ ...SMALL, name },
        onProgress: (event) => event.type === "step" && steps.push(event.index),
      });
      rmSync(folder, { recursive: true });
      assert.equal(image.reference, name);
      assert.deepEqual(steps, [0, 1, 2, 3, 4, 5]);
      const { id, layers, config } = await images.inspect(name);
      assert.equal(id, image.id);
      assert.ok(layers.length >= 1 && layers.every(({ sizeBytes }) => sizeBytes > 0));
      assert.equal(config.env.GREETING, 'it\'s "$HOME"\\\nhi');
      assert.deepEqual(config.entrypoint, ["/bin/sh", "-c"]);
      assert.deepEqual(config.labels, { "made by": "suite" });
      assert.deepEqual([config.user, config.workdir, config.stopSignal], ["nobody", "/app", undefined]);
      const made = await Machine.create({ ...SMALL, image });
      const { stdout } = await made.exec(["sh", "-c", 'cat /tmp/who; echo "$PWD $GREETING"; cat said']);
      assert.equal(stdout, 'nobody\n/app it\'s "$HOME"\\\nhi\nit\'s "$HOME"\\\nhi /app');
      await rejects(images.remove(name), SmolvmError);
      await made.delete();

      const failing = new ImageBuilder(image)
        .run("echo out; echo the reason >&2; exit 4")
        .build({ ...SMALL, name });
      const error = await failing.then(
        () => assert.fail("it did not fail"),
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof ImageBuildError && error instanceof SmolvmError);
      assert.equal(error.code, "image.not_built");
      assert.equal(error.result.exitCode, 4);
      assert.equal(error.result.output, "out");
      assert.match(error.message, /the reason/);
      const missing = new ImageBuilder(image).copy("/nowhere/at/all", "/x");
      await rejects(missing.build({ ...SMALL, name }), FileError);
      assert.throws(() => new ImageBuilder().workdir("app"), InvalidConfigError);
      await images.remove(name);
      await rejects(images.remove(name), ImageError, "image.not_found");
      await rejects(images.inspect(name), ImageError, "image.not_found");
      assert.equal((await Machine.list()).length, before);
    },
};
