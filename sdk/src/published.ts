import { errorOf } from "./errors.ts";
import { Guest } from "./guest.ts";
import { within } from "./limit.ts";
import { mappingOf, type PortReach, untilAnswers, urlOf } from "./ports.ts";
import type { CallOptions, MachineInfo, MachineUpdate, PortMapping } from "./types/index.ts";

/** How long a program in a machine usually may take to listen, in milliseconds. */
const PORT_LIMIT_MS = 60_000;

/**
 * A machine's ports: how programs of this host reach those in it.
 *
 * @example
 * const portsOf = (machine: Published) => machine.ports().map(({ host }) => host);
 */
export abstract class Published extends Guest {
  /** What was known of it at the last own call. */
  abstract readonly info: MachineInfo;
  /** @internal */
  abstract update(changes: MachineUpdate, options?: CallOptions): Promise<unknown>;
  /** @internal */
  abstract refresh(options?: CallOptions): Promise<{ readonly info: MachineInfo }>;

  /**
   * Ports of the host that lead into it, as last known.
   *
   * @example
   * for (const { host, guest } of machine.ports()) console.log(`${host} leads to ${guest}`);
   */
  ports(): readonly PortMapping[] {
    return this.info.ports;
  }

  /**
   * An address under which its published ports answer: this host's loopback.
   *
   * @example
   * const address = await machine.ip();
   * @throws InvalidStateError
   */
  async ip(options: CallOptions = {}): Promise<string> {
    const { info } = await this.refresh(options);
    if (info.status !== "running")
      throw errorOf({ code: "machine.not_running", message: `machine '${this.name}' is not running` });
    return "127.0.0.1";
  }

  /**
   * Lets a port of the host lead into the machine. While it runs, that needs a machine that was made with a network or with
   * ports; `network: { allowCidrs: [] }` is one that reaches nothing.
   *
   * @example
   * const { url } = await machine.expose(8000);
   * @throws InvalidStateError `machine.running`: stop it, or make it with a network
   */
  async expose(
    guestPort: number,
    options: CallOptions & Omit<PortReach, "guest"> = {},
  ): Promise<PortMapping & { readonly url: string }> {
    const { host, bind, protocol } = options;
    const before = this.info.ports;
    await this.update({ addPorts: [{ guest: guestPort, host, bind, protocol }] }, options);
    const mapping = mappingOf(this.info, guestPort, before);
    return { ...mapping, url: urlOf(mapping, "/").slice(0, -1) };
  }

  /**
   * Takes a port of the host away again.
   *
   * @example
   * await machine.unexpose(8000);
   */
  async unexpose(
    guestPort: number,
    options: CallOptions & { readonly host?: number | undefined } = {},
  ): Promise<void> {
    const { host: wanted } = options;
    const ports = (await this.refresh(options)).info.ports.filter(
      ({ guest, host }) => guest === guestPort && (wanted === undefined || host === wanted),
    );
    // One that was free is 0 in the description.
    const removePorts = ports.flatMap((port) => [port, { ...port, host: 0 }]);
    await this.update({ removePorts }, options);
  }

  /**
   * Of a web server in the machine.
   *
   * @example
   * const answer = await fetch(machine.url(8000, "/health"));
   * @throws SmolvmError `sdk.no_port` when the port does not lead out
   */
  url(guestPort: number, path = "/"): string {
    return urlOf(mappingOf(this.info, guestPort), path);
  }

  /**
   * Waits until something answers at a port; with `http`, until that path answers with a status below 500.
   *
   * @param options.timeoutMs Default: 60,000
   * @example
   * await machine.expose(8000);
   * await machine.waitForPort(8000, { http: "/health" });
   * @throws OperationTimeoutError; InvalidStateError `machine.not_running` when the machine ends, or has ended
   */
  async waitForPort(
    guestPort: number,
    options: CallOptions & { readonly http?: string | undefined } = {},
  ): Promise<void> {
    const wanted = { machine: this.name, mapping: mappingOf(this.info, guestPort), http: options.http };
    const limits = { signal: options.signal, timeoutMs: options.timeoutMs ?? PORT_LIMIT_MS };
    await within("waitForPort", limits, (signal) => untilAnswers(() => this.reach(), wanted, signal));
  }
}
