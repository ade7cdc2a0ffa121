import type { Context } from './shell.js';

const TERMINAL_FPS = 10;
const JSON_FPS = 1;
const MAX_FPS = 60;
/** Seconds that the current speed is taken over. */
const SPEED_WINDOW = 5;

/** How often progress is to be told: VARVE_PROGRESS_FPS or else what suits where it goes; undefined for never. */
export function progressInterval({ output, environment }: Context): number | undefined {
  if (output.verbosity === 0) return undefined;
  const wanted = Number(environment.VARVE_PROGRESS_FPS);
  if (wanted > 0) return 1000 / Math.min(MAX_FPS, wanted);
  if (output.json) return 1000 / JSON_FPS;
  return output.isTerminal ? 1000 / TERMINAL_FPS : undefined;
}

/** Calls `tell` with the seconds since the start, again and again. @returns what ends it */
export function everySoOften(context: Context, tell: (seconds: number) => void): () => void {
  const interval = progressInterval(context);
  if (interval === undefined) return () => undefined;
  const start = performance.now();
  const timer = setInterval(() => {
    tell((performance.now() - start) / 1000);
    context.output.flush();
  }, interval);
  return () => clearInterval(timer);
}

/** Bytes a second over the last few seconds. */
export class Speed {
  readonly #samples: { readonly seconds: number; readonly bytes: number }[] = [];

  add(seconds: number, bytes: number): number {
    this.#samples.push({ seconds, bytes });
    while (this.#samples.length > 2 && (this.#samples[0]?.seconds ?? 0) < seconds - SPEED_WINDOW) this.#samples.shift();
    const first = this.#samples[0];
    if (first === undefined || seconds <= first.seconds) return 0;
    return (bytes - first.bytes) / (seconds - first.seconds);
  }
}

/** Draws a line of progress: on a terminal always in the same place, else a line each time. */
export function showProgress({ output }: Context, line: string): void {
  if (output.isTerminal) output.status(fit(line, output.columns));
  else output.print(line);
}

/** A line that is longer than the terminal is wide would not be drawn over. */
function fit(line: string, columns: number): string {
  const characters = [...line];
  return characters.length < columns ? line : characters.slice(0, columns - 1).join('');
}
