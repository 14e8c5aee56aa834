import type { Flow, FlowDecision, FlowEnd, FlowPolicy } from "./types.ts";

/** What was decided about a flow, and who wants to hear how it ended. */
export interface Judged {
  decision: FlowDecision;
  /** Only the first call counts. */
  tell(end: Omit<FlowEnd, "durationMs">): void;
}

/** Asks the policy, so that whatever it does a flow that was not allowed is denied, and each flow's end is told once. */
export class Judge {
  readonly policy: FlowPolicy;

  constructor(policy: FlowPolicy) {
    this.policy = policy;
  }

  /** Never throws or rejects. */
  decide(flow: Flow): Judged | Promise<Judged> {
    const begun = performance.now();
    try {
      const decision = this.policy.decide(flow);
      if (!(decision instanceof Promise)) return this.#judged(flow, decision, begun);
      return decision.then(
        (decision) => this.#judged(flow, decision, begun),
        () => this.#judged(flow, FAILED, begun),
      );
    } catch {
      return this.#judged(flow, FAILED, begun);
    }
  }

  #judged(flow: Flow, decision: FlowDecision, begun: number): Judged {
    let told = false;
    const judged: Judged = {
      decision,
      tell: (end) => {
        if (told) return;
        told = true;
        this.policy.closed(flow, judged.decision, { ...end, durationMs: performance.now() - begun });
      },
    };
    return judged;
  }
}

const FAILED: FlowDecision = { allow: false, how: "refuse", rule: "policy failed" };
