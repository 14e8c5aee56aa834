import type { DeniedFlow, Flow, FlowDecision, FlowEnd, FlowPolicy, Inspection } from "./types.ts";

/** What was decided about a flow, and who wants to hear how it ended. */
export interface Judged {
  decision: FlowDecision;
  /** Only the first call counts. */
  tell(end: Omit<FlowEnd, "durationMs">): void;
}

/** Asks the policy, so that whatever it does a flow that was not allowed is denied, and each flow's end is told once. */
export class Judge {
  readonly #policy: FlowPolicy;
  /** Gets what should not have been thrown. */
  readonly onTrouble: (error: unknown) => void;

  /** @param onTrouble gets what the policy throws */
  constructor(policy: FlowPolicy, onTrouble: (error: unknown) => void) {
    this.#policy = policy;
    this.onTrouble = onTrouble;
  }

  /** Never throws or rejects. */
  decide(flow: Flow): Judged | Promise<Judged> {
    const begun = performance.now();
    try {
      const decision = this.#policy.decide(flow);
      if (!(decision instanceof Promise)) return this.#judged(flow, decision, begun);
      return decision.then(
        (decision) => this.#judged(flow, decision, begun),
        (error) => this.#failed(flow, error, begun),
      );
    } catch (error) {
      return this.#failed(flow, error, begun);
    }
  }

  /** See `FlowPolicy.inspect`; never throws. */
  inspect(flow: Flow, bytes: Uint8Array, ended: boolean): Inspection {
    try {
      return this.#policy.inspect(flow, bytes, ended);
    } catch (error) {
      this.onTrouble(error);
      return FAILED;
    }
  }

  #failed(flow: Flow, error: unknown, begun: number): Judged {
    this.onTrouble(error);
    return this.#judged(flow, FAILED, begun);
  }

  #judged(flow: Flow, decision: FlowDecision, begun: number): Judged {
    let told = false;
    const judged: Judged = {
      decision,
      tell: (end) => {
        if (told) return;
        told = true;
        try {
          this.#policy.closed(flow, judged.decision, { ...end, durationMs: performance.now() - begun });
        } catch (error) {
          this.onTrouble(error);
        }
      },
    };
    return judged;
  }
}

const FAILED: DeniedFlow = { allow: false, how: "refuse", rule: "policy failed" };
