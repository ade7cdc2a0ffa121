// The error of an idle timeout.
// Transports throw it; the retrier reads its seconds.
import { VarveError } from '../../errors/errors.js';

/** An idle timeout: no byte was sent or received for this long. */
export class IdleTimeoutError extends VarveError {
  readonly seconds: number;

  constructor(server: string, seconds: number) {
    const time = seconds >= 120 ? `${Math.round(seconds / 60)} min` : `${seconds} s`;
    super('storage', `no answer from ${server} for ${time}`, { retryable: true });
    this.seconds = seconds;
  }
}

/** The seconds of the idle timeout that caused a failure; 0 for other failures. */
export function idleSecondsOf(cause: unknown): number {
  for (let each = cause; each instanceof Error; each = each.cause)
    if (each instanceof IdleTimeoutError) return each.seconds;
  return 0;
}
