// When and how to show progress, and estimates of the remaining time.
// output.ts draws.
import type { Context } from '../program/shell.js';
import { formatSeconds } from '../text/units.js';

const TERMINAL_FPS = 10;
const JSON_FPS = 1;
const MAX_FPS = 60;
/** Seconds over which the current speed is measured. */
const SPEED_WINDOW = 5;
/** Seconds before the first estimate: the first moments say little. */
const ESTIMATE_AFTER = 2;
/** Seconds. A longer estimate only means that almost nothing moves. */
const LONGEST_ESTIMATE = 100 * 3600;

/** The interval of progress reports, from VARVE_PROGRESS_FPS or by the kind of output; undefined for none. */
export function progressInterval({ output, environment }: Context): number | undefined {
  if (output.verbosity === 0) return undefined;
  const wanted = Number(environment.VARVE_PROGRESS_FPS);
  if (wanted > 0) return 1000 / Math.min(MAX_FPS, wanted);
  if (output.json) return 1000 / JSON_FPS;
  return output.isTerminal ? 1000 / TERMINAL_FPS : undefined;
}

/** Calls `report` with the seconds since the start at each interval. @returns a function that stops it */
export function atIntervals(context: Context, report: (seconds: number) => void): () => void {
  const interval = progressInterval(context);
  if (interval === undefined) return () => undefined;
  const start = performance.now();
  const timer = setInterval(() => {
    report((performance.now() - start) / 1000);
    context.output.flush();
  }, interval);
  return () => clearInterval(timer);
}

/** The speed over the last seconds, and the time that the rest takes at that speed. */
export class Speed {
  readonly #samples: { readonly seconds: number; readonly bytes: number }[] = [];
  /** The time of the first bytes, in seconds since the start. */
  #begun: number | undefined;
  #current = 0;

  /** @param seconds since the start @param bytes done until then @returns bytes a second */
  add(seconds: number, bytes: number): number {
    if (bytes > 0) this.#begun ??= seconds;
    // The wait before the first bytes is not part of the speed.
    if (this.#begun === undefined) this.#samples.length = 0;
    this.#samples.push({ seconds, bytes });
    while (this.#samples.length > 2 && (this.#samples[0]?.seconds ?? 0) < seconds - SPEED_WINDOW) this.#samples.shift();
    const first = this.#samples[0];
    this.#current =
      first === undefined || seconds <= first.seconds ? 0 : (bytes - first.bytes) / (seconds - first.seconds);
    return this.#current;
  }

  /** @param bytes that are left @returns seconds, or undefined while no estimate makes sense */
  estimate(bytes: number): number | undefined {
    const last = this.#samples.at(-1);
    if (this.#begun === undefined || last === undefined || last.seconds - this.#begun < ESTIMATE_AFTER)
      return undefined;
    if (this.#current <= 0 || bytes < 0) return undefined;
    const left = bytes / this.#current;
    return left > LONGEST_ESTIMATE ? undefined : left;
  }
}

/** `ETA 1:23` for the end of a progress line, or nothing. @param seconds from `Speed.estimate` */
export function estimateText(seconds: number | undefined): string[] {
  return seconds === undefined ? [] : [`ETA ${formatSeconds(seconds)}`];
}

/**
 * Draws progress: in place on a terminal, otherwise as lines of output.
 *
 * @param line the figures
 * @param below lines below it, only on a terminal
 */
export function showProgress({ output }: Context, line: string, below: readonly string[] = []): void {
  if (!output.isTerminal) output.print(line);
  else output.status([line, ...below].join('\n'));
}
