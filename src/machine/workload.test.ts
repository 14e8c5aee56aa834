import { describe, expect, test } from "bun:test";
import { ExitCode, SmolError } from "../errors.ts";
import { mergeEnvironment, planWorkload, requireCommand, type WorkloadRequest } from "./workload.ts";

const image = {
  entrypoint: ["/entry"],
  cmd: ["serve"],
  env: ["PATH=/image/bin", "A=1"],
  workdir: "/srv",
  user: "app",
};
const wordless = { ...image, entrypoint: [], cmd: [] };
const request: WorkloadRequest = {
  command: [],
  entrypoint: undefined,
  init: false,
  env: [],
  workdir: undefined,
  user: undefined,
  rlimits: [],
  tty: false,
  interactive: false,
};

/** Code and exit code of what is thrown. */
function refusalOf(action: () => void): readonly [string, number | undefined] | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof SmolError) return [error.code, error.exitCode];
    throw error;
  }
  return undefined;
}

const noCommand = ["run.no_command", ExitCode.failure] as const;

describe("planWorkload", () => {
  test("uses the image's own words", () => {
    expect(planWorkload(request, image, "box")).toEqual({
      argv: ["/entry", "serve"],
      env: ["PATH=/image/bin", "HOSTNAME=box", "A=1"],
      cwd: "/srv",
      user: "app",
      stdin: false,
      rlimits: [],
      init: "none",
    });
  });

  test.each([
    [{ command: ["x", "-y"] }, {}, ["/entry", "x", "-y"]],
    [{ command: [""] }, {}, ["/entry", ""]],
    [{ entrypoint: "/other" }, {}, ["/other"]],
    [{ entrypoint: "/other", command: ["x"] }, {}, ["/other", "x"]],
    [{ entrypoint: "", command: ["x"] }, {}, ["x"]],
    [{ entrypoint: "", tty: true }, {}, ["/bin/sh"]],
    [{}, { entrypoint: [] }, ["serve"]],
    [{}, { cmd: [] }, ["/entry"]],
    // docker: an ENTRYPOINT of one empty word is none.
    [{}, { entrypoint: [""] }, ["serve"]],
    [{ command: ["x"] }, { entrypoint: [""] }, ["x"]],
    [{}, { entrypoint: ["/entry", ""] }, ["/entry", "", "serve"]],
    [{ interactive: true }, wordless, ["/bin/sh"]],
    [{ tty: true }, wordless, ["/bin/sh"]],
  ])("%j with %j runs %j", (changes, defaults, argv) => {
    expect(planWorkload({ ...request, ...changes }, { ...image, ...defaults }, "box").argv).toEqual(argv);
  });

  test.each([
    [{}, wordless, noCommand],
    [{}, { entrypoint: [""], cmd: [] }, noCommand],
    [{ entrypoint: "" }, {}, noCommand],
    [{ command: [""] }, wordless, ["exec.not_found", ExitCode.notFound]],
    [{ command: [""], entrypoint: "" }, {}, ["exec.not_found", ExitCode.notFound]],
    [{}, { entrypoint: ["", "x"] }, ["exec.not_found", ExitCode.notFound]],
    [{ workdir: "srv" }, {}, ["run.bad_workdir", undefined]],
  ] as const)("%j with %j is refused: %j", (changes, defaults, refusal) => {
    const refused = refusalOf(() =>
      planWorkload({ ...request, ...changes }, { ...image, ...defaults }, "box"),
    );
    expect(refused).toEqual(refusal);
  });

  test("an empty working directory or user is the image's", () => {
    const planned = planWorkload({ ...request, workdir: "", user: "" }, image, "box");
    expect([planned.cwd, planned.user]).toEqual(["/srv", "app"]);
  });

  test("--init puts a reaper in front", () => {
    expect(planWorkload({ ...request, init: true }, image, "box").init).toBe("reaper");
  });
});

describe("before anything is known about the image", () => {
  test.each([
    [{}, undefined, noCommand],
    [{ entrypoint: "" }, "alpine", noCommand],
    [{ command: [""] }, undefined, ["exec.not_found", ExitCode.notFound]],
    [{}, "alpine", undefined],
    [{ command: [""] }, "alpine", undefined],
    [{ interactive: true }, undefined, undefined],
    [{ tty: true }, undefined, undefined],
    [{ command: ["x"] }, undefined, undefined],
    [{ entrypoint: "x" }, undefined, undefined],
    [{ entrypoint: "", tty: true }, "alpine", undefined],
  ] as const)("%j with the image %p: %j", (changes, name, refusal) => {
    expect(refusalOf(() => requireCommand({ ...request, ...changes, image: name }))).toEqual(
      refusal as never,
    );
  });
});

test("later environment entries win and empty names are dropped", () => {
  expect(mergeEnvironment(["A=1", "B=2"], ["=x", "A=3="])).toEqual(["A=3=", "B=2"]);
});
