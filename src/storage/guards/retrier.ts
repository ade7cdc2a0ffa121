// Decides when and how long to retry, for all operations on a store.
// retrying.ts repeats the requests.
import { errnoCode, throwIfInterrupted, VarveError } from '../../errors/errors.js';
import { localDate } from '../../time/zone.js';
import type { StoreSettings } from '../settings.js';
import { idleSecondsOf } from '../transport/idle-timeout.js';
import { type Clock, systemClock } from './clock.js';

/** The longest first wait in milliseconds; each further wait is up to twice as long. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
/** The least idle timeout in seconds, so that a server that comes back late can still answer. */
const LEAST_IDLE_TIMEOUT = 5;
/** The idle timeout in seconds after a request was given up: the cleanup gets one attempt but no long wait. */
const LAST_IDLE_TIMEOUT = 2;
/** Milliseconds of waiting before a notice. */
const SILENT_WAIT = 2000;
/** Milliseconds between notices. */
const BETWEEN_NOTICES = 30_000;

type Settings = Pick<StoreSettings, 'retrySeconds' | 'refusedSeconds' | 'onNotice' | 'signal'>;

/** The attempts of one operation. */
export interface Tries {
  /** Waits until the next attempt, or throws when there is none. */
  failed(cause: unknown): Promise<void>;
  /** The operation made progress, so the next failure counts as the first. */
  progressed(): void;
  /** Ends the attempts. */
  done(): void;
}

/**
 * Retries operations that a retry can help, for a limited time: from the first failure, or from the last progress when an idle timeout was
 * the failure. All operations on a store share one retrier: it sends one notice at a time, and after it has given up one operation it does
 * not retry others before something succeeds.
 */
export class Retrier {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  readonly #stop: AbortSignal;
  /** The end of the retries of each failed operation, in milliseconds by the clock. */
  readonly #deadlines = new Map<Tries, number>();
  #nextNotice = Number.NEGATIVE_INFINITY;
  /** The time by the clock since which nothing has succeeded, after an operation was given up. */
  #gaveUp: number | undefined;
  #hasSucceeded = false;

  constructor(settings: Settings, clock: Clock = systemClock) {
    this.#settings = settings;
    this.#clock = clock;
    const signals = [this.#closed.signal, ...(settings.signal === undefined ? [] : [settings.signal])];
    this.#stop = AbortSignal.any(signals);
  }

  /**
   * @param where the store's location, for messages @param isRequest false for an operation that may succeed without an answer from the
   * store
   */
  async run<T>(where: string, attempt: (retry: number) => Promise<T>, isRequest = true): Promise<T> {
    const tries = this.begin(where, isRequest);
    try {
      for (let retry = 0; ; retry++) {
        try {
          const result = await attempt(retry);
          tries.progressed();
          return result;
        } catch (cause) {
          await tries.failed(cause);
        }
      }
    } finally {
      tries.done();
    }
  }

  begin(where: string, isRequest = true): Tries {
    let count = 0;
    let failing = 0;
    const tries: Tries = {
      failed: async (cause) => {
        if (count++ === 0) failing = this.#clock.now() - idleSecondsOf(cause) * 1000;
        this.#deadlines.set(tries, failing + this.#retrySeconds(cause) * 1000);
        await this.#wait(where, cause, count, failing);
      },
      progressed: () => {
        count = 0;
        this.#hasSucceeded ||= isRequest;
        this.#gaveUp = undefined;
        this.#deadlines.delete(tries);
      },
      done: () => void this.#deadlines.delete(tries),
    };
    return tries;
  }

  /** The idle timeout in seconds of a new request: no longer than the time for retries. @param most the timeout when all goes well */
  idleTimeout(most: number): number {
    if (this.#gaveUp !== undefined) return Math.min(most, LAST_IDLE_TIMEOUT);
    const left = Math.ceil((Math.min(...this.#deadlines.values()) - this.#clock.now()) / 1000);
    return Math.min(most, Math.max(left, LEAST_IDLE_TIMEOUT));
  }

  /** Ends all waits. */
  close(): void {
    this.#closed.abort();
  }

  #retrySeconds(cause: unknown): number {
    const { retrySeconds, refusedSeconds = retrySeconds } = this.#settings;
    return !this.#hasSucceeded && isRefused(cause) ? Math.min(retrySeconds, refusedSeconds) : retrySeconds;
  }

  /** @param failing the time of the first failure */
  async #wait(where: string, cause: unknown, tries: number, failing: number): Promise<void> {
    if (!(cause instanceof VarveError) || !cause.retryable || this.#stop.aborted) throw cause;
    const retrySeconds = this.#retrySeconds(cause);
    const elapsed = this.#clock.now() - failing;
    const left = Math.max(0, retrySeconds * 1000 - elapsed);
    // A connection that the network has dropped stalls, and a new one does not: so retry at least once, however long it stalled.
    const atLeastOnce = tries === 1 && retrySeconds > 0;
    if ((left === 0 && !atLeastOnce) || this.#gaveUp !== undefined) throw this.#giveUp(cause, tries, failing);
    const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1));
    const wait = Math.min(left, this.#clock.random() * most);
    if (elapsed + wait > SILENT_WAIT) this.#notify(where, cause, wait, left);
    try {
      await this.#clock.sleep(wait, this.#stop);
    } catch (stopped) {
      throwIfInterrupted(this.#settings.signal);
      throw this.#stop.aborted ? cause : stopped;
    }
  }

  /** The first failure may be about one object; when nothing has succeeded since, the whole store is unreachable. */
  #giveUp(cause: VarveError, tries: number, failing: number): VarveError {
    const code = this.#gaveUp === undefined ? cause.code : 'unreachable';
    this.#gaveUp ??= failing;
    const now = this.#clock.now();
    const why = tries === 1 ? '' : `; given up after ${tries} tries in ${inWords(now - failing)}`;
    if (code === 'unreachable') {
      const since = `; nothing has succeeded for ${inWords(now - this.#gaveUp)}`;
      return new VarveError(code, `${cause.message}${why || since}`, { cause, retryable: true });
    }
    return tries === 1 ? cause : new VarveError(code, `${cause.message}${why}`, { cause, retryable: true });
  }

  #notify(where: string, cause: VarveError, wait: number, left: number): void {
    const now = this.#clock.now();
    if (now < this.#nextNotice) return;
    this.#nextNotice = now + BETWEEN_NOTICES;
    const prefix = cause.message.includes(where) ? '' : `${where}: `;
    const until = localDate(this.#clock.date().getTime() + left)
      .toISOString()
      .slice(11, 19);
    this.#settings.onNotice?.(
      `${prefix}${cause.message}; trying again in ${inWords(wait)}, and then until ${until} at most`,
    );
  }
}

/** Whether a connection was refused: the host exists, but no server listens. */
function isRefused(cause: unknown): boolean {
  if (errnoCode(cause) === 'ECONNREFUSED') return true;
  return cause instanceof Error && cause.cause !== undefined && isRefused(cause.cause);
}

/** `0.4 s`, `12 s`, `15 min`. */
function inWords(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 1) return `${seconds.toFixed(1)} s`;
  return seconds < 100 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
