import { resolve } from "node:path";
import type { MachineEnv } from "./env.ts";
import { execute, FROM_THE_START, scriptOf, spawn } from "./exec.ts";
import { within } from "./limit.ts";
import { checkNames, EXEC_OPTIONS, SPAWN_OPTIONS } from "./options.ts";
import { MachineProcess } from "./process.ts";
import type { ExecResult } from "./result.ts";
import type { Transport } from "./transport/types.ts";
import type {
  AttachOptions,
  CallOptions,
  CopyOptions,
  ExecHooks,
  ExecOptions,
  LogEntry,
  MonitorEvent,
  ProcessInfo,
  SpawnOptions,
} from "./types/index.ts";
import { eventsOf, type LogOptions, logsOf } from "./watch.ts";

/**
 * What goes on in a machine: commands, files that come and go, what it tells.
 *
 * @example
 * const kernelOf = async (guest: Guest) => (await guest.exec(["uname", "-r"])).output;
 */
export abstract class Guest {
  /** What the machine is called. */
  abstract readonly name: string;
  /** Variables of its programs. */
  abstract readonly env: MachineEnv;
  /** @internal */
  protected abstract readonly hooks: ExecHooks;
  /** @internal @throws SmolvmError `sdk.closed` */
  protected abstract reach(): Transport;

  /**
   * Runs a program to its end. It fails only with `check`.
   *
   * @example
   * const { exitCode, stderr } = await machine.exec(["ls", "/nowhere"]);
   * @throws ExecError when it cannot be started; OperationTimeoutError; the signal's reason: it has been killed then
   */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    checkNames(options, EXEC_OPTIONS);
    const all = { ...options, env: this.env.forCommand(options.env) };
    return await execute(this.reach(), this.name, argv, all, this.hooks);
  }

  /**
   * Runs a script in a login shell of the machine.
   *
   * @example
   * const { output } = await machine.run("cd /app && ls | wc -l", { timeoutMs: 10_000 });
   */
  run(script: string, options: ExecOptions = {}): Promise<ExecResult> {
    return this.exec(["/bin/sh", "-lc", script], options);
  }

  /**
   * As `run`; values are single words, whatever is in them. With options, it gives what takes the script.
   *
   * @example
   * await machine.sh`wc -l ${path}`;
   * await machine.sh({ workdir: "/src", timeoutMs: 60_000 })`make ${["-j", "2"]}`;
   */
  sh(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<ExecResult>;
  sh(
    options: ExecOptions,
  ): (strings: TemplateStringsArray, ...values: readonly unknown[]) => Promise<ExecResult>;
  sh(given: TemplateStringsArray | ExecOptions, ...values: readonly unknown[]) {
    if (isScript(given)) return this.run(scriptOf(given, values));
    return (strings: TemplateStringsArray, ...words: readonly unknown[]) =>
      this.run(scriptOf(strings, words), given);
  }

  /**
   * Starts a program, and gives its streams. It ends with this program.
   *
   * @example
   * const build = await machine.spawn(["make"], { workdir: "/src" });
   * for await (const line of build.lines()) console.log(line);
   * const { exitCode } = await build.exited;
   */
  async spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<MachineProcess> {
    checkNames(options, SPAWN_OPTIONS);
    const all = { ...options, env: this.env.forCommand(options.env) };
    return await spawn(this.reach(), this.name, argv, all);
  }

  /**
   * Takes part in a process that was started detached, by whomever: `exec -d` of the command line does that, too.
   *
   * @param id or the name that the command line gave it
   * @example
   * const [{ id } = { id: "" }] = await machine.processes();
   * await using server = await machine.attach(id);
   * for await (const line of server.lines()) console.log(line);
   * @throws SmolvmError `process.not_found`, `sdk.unsupported` over a server
   */
  async attach(id: string, options: AttachOptions = {}): Promise<MachineProcess> {
    const { since = FROM_THE_START } = options;
    return await within("attach", options, async (signal) => {
      const process = await this.reach().attach(this.name, id, since, { signal });
      return new MachineProcess([], process, undefined);
    });
  }

  /**
   * The program that the machine is there for, and what was started detached; the latest first.
   *
   * @example
   * for (const { id, command, running } of await machine.processes()) console.log(id, command[0], running);
   */
  async processes(options: CallOptions = {}): Promise<ProcessInfo[]> {
    const answer = await within("processes", options, (signal) =>
      this.reach().api({ operation: "listProcesses", name: this.name }, { signal }),
    );
    return [...(answer as { readonly processes: readonly ProcessInfo[] }).processes];
  }

  /**
   * Copies a file or a directory of this host into the machine, as `smolvm machine cp`.
   *
   * @example
   * await machine.copyIn("./project", "/work/project", { mkdir: true });
   * @returns the path in the machine
   */
  async copyIn(hostPath: string, guestPath: string, options: CopyOptions = {}): Promise<string> {
    const { mkdir: parents, maxBytes, mode, onProgress } = options;
    await within("copyIn", options, (signal) =>
      this.reach().copyIn(
        this.name,
        resolve(hostPath),
        guestPath,
        { parents, maxBytes, mode },
        { signal, onProgress },
      ),
    );
    return guestPath;
  }

  /**
   * The same to this host.
   *
   * @example
   * await machine.copyOut("/work/report.html", "./report.html");
   * @returns the path on this host
   */
  async copyOut(guestPath: string, hostPath: string, options: CopyOptions = {}): Promise<string> {
    const { maxBytes, onProgress } = options;
    const target = resolve(hostPath);
    await within("copyOut", options, (signal) =>
      this.reach().copyOut(this.name, guestPath, target, { maxBytes }, { signal, onProgress }),
    );
    return target;
  }

  /**
   * What its workload has printed, also when it does not run any more; with `follow`, then what it prints until it ends.
   *
   * @example
   * for await (const { stream, text } of machine.logs({ follow: true })) console.log(`${stream}: ${text}`);
   * @throws the signal's reason
   */
  logs(options: LogOptions = {}): AsyncGenerator<LogEntry, void, void> {
    return logsOf(() => this.reach(), this.name, options);
  }

  /**
   * What happens to it, until it ends or the signal is aborted. `watching` comes first: from then on nothing is missed.
   *
   * @example
   * for await (const { type } of machine.monitor()) if (type === "restarting") console.error("again");
   */
  monitor(options: Pick<CallOptions, "signal"> = {}): AsyncGenerator<MonitorEvent, void, void> {
    return eventsOf(() => this.reach(), this.name, options);
  }
}

const isScript = (given: TemplateStringsArray | ExecOptions): given is TemplateStringsArray => "raw" in given;
