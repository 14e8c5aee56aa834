import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { debianImage } from "../support/debian.ts";
import { busyboxLayer } from "../support/images.ts";
import { useMachines } from "../support/machines.ts";
import { collect } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";
import { installedExample } from "./examples.fixture.ts";

/** `examples/docker/build.ts`, as its first lines say that it is used, with Debian's engine. */

const LIMIT_MS = 300_000 * slowness;
setDefaultTimeout(LIMIT_MS);

const home = useMachines();

async function build(dockerfile: string) {
  const folder = `${home.path}/context`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/Dockerfile`, dockerfile);
  writeFileSync(`${folder}/box.tar`, await busyboxLayer());
  const words = [await debianImage(["docker.io"]), folder, `${home.path}/image.tar`];
  const example = await installedExample("docker", `${home.path}/examples`);
  const child = Bun.spawn([process.execPath, `${example}/build.ts`, ...words], {
    env: { ...home.env, SMOLVM_BIN: program, BUILD_NETWORK: "none" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return await collect(child, "build.ts", LIMIT_MS);
}

test("an image that Docker's engine builds in a machine is the image of another machine", async () => {
  const lines = [
    ...["FROM scratch", "ADD box.tar /", "RUN echo built by $(id -u) > /built && ls /.dockerenv"],
    ...['ENV GREETING="hello there"', 'CMD ["/bin/sh", "-c", "echo $GREETING; cat /built; ls /.dockerenv"]'],
  ];
  const built = await build(lines.join("\n"));
  expect(built).toMatchObject({ exitCode: 0, output: "", stderr: expect.stringContaining("tagged built") });
  const ran = await home.smolvm(["machine", "run", "--image", `${home.path}/image.tar`], { seconds: 120 });
  expect(ran).toMatchObject({ output: "hello there\nbuilt by 0\n" });
  expect(ran.exitCode).not.toBe(0);
  expect((await home.machine(["ls", "-q"])).output).toBe("");
});
