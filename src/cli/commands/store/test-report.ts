import type { CheckResult } from '../../../storage/conformance/run.js';
import type { Speed } from '../../../storage/conformance/speed.js';
import type { Context } from '../../program/shell.js';
import { counted, formatBytes } from '../../text/units.js';

/** Reports a test of a store: one line for each check, then the speed, then the verdict. */
export class StoreTestReport {
  readonly #context: Context;
  #checks = 0;
  #failed = 0;
  #speed: Speed | undefined;

  constructor(context: Context, location: string) {
    this.#context = context;
    context.output.message(`testing ${location}`);
  }

  check({ what, error, seconds }: CheckResult): void {
    const { output } = this.#context;
    this.#checks++;
    if (error !== undefined) this.#failed++;
    if (output.json) output.object({ message_type: 'check', what, ok: error === undefined, error, seconds });
    else if (error === undefined) output.message(`ok      ${what} (${seconds.toFixed(1)} s)`);
    else {
      output.prose(`FAILED  ${what}`);
      output.prose(`        ${error}`);
    }
    output.flush();
  }

  speed(speed: Speed): void {
    this.#speed = speed;
    const { put, get, roundTrip, list, names } = speed;
    const { output } = this.#context;
    output.message('');
    output.message(`put     ${formatBytes(put)}/s`);
    output.message(`get     ${formatBytes(get)}/s`);
    output.message(`list    ${counted(names, 'name')} in ${milliseconds(list)}`);
    output.message(`request ${milliseconds(roundTrip)} for a small one`);
  }

  /** @returns the exit code */
  finish(): number {
    const { output } = this.#context;
    const [checks, failed] = [this.#checks, this.#failed];
    if (output.json) output.object({ message_type: 'summary', checks, failed, ...this.#speedJson() });
    else {
      output.message('');
      if (failed === 0) output.prose(`all ${counted(checks, 'check')} passed: this location can hold a repository`);
      else output.prose(`${failed} of ${counted(checks, 'check')} failed: docs/stores.md explains each`);
    }
    return failed === 0 ? 0 : 1;
  }

  #speedJson(): Record<string, number> {
    if (this.#speed === undefined) return {};
    const { put, get, roundTrip, list, names } = this.#speed;
    return {
      put_bytes_per_second: Math.round(put),
      get_bytes_per_second: Math.round(get),
      round_trip_seconds: roundTrip,
      list_seconds: list,
      list_names: names,
    };
  }
}

const milliseconds = (seconds: number): string => `${(seconds * 1000).toFixed(1)} ms`;
