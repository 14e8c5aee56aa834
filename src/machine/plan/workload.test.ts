import { describe, expect, test } from "bun:test";
import { ExitCode, SmolError } from "../../errors.ts";
import { defaultSpec, type MachineSpec } from "../model/index.ts";
import { processIn, requireArguments, requireCommand, workloadOf } from "./workload.ts";

const image = {
  entrypoint: ["/entry"],
  cmd: ["serve"],
  env: ["PATH=/image/bin", "A=1"],
  workdir: "/srv",
  user: "app",
};
const wordless = { ...image, entrypoint: [], cmd: [] };
const spec = defaultSpec("box");
const nobody = { tty: false, stdin: false };

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

type Words = Partial<Pick<MachineSpec, "entrypoint" | "cmd">>;

describe("the command", () => {
  test.each<[Words, boolean, Partial<typeof image>, string[]]>([
    [{}, false, {}, ["/entry", "serve"]],
    [{ cmd: ["x", "-y"] }, false, {}, ["/entry", "x", "-y"]],
    [{ cmd: [""] }, false, {}, ["/entry", ""]],
    [{ entrypoint: ["/other"] }, false, {}, ["/other"]],
    [{ entrypoint: ["/other", "-v"], cmd: ["x"] }, false, {}, ["/other", "-v", "x"]],
    [{ entrypoint: [""], cmd: ["x"] }, false, {}, ["x"]],
    [{ entrypoint: [], cmd: ["x"] }, false, {}, ["x"]],
    [{ entrypoint: [""] }, true, {}, ["/bin/sh"]],
    [{}, false, { entrypoint: [] }, ["serve"]],
    [{}, false, { cmd: [] }, ["/entry"]],
    // docker: an ENTRYPOINT of one empty word is none.
    [{}, false, { entrypoint: [""] }, ["serve"]],
    [{ cmd: ["x"] }, false, { entrypoint: [""] }, ["x"]],
    [{}, false, { entrypoint: ["/entry", ""] }, ["/entry", "", "serve"]],
    [{}, true, wordless, ["/bin/sh"]],
  ])("%j (session: %p) with %j is %j", (words, session, defaults, argv) => {
    expect(requireArguments({ ...spec, ...words }, session, { ...image, ...defaults })).toEqual(argv);
  });

  test.each<[Words, Partial<typeof image>, readonly [string, number]]>([
    [{}, wordless, noCommand],
    [{}, { entrypoint: [""], cmd: [] }, noCommand],
    [{ entrypoint: [""] }, {}, noCommand],
    [{ cmd: [""] }, wordless, ["exec.not_found", ExitCode.notFound]],
    [{ cmd: [""], entrypoint: [""] }, {}, ["exec.not_found", ExitCode.notFound]],
    [{}, { entrypoint: ["", "x"] }, ["exec.not_found", ExitCode.notFound]],
  ])("%j with %j is refused: %j", (words, defaults, refusal) => {
    const refused = refusalOf(() =>
      requireArguments({ ...spec, ...words }, false, { ...image, ...defaults }),
    );
    expect(refused).toEqual(refusal);
  });
});

describe("its surroundings", () => {
  test("are the image's", () => {
    expect(workloadOf(spec, image, ["x"], nobody)).toEqual({
      argv: ["x"],
      env: ["PATH=/image/bin", "HOSTNAME=box", "A=1"],
      cwd: "/srv",
      user: "app",
      stdin: false,
    });
  });

  test("of the machine win over the image's, and those of one process over both", () => {
    const machine = { ...spec, env: ["A=2", "B=2"], workdir: "/m", user: "m" };
    const planned = processIn(machine, image, ["x"], { ...nobody, env: ["B=3"], workdir: "/p", user: "p" });
    expect(planned).toMatchObject({
      env: ["PATH=/image/bin", "HOSTNAME=box", "A=2", "B=3"],
      cwd: "/p",
      user: "p",
    });
    expect(processIn(machine, image, ["x"], nobody)).toMatchObject({ cwd: "/m", user: "m" });
  });

  test("an empty working directory or user is the image's", () => {
    const planned = processIn({ ...spec, workdir: "", user: "" }, image, ["x"], nobody);
    expect([planned.cwd, planned.user]).toEqual(["/srv", "app"]);
  });

  test("a relative working directory is refused", () => {
    const refused = refusalOf(() => processIn({ ...spec, workdir: "srv" }, image, ["x"], nobody));
    expect(refused).toEqual(["run.bad_workdir", undefined]);
  });

  test("a program without a name is refused", () => {
    expect(refusalOf(() => processIn(spec, image, [""], nobody))).toEqual([
      "exec.not_found",
      ExitCode.notFound,
    ]);
  });

  test("an init system learns where it is", () => {
    expect(workloadOf(spec, image, ["/sbin/init"], nobody).env).toContain("container=smolvm");
    expect(workloadOf(spec, image, ["x"], nobody).env).not.toContain("container=smolvm");
  });
});

describe("before anything is known about the image", () => {
  test.each<[Words, boolean, string | null, readonly [string, number] | undefined]>([
    [{}, false, null, noCommand],
    [{ entrypoint: [""] }, false, "alpine", noCommand],
    [{ cmd: [""] }, false, null, ["exec.not_found", ExitCode.notFound]],
    [{}, false, "alpine", undefined],
    [{ cmd: [""] }, false, "alpine", undefined],
    [{}, true, null, undefined],
    [{ cmd: ["x"] }, false, null, undefined],
    [{ entrypoint: ["x"] }, false, null, undefined],
    [{ entrypoint: [""] }, true, "alpine", undefined],
  ])("%j (session: %p) with the image %p: %j", (words, session, image, refusal) => {
    expect(refusalOf(() => requireCommand({ ...spec, ...words, image }, session))).toEqual(refusal as never);
  });
});
