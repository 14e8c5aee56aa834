import { describe, expect } from "bun:test";
import type { Home } from "./support/home.ts";
import { until } from "./support/process.ts";
import { program } from "./support/program.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** `-t`: the workload has a terminal, and the command line runs on one. */

const home = useHome();

/** A program on a terminal of its own, with everything that the terminal shows. */
function onTerminal(command: readonly string[], { env }: Home) {
  let shown = "";
  const child = Bun.spawn([...command], {
    cwd: home.path,
    env: { ...env, TERM: "xterm-256color", SMOLVM: program },
    terminal: {
      cols: 91,
      rows: 37,
      data: (_, bytes) => {
        shown += Buffer.from(bytes).toString();
      },
    },
  });
  const terminal = child.terminal;
  if (terminal === undefined) throw new Error("no terminal");
  const shows = (text: string | RegExp) =>
    until(`${text} on the terminal`, () => {
      if (typeof text === "string" ? shown.includes(text) : text.test(shown)) return true;
      if (child.exitCode !== null) throw new Error(`${text} never came to the terminal`);
      return false;
    }).catch((error) => {
      throw new Error(`${error.message}; it shows: ${JSON.stringify(shown)}`);
    });
  return { child, terminal, shows, shown: () => shown };
}

const run = (...command: string[]) => [
  program,
  "machine",
  "run",
  "--cpus",
  "1",
  "--mem",
  "512",
  "-it",
  "--",
  ...command,
];

/** A small machine's command on a terminal, without a word of smolvm's own. */
const quietly = (option: string, ...command: string[]) => [
  program,
  ...["machine", "run", "-q", "--cpus", "1", "--mem", "512", option, "--", ...command],
];

