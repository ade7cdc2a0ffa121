import { VarveError } from '../../errors/errors.js';

/** Nothing came and nothing went for so long. */
export class StuckError extends VarveError {
  readonly seconds: number;

  constructor(server: string, seconds: number) {
    const time = seconds >= 120 ? `${Math.round(seconds / 60)} min` : `${seconds} s`;
    super('storage', `no answer from ${server} for ${time}`, { retryable: true });
    this.seconds = seconds;
  }
}

/** Seconds for which nothing had moved when something failed; 0 when that is not why it failed. */
export function secondsStuck(cause: unknown): number {
  for (let each = cause; each instanceof Error; each = each.cause) if (each instanceof StuckError) return each.seconds;
  return 0;
}
