import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { smolvm } from "../cli.fixture.ts";
import { parse } from "../parse/index.ts";
import { rename } from "./former.ts";
import { program } from "./index.ts";

const renamed = (line: string) => rename(program, line.split(" ")).argv.join(" ");

describe("the words of today", () => {
  test.each([
    ["sandbox run alpine", "machine run --image=alpine --"],
    ["sb run -it --mem 512 alpine sh -c x", "machine run -it --mem 512 --image=alpine -- sh -c x"],
    ["sandbox run alpine -- ls -l", "machine run --image=alpine -- ls -l"],
    ["sandbox run -- alpine ls", "machine run --image=alpine -- ls"],
    [
      "sandbox run -e A=1 --cpus=2 node:20 node -e 1",
      "machine run -e A=1 --cpus=2 --image=node:20 -- node -e 1",
    ],
    ["microvm run --image alpine ls", "machine run --image alpine ls"],
    ["sandbox run", "machine run"],
    ["sandbox run --help", "machine run --help"],
    ["sandbox exec ls -l", "machine exec -- ls -l"],
    ["sandbox exec -w /x --timeout 5s ls", "machine exec -w /x --timeout 5s -- ls"],
    ["sandbox exec -- ls", "machine exec -- ls"],
    ["sandbox exec env -- ls", "machine exec -- env -- ls"],
    ["microvm exec --name box -it sh", "machine exec --name box -it -- sh"],
    ["sandbox stop", "machine stop"],
    ["sandbox status --json", "machine status --json"],
    ["microvm create web", "machine create web"],
    ["microvm create web node:20", "machine create web --image=node:20"],
    ["microvm create --name web --mem 512 node:20", "machine create --name web --mem 512 --image=node:20"],
    ["microvm create --name node node", "machine create --name node --image=node"],
    ["microvm create web node:20 -e A=node:20", "machine create web --image=node:20 -e A=node:20"],
    ["microvm create web a b", "machine create web a b"],
    ["microvm start web", "machine start web"],
    ["microvm rm -f web", "machine delete -f web"],
    ["microvm list -v --json", "machine ls -v --json"],
    ["sandbox", "machine"],
    ["microvm --help", "machine --help"],
    ["microvm nonsense x", "machine nonsense x"],
  ])("%s: %s", (line, expected) => {
    expect(renamed(line)).toBe(expected);
  });

  test("no word of a workload is changed", () => {
    const word = fc.oneof(
      fc.constantFrom("--", "-it", "--image", "--mem", "", "-", "--json", "exec"),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.constantFrom("run", "exec"), fc.array(word, { minLength: 1 }), (name, words) => {
        const former = name === "run" ? ["sandbox", name, "-i", "alpine", "--"] : ["sb", name, "-i", "--"];
        const parsed = parse(program, rename(program, [...former, ...words]).argv);
        expect(parsed).toMatchObject({ kind: "command", invocation: { workload: words, words: [] } });
      }),
    );
  });
});

describe("the note", () => {
  test.each([
    ["sandbox run alpine ls", "`smolvm sandbox run` is called `smolvm machine run` now"],
    ["microvm rm web", "`smolvm microvm rm` is called `smolvm machine delete` now"],
    ["sandbox run alpine ls --json", "`smolvm sandbox run` is called `smolvm machine run` now"],
    ["sandbox exec ls", undefined],
    ["sandbox status --json", undefined],
    ["sandbox run -q alpine ls", undefined],
    ["sandbox run --help", undefined],
  ])("%s: %p", (line, note) => {
    expect(rename(program, line.split(" ")).note).toBe(note);
  });

  test("is one line on stderr; what the command says is the same", () => {
    const { stdout, stderr, exitCode } = smolvm(["sandbox", "ls"]);
    expect({ stdout, stderr, exitCode }).toEqual({
      stdout: "No machines found\n",
      stderr: "note: `smolvm sandbox ls` is called `smolvm machine ls` now\n",
      exitCode: 0,
    });
    expect(smolvm(["microvm", "ls", "--json"])).toEqual({ stdout: "[]\n", stderr: "", exitCode: 0 });
  });

  test("an option that never existed is explained as that of the command of today", () => {
    expect(smolvm(["sandbox", "run", "--imgae", "x"]).stderr).toBe(
      "error: unknown option --imgae\nhint: did you mean --image?\n",
    );
    expect(smolvm(["sandbox", "rnu"]).stderr).toStartWith("error: unknown command `machine rnu`\n");
  });
});
