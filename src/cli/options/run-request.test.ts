import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostPlatform } from "../../image/platform.ts";
import { defaultSpec } from "../../machine/index.ts";
import { program } from "../commands/index.ts";
import { parse } from "../parse/index.ts";
import { notesOn, type RunInvocation, requestOf } from "./run-request.ts";

const changed: string[] = [];

/** Sets a variable of this process until the end of the test. */
function setVariable(name: string, value: string) {
  changed.push(name);
  process.env[name] = value;
}

afterEach(() => {
  for (const name of changed.splice(0)) delete process.env[name];
});

function invocationOf(...words: string[]): RunInvocation {
  const parsed = parse(program, ["machine", "run", ...words]);
  if (parsed.kind !== "command") throw new Error(`not a command: ${parsed.kind}`);
  return parsed.invocation as RunInvocation;
}

const request = (...words: string[]) => requestOf(invocationOf(...words));
const notes = (...words: string[]) => notesOn(invocationOf(...words));

describe("requestOf", () => {
  test("has the documented defaults", async () => {
    const { spec, image } = await request("--", "true");
    expect(spec).toEqual({
      ...defaultSpec(spec.name),
      ephemeral: true,
      cmd: ["true"],
    });
    expect(spec.name).toMatch(/^vm-[0-9a-f]{8}$/);
    expect(image).toEqual({ pull: "missing" });
  });

  test("takes every option", async () => {
    const { architecture } = hostPlatform();
    const options = [
      ["--image", "./app.tar", "--oci-platform", `linux/${architecture}/v8`, "-n", "box", "--entrypoint", ""],
      ["--pull=always", "-q", "--progress", "json", "--max-image-size", "1.5G"],
      ["--proxy", "proxy.example:3128", "--no-proxy", "localhost,.example"],
      ["--reaper", "-it", "-eA=1", "-e", "B=", "--env=C==x", "-w", "/srv", "-u", "0123:007", "--rm"],
      ["--ulimit", "nofile=1024:4096", "--ulimit=core=unlimited", "--timeout", "1h 30m"],
      ["--cpus", "1", "--mem=2G", "--storage", "1T", "--overlay", "3"],
      ["--mitigations", "--engine", "qemu", "--timings=json"],
    ];
    expect(await request(...options.flat(), "sh", "-c", "exit 0", "--", "--mem")).toEqual({
      image: {
        platform: { os: "linux", architecture, variant: "v8" },
        pull: "always",
        proxy: "http://proxy.example:3128",
        noProxy: "localhost,.example",
        maxImageBytes: 1_610_612_736,
      },
      spec: {
        ...defaultSpec("box"),
        ephemeral: true,
        image: "./app.tar",
        cmd: ["sh", "-c", "exit 0", "--", "--mem"],
        entrypoint: [],
        platform: `linux/${architecture}/v8`,
        reaper: true,
        env: ["A=1", "B=", "C==x"],
        workdir: "/srv",
        user: "0123:007",
        rlimits: [
          { name: "nofile", soft: 1024, hard: 4096 },
          { name: "core", soft: -1, hard: -1 },
        ],
        cpus: 1,
        memoryMib: 2048,
        storageGib: 1024,
        overlayGib: 3,
        mitigations: true,
        engine: "qemu",
      },
    });
  });

  test("passes the host's variables on, and leaves out those it does not have", async () => {
    setVariable("SMOLVM_TEST_HERE", "a b");
    const { env } = (await request("-e", "SMOLVM_TEST_HERE", "-e", "SMOLVM_TEST_NOT_HERE", "--", "env")).spec;
    expect(env).toEqual(["SMOLVM_TEST_HERE=a b"]);
  });

  test("reads variables from files before those of -e", async () => {
    const directory = mkdtempSync(join(tmpdir(), "smolvm-env-file-"));
    try {
      writeFileSync(
        join(directory, "env"),
        '\uFEFF# comment\n\n A=1\r\nB="quoted"\nSMOLVM_TEST_NOT_HERE\nC=x=y',
      );
      const { env } = (await request("-e", "A=2", "--env-file", join(directory, "env"), "--", "env")).spec;
      expect(env).toEqual(["A=2", 'B="quoted"', "C=x=y"]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test.each([
    ["/nowhere/env", "cannot read variables from /nowhere/env: there is no such file"],
    ["/dev/zero", "cannot read variables from /dev/zero: it is larger than 1 MiB"],
    [process.execPath, `cannot read variables from ${process.execPath}: it is larger than 1 MiB`],
  ])("refuses %s as a file of variables", async (path, message) => {
    await expect(request("--env-file", path, "--", "env")).rejects.toThrow(message);
  });

  test("SMOLVM_ENGINE chooses the engine unless --engine does", async () => {
    setVariable("SMOLVM_ENGINE", "qemu");
    expect((await request("--", "true")).spec.engine).toBe("qemu");
    expect((await request("--engine", "krun", "--", "true")).spec.engine).toBe("krun");
    setVariable("SMOLVM_ENGINE", "xen");
    await expect(request("--", "true")).rejects.toThrow('SMOLVM_ENGINE must be krun or qemu, not "xen"');
  });

  test("SMOLVM_MAX_IMAGE_BYTES is the limit unless --max-image-size is", async () => {
    setVariable("SMOLVM_MAX_IMAGE_BYTES", "2G");
    expect((await request("--", "true")).image.maxImageBytes).toBe(2 ** 31);
    expect((await request("--max-image-size", "1024", "--", "true")).image.maxImageBytes).toBe(1024);
    setVariable("SMOLVM_MAX_IMAGE_BYTES", "plenty");
    await expect(request("--", "true")).rejects.toThrow('SMOLVM_MAX_IMAGE_BYTES: not a size: "plenty"');
  });

  test.each([["linux/arm/v7"], ["linux/s390x"], ["linux/i386"]])(
    "refuses to run an image for %s, before anything is downloaded",
    async (platform) => {
      await expect(request("--image", "alpine", "--oci-platform", platform, "true")).rejects.toMatchObject({
        code: "run.other_architecture",
        exitCode: 2,
        hint: expect.stringContaining("smolvm images pull --oci-platform linux/"),
      });
    },
  );

  test.each([["-i"], ["-t"], ["-it"]])("--image - leaves no stdin for %s", async (option) => {
    await expect(request("--image", "-", option, "--", "cat")).rejects.toMatchObject({
      code: "run.stdin_taken",
      message: expect.stringContaining("cannot be"),
    });
  });

  test.each([["alpine:3.20"], ["library/alpine"], ["example.com/a/b:1"], ["alpine@sha256:00"]])(
    "refuses %s as a command",
    async (word) => {
      await expect(request(word, "echo", "hi")).rejects.toMatchObject({
        code: "run.image_as_command",
        exitCode: 2,
        message: expect.stringContaining("looks like a container image reference"),
        hint: expect.stringContaining(`smolvm machine run --image ${word} -- COMMAND`),
      });
      expect((await request("--", word)).spec.cmd).toEqual([word]);
      expect((await request("--image", "x.tar", word)).spec.cmd).toEqual([word]);
    },
  );

  test.each([["/bin/ls"], ["./run"], ["../run"], ["echo"]])("takes %s as a command", async (word) => {
    expect((await request(word, "a:b")).spec.cmd).toEqual([word, "a:b"]);
  });
});

describe("notesOn", () => {
  test.each([
    [["echo", "hi", "--mem", "512"], ["--mem"]],
    [["echo", "hi", "--mem=512"], ["--mem"]],
    [
      ["sh", "-c", "curl x", "--net", "--image", "alpine"],
      ["--net", "--image"],
    ],
    [["make", "test", "--pull", "always"], ["--pull"]],
    [
      ["python", "x.py", "--cpus", "2", "--timings"],
      ["--cpus", "--timings"],
    ],
  ])("%j: options of the machine behind the command", async (words, options) => {
    expect(await notes("--", ...words)).toEqual(
      options.map(
        (name) => `${name} was passed to ${words[0]}: options for the machine go before the command`,
      ),
    );
  });

  test.each([
    // Their own options, in the middle, with other values, or also given in the right place.
    [["--", "stress", "--timeout", "30s", "--name", "x", "-v", "--env", "A=1"]],
    [["--", "convert", "--image", "a.png", "out.png"]],
    [["--", "prog", "--mem", "lots"]],
    [["--", "prog", "--engine", "postgres"]],
    [["--", "--mem", "512"]],
    [["--image", "kubectl.tar", "--", "run", "nginx", "--image", "nginx"]],
    [["--", "docker", "run", "--cpus", "2"]],
    [["--", "docker-compose", "up", "--pull", "always"]],
    [["--", "git", "submodule", "update", "--pull", "yes"]],
    [["--", "/usr/bin/kubectl", "run", "x", "--image=nginx"]],
    [["--", "grep", "--", "--net", "file"]],
  ])("%j: no false alarm", async (words) => {
    expect(await notes(...words)).toEqual([]);
  });

  test("upstream's other backend is taken for the only one", async () => {
    expect(await notes("--net", "--net-backend", "virtio-net", "true")).toEqual([]);
    expect(await notes("--net", "--net-backend", "tsi", "true")).toEqual([
      "--net-backend tsi is taken for virtio-net, which is the only one",
    ]);
  });

  test.each([
    [["--pull", "missing"], "--pull has no effect without --image"],
    [["--platform", `linux/${hostPlatform().architecture}`], "--oci-platform has no effect without --image"],
    [["--max-image-size", "1G"], "--max-image-size has no effect without --image"],
    [["--image", "/", "--pull", "always"], '--pull always has no effect: "/" is not an image of a registry'],
    [["--image", "-", "--pull=always"], '--pull always has no effect: "-" is not an image of a registry'],
  ])("%j: an option about registries where none is asked", async (options, note) => {
    expect(await notes(...options, "true")).toEqual([note]);
  });

  test("options about a life that is over with the command", async () => {
    const options = ["--restart", "always", "--ttl", "1h", "--health-cmd", "true", "--stop-timeout", "3"];
    const pointless = ["--restart", "--ttl", "--stop-timeout", "--health-cmd"];
    expect(await notes(...options, "true")).toEqual(
      pointless.map((option) => `${option} has no effect without -d`),
    );
    expect(await notes("-d", ...options, "true")).toEqual([]);
  });

  test("no note where a registry may be asked", async () => {
    const options = ["--pull", "always", "--max-image-size", "1G"];
    expect(await notes("--image", "alpine", ...options, "true")).toEqual([]);
    expect(await notes("--image", "/", "--pull", "never", "true")).toEqual([]);
  });

  test("more virtual CPUs than the host has, when asked for", async () => {
    expect(await notes("--cpus", "255", "true")).toEqual([
      `255 virtual CPUs share the ${navigator.hardwareConcurrency} of this host`,
    ]);
    expect(await notes("true")).toEqual([]);
  });
});
