/** Counts what the server does, and writes it as Prometheus reads it (text exposition format 0.0.4). */

/** Upper bounds of seconds. */
const BUCKETS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300] as const;

class Histogram {
  readonly #counts: number[] = BUCKETS.map(() => 0);
  #sum = 0;
  #count = 0;

  observe(seconds: number): void {
    this.#sum += seconds;
    this.#count++;
    for (const [index, bound] of BUCKETS.entries())
      if (seconds <= bound) this.#counts[index] = (this.#counts[index] as number) + 1;
  }

  lines(name: string, help: string): string[] {
    return [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} histogram`,
      ...BUCKETS.map((bound, index) => `${name}_bucket{le="${bound}"} ${this.#counts[index]}`),
      `${name}_bucket{le="+Inf"} ${this.#count}`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
    ];
  }
}

export class Metrics {
  readonly exec = new Histogram();
  readonly pull = new Histogram();
  readonly boot = new Histogram();
  readonly #requests = new Map<string, number>();

  /** @param path of the route, never of the request: names of machines would make a series each */
  request(method: string, path: string, status: number): void {
    const labels = `method="${method}",status="${status}",path="${path}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }

  text(machines: { readonly total: number; readonly running: number }): string {
    const gauge = (name: string, help: string, value: number) => [
      ...[`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`],
    ];
    const requests = [...this.#requests].map(
      ([labels, value]) => `smolvm_api_requests_total{${labels}} ${value}`,
    );
    return [
      "# HELP smolvm_api_requests_total Requests that were answered.",
      "# TYPE smolvm_api_requests_total counter",
      ...requests,
      ...gauge("smolvm_machines_total", "Machines that there are.", machines.total),
      ...gauge("smolvm_machines_running", "Machines that run.", machines.running),
      ...this.exec.lines("smolvm_exec_seconds", "How long commands ran."),
      ...this.pull.lines("smolvm_image_pull_seconds", "How long pulls took."),
      ...this.boot.lines("smolvm_vm_boot_seconds", "How long machines took to start."),
      "",
    ].join("\n");
  }
}