describe("a workload's terminal", () => {
  for (const option of ["-it", "-t"]) {
    onBoth(`shows a line feed with one carriage return (${option})`, async () => {
      const { child, shown } = onTerminal(quietly(option, "echo", "hi"), home);
      expect(await child.exited).toBe(0);
      // The first run of all may have something to unpack, and says so before.
      expect(shown()).toMatch(/(?:^|\n)hi\r\n$/);
    });
  }

  onQemu("shows a line feed with one carriage return: exec -it, also with a pipe as stdin", async () => {
    const { child } = await home.startScript("sleep 1000", { options: ["--name", "shown"] });
    const exec = onTerminal([program, "machine", "exec", "--name", "shown", "-it", "--", "echo", "hi"], home);
    expect(await exec.child.exited).toBe(0);
    expect(exec.shown()).toBe("hi\r\n");
    const script = `printf 'typed\n' | "$SMOLVM" machine exec --name shown -it -- sh -c 'read line; echo "<$line>"'`;
    const piped = onTerminal(["bash", "-c", script], home);
    expect(await piped.child.exited).toBe(0);
    expect(piped.shown()).toBe("typed\r\n<typed>\r\n");
    child.kill("SIGTERM");
    await child.exited;
  });

  onQemu("comes to the end of its input also behind a line without an end: run and exec", async () => {
    const { child } = await home.startScript("sleep 1000", { options: ["--name", "ends"] });
    for (const words of ["run -q --cpus 1 --mem 512", "exec --name ends"]) {
      const script = `printf no-newline | "$SMOLVM" machine ${words} -it -- sh -c 'stty -echo; cat'; echo " code $?"`;
      const { child: shell, shown } = onTerminal(["bash", "-c", script], home);
      expect(await shell.exited).toBe(0);
      expect(shown()).toMatch(/^(?:no-newline)?no-newline code 0\r\n$/);
    }
    child.kill("SIGTERM");
    await child.exited;
  });

  onQemu("without -i leaves the keyboard alone: Ctrl-C is a signal to the command line", async () => {
    const command = quietly("-t", "sh", "-c", "echo here; exec sleep 1000");
    const { child, terminal, shows } = onTerminal(command, home);
    await shows("here");
    terminal.write("\x03");
    expect(await child.exited).toBe(130);
  });

  onBoth("has the size of the user's, and follows it", async () => {
    const { child, terminal, shows } = onTerminal(run("sh"), home);
    await shows(/[#$] /);
    terminal.write("stty size\n");
    await shows("37 91");
    terminal.resize(123, 45);
    terminal.write("sleep 0.3; stty size\n");
    await shows("45 123");
    terminal.write("tty; exit 6\n");
    await shows("/dev/pts/");
    expect(await child.exited).toBe(6);
  });

  onQemu("tells the program of a new size by SIGWINCH", async () => {
    const { child, terminal, shows } = onTerminal(
      run("sh", "-c", "trap 'stty size; exit 0' WINCH; echo waiting; while :; do sleep 0.1; done"),
      home,
    );
    await shows("waiting");
    terminal.resize(70, 20);
    await shows("20 70");
    expect(await child.exited).toBe(0);
  });

  onBoth("gets Ctrl-C, Ctrl-D and every other key as the user types them", async () => {
    const { child, terminal, shows } = onTerminal(
      run(
        "sh",
        "-c",
        "trap 'echo INTERRUPTED' INT; echo READY; cat -v; stty raw -echo; echo RAW; dd bs=1 count=3 2>/dev/null | od -An -tx1; echo END",
      ),
      home,
    );
    await shows("READY");
    terminal.write("typed\n");
    await shows(/typed.*typed/s); // the echo, then what cat has read
    terminal.write("\x04");
    await shows("RAW");
    terminal.write("\x03\x1a\x1c");
    await shows("03 1a 1c");
    await shows("END");
    expect(await child.exited).toBe(0);
  });

  onQemu("makes Ctrl-C a signal to the workload", async () => {
    const { child, terminal, shows } = onTerminal(run("cat"), home);
    // Once it repeats a line, it runs. (A shell that is just starting a program may swallow the signal itself.)
    terminal.write("here\n");
    await shows(/here\s+here/);
    terminal.write("\x03");
    expect(await child.exited).toBe(130);
  });

  onQemu("passes much at once, in both directions", async () => {
    const { child, shows, shown } = onTerminal(
      run("sh", "-c", "stty -onlcr; seq 1 20000; echo THE-END"),
      home,
    );
    await shows("THE-END");
    expect(await child.exited).toBe(0);
    const lines = shown()
      .split("\n")
      .map((line) => line.trim());
    expect(lines.filter((line) => /^\d+$/.test(line)).map(Number)).toEqual(
      Array.from({ length: 20000 }, (_, at) => at + 1),
    );
  });
});

describe("the user's terminal", () => {
  const inspect = (command: string) => ["bash", "-c", `stty -g; ${command}; echo "code $?"; stty -g`];
  const settings = (shown: string) => shown.match(/^[0-9a-f]+(:[0-9a-f]+)+/gm);

  onBoth("is given back as it was", async () => {
    const { child, shown } = onTerminal(
      inspect('"$SMOLVM" machine run --mem 512 -it -- sh -c "stty raw; exit 4"'),
      home,
    );
    await child.exited;
    expect(shown()).toContain("code 4");
    const [before, after] = settings(shown()) ?? [];
    expect(before).toBeDefined();
    expect(after).toBe(before);
  });

  for (const [what, options, command, code] of [
    ["fails", "", "/no/such/command", 127],
    ["takes too long", "--timeout 1s", "sleep 100", 124],
  ] as const) {
    onQemu(`is given back when the run ${what}`, async () => {
      const script = `"$SMOLVM" machine run --mem 512 -it ${options} -- ${command}`;
      const { child, shown } = onTerminal(inspect(script), home);
      await child.exited;
      expect(shown()).toContain(`code ${code}`);
      const [before, after] = settings(shown()) ?? [];
      expect(after).toBe(before);
    });
  }

  onQemu("is given back when the command line is terminated", async () => {
    const script = '"$SMOLVM" machine run --mem 512 -it -- sh -c "echo waiting; sleep 1000"';
    const { child, shown, shows } = onTerminal(inspect(script), home);
    await shows("waiting");
    const commandLine = home.processes().find(({ command }) => command.startsWith(`${program} machine run`));
    process.kill(commandLine?.pid ?? 0, "SIGTERM");
    await child.exited;
    expect(shown()).toContain("code 143");
    const [before, after] = settings(shown()) ?? [];
    expect(after).toBe(before);
  });
});
