import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../version.ts";
import { MAIN, type Outcome, smolvm } from "./cli.fixture.ts";
import { program } from "./commands/index.ts";
import { helpText } from "./help/index.ts";

/** What `printf | sh` would say, for the ways in which stdout can fail. */
function shell(script: string): Outcome {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["bash", "-c", script], {
    env: { PATH: process.env.PATH ?? "", HOME: "/", BUN: process.execPath, MAIN },
  });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

function stdoutOf(...argv: string[]): string {
  const { exitCode, stdout, stderr } = smolvm(argv);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return stdout;
}

describe("version", () => {
  test.each([["--version"], ["-V"]])("%s", (option) => {
    expect(stdoutOf(option)).toBe(`smolvm ${version}\n`);
  });

  test("is X.Y.Z", () => {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe("help", () => {
  const topics = [[], ...[...program.groups, ...program.commands].map(({ path }) => [...path])];
  const pages = topics.flatMap((topic) => ["-h", "--help"].map((option) => [topic, option] as const));

  test.each(pages)("%j %s fits 100 columns and has no spaces at the end of a line", async (topic, option) => {
    const page = await helpText(program, topic, option === "--help");
    expect(page.split("\n").filter((line) => line.length > 100 || / $/.test(line))).toEqual([]);
    expect(page).not.toMatch(/\n\n\n|[^\x20-\x7e\n…]/);
    expect(page).toEndWith("\n");
  });

  test.each([[[]], [["machine"]], [["machine", "create"]], [["config", "registries", "show"]]])(
    "help %j is the same as with --help",
    async (topic) => {
      const text = await helpText(program, topic, true);
      expect(stdoutOf("help", ...topic)).toBe(text);
      expect(stdoutOf(...topic, "--help")).toBe(text);
    },
  );

  test("the manual has every command and every option", () => {
    const manual = stdoutOf("--help");
    for (const { path, options } of program.commands) {
      expect(manual).toContain(`  ${path.join(" ")} `);
      for (const { long, description } of Object.values(options)) {
        expect(manual).toMatch(
          new RegExp(`--${long}[ =[].* ${description.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`),
        );
      }
    }
  });

  test("smolvm -h", () => {
    expect(stdoutOf("-h").replace(version, "X.Y.Z")).toMatchInlineSnapshot(`
      "smolvm X.Y.Z: boots any container image as a microVM from one file, without a daemon.

      Usage:
        smolvm COMMAND [OPTIONS]

      Commands:
        machine run             Run a command in a new machine, and remove the machine unless -d
        machine create          Make a machine that stays until it is deleted
        machine start           Start machines
        machine stop            Stop machines; their disks stay
        machine delete          Delete machines with their disks
        machine ls              List the machines
        machine status          Say whether a machine runs, and how it is
        machine inspect         Print everything about machines as JSON
        machine exec            Run one more command in a running machine
        machine shell           Open a shell in a machine
        machine ps              List the processes that were started in a machine
        machine attach          Follow a process in a machine as if it ran here
        machine kill            Send a signal to a process in a machine
        machine logs            Print what a machine's workload has printed
        machine egress-events   Show what a machine wanted from the network, and what was decided
        machine policy explain  Tell whether a machine may reach a host, and by which rule
        machine policy learned  Print the allow-list that a machine has turned out to need
        machine stats           Show what machines use: processor, memory, disks
        machine monitor         Watch over a machine in the foreground
        machine wait            Wait until something is over
        machine update          Change the settings of a machine
        machine resize          Grow the disks of a machine
        machine clone           Copy a machine under another name
        machine commit          Make an image of a machine
        machine cp              Copy files and directories into and out of a running machine
        machine diff            Show what a machine has changed in its workspaces
        machine apply           Bring what a machine has changed in its workspaces to the host
        machine discard         Throw away what a machine has changed in its workspaces
        machine enable          Start a machine with the host
        machine disable         No longer start a machine with the host
        machine images          Show the images of machines and the room they take
        machine prune           Remove layers of images that nobody needs
        machine data-dir        Print the directory of a machine's files
        container create        Make a container in a running machine, from an image of its own
        container start         Start containers of a machine
        container stop          Stop containers of a machine; their files stay
        container rm            Remove containers of a machine with their files
        container ls            List the containers of a machine
        container exec          Run one more command in a running container of a machine
        docker env              Print what makes this host's docker use a machine's engine
        volume create           Make volumes of smolvm's own
        volume ls               List the volumes of smolvm's own
        volume inspect          Show where volumes are and who has them, as JSON
        volume rm               Remove volumes with everything in them
        volume prune            Remove volumes that no machine names
        images ls               List the images that are kept on this host
        images pull             Get images from registries, or look for newer ones
        images rm               Remove images from this host
        images inspect          Print everything about images that are kept on this host
        images save             Write an image as an archive for other tools
        images prune            Remove images and layers that nobody needs
        pull                    The same as images pull
        cp                      The same as machine cp
        pack create             Package an OCI image, or a Smolfile's machine, as a program
        pack run                Run a VM from a packed file, and remove it at the end
        pack inspect            Show what is in a pack
        pack export             Make an ordinary image of a pack, or of a machine
        pack push               Put a pack into a registry
        pack pull               Get a pack from a registry
        pack prune              Remove images of packs, and images that nobody needs
        keygen                  Make a pair of keys, to sign packs and to verify them
        serve start             Answer requests over HTTP until it is told to end
        serve openapi           Print the OpenAPI document of the HTTP API
        mcp start               Give a model machines: an MCP server over stdio or HTTP
        mcp wrap                Run somebody else's MCP server inside a machine
        mcp install             Print, or write, what an MCP client needs to start the server
        smolfile check          Say what is wrong in Smolfiles
        config show             Show the settings that are in effect
        config registries show  Show the registries that are configured
        config registries edit  Open the settings file in an editor, then check it
        config registries init  Create a settings file with examples
        config registries path  Print the path of the settings file
        doctor                  Say which engines work on this host, and what to do about the others
        completion              Print a shell's completion script
        licences                Print the licences of everything in this program
        self-update             Put the newest version in the place of this one
        version                 Print the version
        help                    Print the manual, or a command's help

      Options:
        -h, --help                   Print help: -h in short, --help in full
        -V, --version                Print the version
            --error-format <FORMAT>  Print errors as text or json (default: json with a command's --json)

      The manual, also for coding agents: smolvm --help
      A command's help: smolvm COMMAND -h
      "
    `);
  });

  test("smolvm machine -h", () => {
    expect(stdoutOf("machine", "-h")).toMatchInlineSnapshot(`
      "Make, run, use and delete machines (machine, vm).

      Usage:
        smolvm machine COMMAND [OPTIONS]

      Commands:
        machine run             Run a command in a new machine, and remove the machine unless -d
        machine create          Make a machine that stays until it is deleted
        machine start           Start machines
        machine stop            Stop machines; their disks stay
        machine delete          Delete machines with their disks
        machine ls              List the machines
        machine status          Say whether a machine runs, and how it is
        machine inspect         Print everything about machines as JSON
        machine exec            Run one more command in a running machine
        machine shell           Open a shell in a machine
        machine ps              List the processes that were started in a machine
        machine attach          Follow a process in a machine as if it ran here
        machine kill            Send a signal to a process in a machine
        machine logs            Print what a machine's workload has printed
        machine egress-events   Show what a machine wanted from the network, and what was decided
        machine policy explain  Tell whether a machine may reach a host, and by which rule
        machine policy learned  Print the allow-list that a machine has turned out to need
        machine stats           Show what machines use: processor, memory, disks
        machine monitor         Watch over a machine in the foreground
        machine wait            Wait until something is over
        machine update          Change the settings of a machine
        machine resize          Grow the disks of a machine
        machine clone           Copy a machine under another name
        machine commit          Make an image of a machine
        machine cp              Copy files and directories into and out of a running machine
        machine diff            Show what a machine has changed in its workspaces
        machine apply           Bring what a machine has changed in its workspaces to the host
        machine discard         Throw away what a machine has changed in its workspaces
        machine enable          Start a machine with the host
        machine disable         No longer start a machine with the host
        machine images          Show the images of machines and the room they take
        machine prune           Remove layers of images that nobody needs
        machine data-dir        Print the directory of a machine's files

      A command's help: smolvm machine COMMAND -h
      "
    `);
  });

  test("a group without other names has none in its title", () => {
    expect(stdoutOf("config", "--help")).toStartWith("Show and change settings.\n");
  });

  test("smolvm machine run -h", () => {
    expect(stdoutOf("machine", "run", "-h")).toMatchInlineSnapshot(`
      "Run a command in a new machine, and remove the machine unless -d.

      Usage:
        smolvm machine run [OPTIONS] [--] [COMMAND...]

      Options:
        -n, --name <NAME>                Name of the machine (default: vm- and 8 digits; default with -d)
        -d, --detach                     Start the machine, leave it running and keep it
        -s, --smolfile <FILE>            Read what the machine is from a Smolfile; options win
            --timings[=FORMAT]           Print on stderr how long each part took, as text or json
            --confine <MODE>             Confine the VM: auto, require or off (default: $SMOLVM_CONFINE)
            --rm                         No effect: without -d the machine is always removed

      Image:
        -I, --image <IMAGE>              Image of a registry or of a file or directory, or - for stdin
            --oci-platform <OS/ARCH>     Which one of a multi-platform image to take, e.g. linux/arm/v7
            --from <FILE>                A pack (.smolmachine) in place of an image; options win
            --verify-key <FILE>          Refuse a pack that none of these public keys has signed
            --pull <WHEN>                Ask the registry: missing, always or never (default: missing)
        -q, --quiet                      Show no progress, as --progress none
            --progress <MODE>            Show a download as auto, tty, plain, json or none (default: auto)
            --proxy <URL>                Download through this proxy (default: $HTTPS_PROXY, $HTTP_PROXY)
            --no-proxy <LIST>            Hosts to reach without a proxy (default: $NO_PROXY)
            --max-image-size <SIZE>      Give up on a larger image (default: 256G)

      Command:
        -i, --interactive                Pass stdin on to the command
        -t, --tty                        Give the command a terminal; -it for a shell
            --timeout <DURATION>         Stop the command after this time (30s, 5m, 1h30m): exit code 124
            --entrypoint <PROGRAM>       Replace the image's ENTRYPOINT; '' removes it
        -e, --env <NAME[=VALUE]>         Set a variable; without a value, pass the host's on
            --env-file <FILE>            Read variables from a file, one NAME=VALUE a line
            --secret-env <NAME=VAR>      Set a variable to the host's, looked up anew, never stored
            --secret-file <NAME=FILE>    The same from a file of the host, by its absolute path
        -w, --workdir <DIR>              Working directory in the guest
        -u, --user <USER[:GROUP]>        Run as this user, by name or number
            --ulimit <NAME=SOFT[:HARD]>  Limit a resource of the command, e.g. nofile=1024:4096
            --reaper[=SWITCH]            Put a small process 1 in front of the command, which reaps
            --init <COMMAND>             Run a shell command at each start, before the workload
            --init-once <COMMAND>        The same, at the first start only

      Files:
        -v, --volume <HOST:GUEST[:ro]>   A folder or file, or a volume's name; :overlay for a workspace
            --mount <WORDS>              The same as type=bind,source=HOST,target=GUEST
            --tmpfs <GUEST[:size=64m]>   A filesystem in memory; options are size, mode and exec

      Machine:
            --cpus <N>                   Virtual CPUs (default: 4, or the host's if fewer)
            --mem <MIB>                  Memory, also as 512M or 2G; taken as it is used (default: 8192)
            --storage <GIB>              Size of the disk at /workspace, taken as it fills (default: 20)
            --overlay <GIB>              Room for changes to the image's files (default: 10)
            --pids <N>                   Most processes at once (default: what the memory suggests)
            --disk-bps <SIZE>            Most bytes a second that its disks read, and write; e.g. 50M
            --mitigations[=SWITCH]       Guard the machine's programs from each other's CPU leaks
            --gpu[=SWITCH]               Give it the host's GPU (smolvm doctor says whether it can)
            --gpu-vram <MIB>             What the GPU may take of the host's memory (default: 4096)
            --engine <ENGINE>            krun or qemu (default: $SMOLVM_ENGINE, else what works here)

      Network:
            --net                        Give the machine the network; without it there is none
            --no-net                     Give it none, whatever the Smolfile says
            --allow-host <HOST>          Only this name and all below it; also *.NAME, NAME:PORT/tcp
            --allow-cidr <CIDR>          Only these addresses; also CIDR:PORT/tcp
            --allow-preset <PRESET>      Only the hosts that npm, pypi, debian, github, ... need
            --outbound-localhost-only    Only this host's loopback, at host.smolvm.internal
            --allow-host-loopback        This host's loopback too, at host.smolvm.internal
            --no-sni-check               Do not look at the server's name in TLS and HTTP
            --egress <MODE>              learn: as --net, for machine policy learned
            --dns <ADDRESS>              Ask this server for names (default: the host's)
            --add-host <NAME:ADDRESS>    Know a name by this address; host-gateway is this host
        -p, --port <[ADDR:]HOST:GUEST>   Lead a port of this host (127.0.0.1, or ADDR) to one of it
            --network <NAME>             Share a network with other machines, which know it by name
            --proxy-env                  Pass the host's proxy variables and CA files on
            --net-backend <BACKEND>      virtio-net, which is the only one

      Host:
            --ssh-agent[=SWITCH]         Lend the machine your SSH agent; keys stay on the host
            --ssh-agent-key <KEY>        Lend only this key, SHA256:... as in ssh-add -l; none: all
            --mount-socket <HOST:GUEST>  Let the machine connect to a Unix socket of the host
            --expose-socket <GUEST>      Reach its Unix socket on the host; GUEST:HOST says where

      Lifetime:
        -l, --label <NAME=VALUE>         Say something about the machine, for machine ls --filter
            --restart <POLICY[:N]>       Start again: never, always, on-failure, unless-stopped
            --restart-backoff <TIME>     Longest pause between restarts; it doubles from 1 s (default: 5m)
            --health-cmd <COMMAND>       Shell command that tells whether the workload is well
            --health-interval <TIME>     Time between checks (default: 5s)
            --health-timeout <TIME>      How long a check may take (default: 5s)
            --health-retries <N>         Failures in a row that make it unhealthy (default: 3)
            --health-grace <TIME>        Failures in this time after a start do not count (default: 0)
            --ttl <TIME>                 End by itself this long after a start (default: none)
            --idle-timeout <TIME>        End by itself when nothing was done for so long (default: none)
            --on-timeout <WHAT>          What it does then: stop or delete (default: stop)
            --stop-signal <SIGNAL>       Asks the workload to end (default: the image's, else SIGTERM)
            --stop-timeout <TIME>        How long it may take to end after that (default: 10s)

      More, with examples: smolvm machine run --help
      "
    `);
  });

  test("smolvm machine exec -h", () => {
    expect(stdoutOf("machine", "exec", "-h")).toMatchInlineSnapshot(`
      "Run one more command in a running machine.

      Usage:
        smolvm machine exec [OPTIONS] [[NAME] --] COMMAND...

      Options:
        -n, --name <NAME>              The machine (default: $SMOLVM_MACHINE_NAME, else default)
        -i, --interactive              Pass stdin on to the command
        -t, --tty                      Give the command a terminal; -it for a shell
            --timeout <DURATION>       Stop the command after this time (30s, 5m, 1h30m): exit code 124
        -e, --env <NAME[=VALUE]>       Set a variable; without a value, pass the host's on
            --env-file <FILE>          Read variables from a file, one NAME=VALUE a line
            --secret-env <NAME=VAR>    Set a variable to the host's, looked up anew, never stored
            --secret-file <NAME=FILE>  The same from a file of the host, by its absolute path
        -w, --workdir <DIR>            Working directory in the guest
        -u, --user <USER[:GROUP]>      Run as this user, by name or number
        -d, --detach                   Print the id of the process and leave it running
            --start                    Start the machine first when it does not run
            --stream                   No effect: output always arrives as it is written

      More, with examples: smolvm machine exec --help
      "
    `);
  });

  test("smolvm machine ls --help", () => {
    expect(stdoutOf("machine", "ls", "--help")).toMatchInlineSnapshot(`
      "List the machines. Also called machine list.

      Usage:
        smolvm machine ls [OPTIONS]

      Lists the machines by name, whether they run or not. (eph) marks one that is removed when its
      command ends. Several filters: one of the states, and all of the labels. Looking changes nothing
      and starts nothing.

      --json prints an array of objects, as docs/schema/machine.schema.json says. Among their keys are
      name, state, state_reason, pid, image and image_id (null for the built-in one), cpus, memory_mib,
      storage_gb, overlay_gb, labels, health, workload, restart_count and created_at. Times are seconds
      since 1970.

      Options:
            --filter <KEY=VALUE>    Only these: state=STATE, label=NAME or label=NAME=VALUE
        -l, --label <NAME[=VALUE]>  Only those with this label, as --filter label=
        -q, --quiet                 Print names only, one a line
            --json                  Print a JSON array
        -v, --verbose               Show process, image, command and environment of each machine

      Examples:
        smolvm machine ls
        smolvm machine ls --filter state=running --label tier=front
        smolvm machine ls --json | jq -r '.[].name'
      "
    `);
  });
});

describe("images where none was ever pulled", () => {
  const nowhere = join(tmpdir(), `smolvm-no-images-${process.pid}`);

  test.each([
    [["images", "ls"], "No cached images.\n"],
    [["image", "list", "-v", "--no-trunc"], "No cached images.\n"],
    [["images", "ls", "-q"], ""],
    [["images", "ls", "--names"], ""],
    [["images", "ls", "--json"], "[]\n"],
    [["images", "prune"], "No unreferenced layers to remove.\n"],
    [["images", "prune", "--all", "-f", "--dry-run"], "No unused images to remove.\n"],
    [["machine", "prune"], "No unreferenced layers to remove.\n"],
    [
      ["machine", "images"],
      "Storage Usage:\n  Total:  64.0 GiB\n  Used:   0 B\n  Layers: 0\n\nNo cached images.\n",
    ],
  ])("%j prints %j and creates nothing", (argv, stdout) => {
    expect(smolvm(argv, { SMOLVM_DATA_DIR: nowhere })).toEqual({ exitCode: 0, stdout, stderr: "" });
    expect(existsSync(nowhere)).toBe(false);
  });

  test.each([
    [["images", "rm", "alpine"], "image.not_found"],
    [["images", "inspect", "alpine"], "image.not_found"],
    [["machine", "images", "--name", "nobody"], "machine.not_found"],
    [["machine", "prune", "--name", "nobody"], "machine.not_found"],
  ])("%j: %s, exit code 1", (argv, code) => {
    const { exitCode, stdout, stderr } = smolvm([...argv, "--json"], { SMOLVM_DATA_DIR: nowhere });
    expect({ exitCode, stdout, code: JSON.parse(stderr).error.code }).toEqual({
      exitCode: 1,
      stdout: "",
      code,
    });
    expect(existsSync(nowhere)).toBe(false);
  });

  test("the group's name alone says how to list them", () => {
    expect(smolvm(["images"])).toEqual({
      exitCode: 2,
      stdout: "",
      stderr:
        "error: expected a command after `smolvm images`: ls, pull, rm, inspect, save, prune\n" +
        "hint: `smolvm images ls` lists the images\n",
    });
  });
});

describe("machine ls where no machine ever ran", () => {
  const nowhere = join(tmpdir(), `smolvm-nowhere-${process.pid}`);

  test.each([
    [["machine", "ls"], "No machines found\n"],
    [["vm", "list", "-v"], "No machines found\n"],
    [["machine", "ls", "--json"], "[]\n"],
  ])("%j prints %j and creates nothing", (argv, stdout) => {
    expect(smolvm(argv, { SMOLVM_DATA_DIR: nowhere })).toEqual({ exitCode: 0, stdout, stderr: "" });
    expect(existsSync(nowhere)).toBe(false);
  });

  test("without HOME, the user's passwd entry says where to look", () => {
    const { exitCode, stdout } = Bun.spawnSync([process.execPath, MAIN, "machine", "data-dir", "x"], {
      env: {},
    });
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toStartWith(`${homedir()}/.local/share/smolvm/machines/x/`);
  });

  test("says what it needs when it cannot know where to look", () => {
    const { exitCode, stderr } = smolvm(["machine", "ls"], { HOME: "" });
    expect({ exitCode, stderr }).toMatchInlineSnapshot(`
      {
        "exitCode": 1,
        "stderr": 
      "error: HOME is not set
      hint: set HOME, or SMOLVM_DATA_DIR to a directory that smolvm may use
      "
      ,
      }
    `);
  });
});

describe("what scripts of shells ask", () => {
  test("names of machines, and no change", () => {
    const data = mkdtempSync(join(tmpdir(), "smolvm-complete-"));
    try {
      mkdirSync(`${data}/machines/box`, { recursive: true });
      const env = { SMOLVM_DATA_DIR: data };
      const ask = (...words: string[]) => smolvm(["__complete", ...words], env);
      expect(ask("machine", "exec", "-n", "")).toEqual({ exitCode: 0, stdout: ":\nbox\n", stderr: "" });
      expect(ask("images", "rm", "").stdout).toBe(":\n");
      expect(ask("machine", "run", "--image", "").stdout).toBe(":files\n");
      expect(ask("comp").stdout).toBe(":\ncompletion\tPrint a shell's completion script\n");
      expect(ask().stdout).toContain("\nmachine\t");
      expect(readdirSync(data)).toEqual(["machines"]);
    } finally {
      rmSync(data, { recursive: true });
    }
  });

  test.each([
    [["nonsense", ""]],
    [["machine", "run", "--", ""]],
    [["--", ""]],
    [["machine", "ls", "--json=", ""]],
  ])("%j: nothing", (words) => {
    expect(smolvm(["__complete", ...words])).toEqual({ exitCode: 0, stdout: ":\n", stderr: "" });
  });
});

describe("errors as JSON", () => {
  const refused = (...argv: string[]) => smolvm([...argv]).stderr;

  test.each([
    [["--error-format", "json", "machine", "rnu"], "cli.unknown_command"],
    [["--error-format=json", "nope"], "cli.unknown_command"],
    [["machine", "ls", "--error-format", "json", "x"], "cli.unexpected_word"],
    [["machine", "images", "nobody", "--error-format=json"], "machine.not_found"],
    [["machine", "images", "nobody", "--json"], "machine.not_found"],
    [["machine", "images", "a", "--name", "b", "--json"], "cli.two_names"],
    [["machine", "exec", "--error-format", "json", "--name", "nobody", "--", "true"], "machine.not_found"],
  ])("%j: %s", (argv, code) => {
    expect(JSON.parse(refused(...argv))).toMatchObject({ error: { code, message: expect.any(String) } });
  });

  test.each([
    [["machine", "ls", "--json", "--error-format", "text", "x"]],
    [["machine", "images", "nobody", "--json", "--error-format=text"]],
    // A guest's own option.
    [["machine", "exec", "--name", "nobody", "--", "x", "--error-format=json"]],
  ])("%j: as text", (argv) => {
    expect(refused(...argv)).toStartWith("error: ");
  });
});

describe("SMOLVM_MACHINE_NAME", () => {
  const named = (name: string, ...argv: string[]) =>
    smolvm(["machine", ...argv], { SMOLVM_MACHINE_NAME: name }).stderr;

  test("names the machine where nothing else does", () => {
    expect(named("one", "exec", "--", "true")).toStartWith("error: vm not found: one\n");
    expect(named("one", "exec", "two", "--", "true")).toStartWith("error: vm not found: two\n");
    expect(named("one", "exec", "-n", "two", "true")).toStartWith("error: vm not found: two\n");
    expect(named("", "exec", "--", "true")).toStartWith("error: vm not found: default\n");
  });
});

describe("errors", () => {
  test("a word that does not exist: one line of error, one of hint, exit code 2", () => {
    expect(smolvm(["machine", "rnu"])).toEqual({
      exitCode: 2,
      stdout: "",
      stderr: "error: unknown command `machine rnu`\nhint: did you mean `smolvm machine run`?\n",
    });
  });

  test("no command at all", () => {
    expect(smolvm([])).toMatchInlineSnapshot(`
      {
        "exitCode": 2,
        "stderr": 
      "error: expected a command after \`smolvm\`: machine, container, docker, volume, images, pull, cp, pack, keygen, serve, mcp, smolfile, config, doctor, completion, licences, self-update, version, help
      hint: see \`smolvm -h\`
      "
      ,
        "stdout": "",
      }
    `);
  });

  test("--json makes the error JSON, also when the arguments are wrong", () => {
    const { exitCode, stdout, stderr } = smolvm(["machine", "ls", "--json", "--nope"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: "cli.unknown_option",
        message: "unknown option --nope",
        hint: "see `smolvm machine ls -h`",
      },
    });
  });

  test("what a user typed cannot write to the terminal", () => {
    expect(smolvm(["a\u001b[2J\nb\u009bc"]).stderr).toStartWith("error: unknown command `a [2J b c`\n");
  });

  test("SMOLVM_DEBUG=1 shows where it came from", () => {
    expect(smolvm(["nope"], { SMOLVM_DEBUG: "1" }).stderr).toContain("cli/interpret.ts");
  });
});

describe("stdout", () => {
  test("a reader that goes away is no error", () => {
    const script = '"$BUN" "$MAIN" --help | head -1 >/dev/null; echo $PIPESTATUS';
    expect(shell(script)).toEqual({ exitCode: 0, stdout: "0\n", stderr: "" });
  });

  test("a reader that is gone from the start is no error", () => {
    const script = 'exec 3> >(true); sleep 0.2; "$BUN" "$MAIN" --version >&3; echo $?';
    expect(shell(script)).toEqual({ exitCode: 0, stdout: "0\n", stderr: "" });
  });

  test("a full disk is one", () => {
    const { exitCode, stderr } = shell('"$BUN" "$MAIN" completion bash > /dev/full');
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: "error: cannot write to stdout: ENOSPC\n" });
  });

  test("a slow reader gets all of it", () => {
    const script = '"$BUN" "$MAIN" completion bash | (sleep 0.3; tail -1)';
    expect(shell(script).stdout).toBe("complete -F _smolvm smolvm\n");
  });
});
