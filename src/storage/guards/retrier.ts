import { errnoCode, throwIfInterrupted, VarveError } from '../../errors/errors.js';
import { localDate } from '../../time/zone.js';
import type { StoreSettings } from '../settings.js';
import { secondsStuck } from '../transport/stuck-error.js';
import { type Clock, systemClock } from './clock.js';

/** Milliseconds that the first wait takes at most; each further one up to twice as long. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
/** Seconds that every try may stand still: a server that is back at the last moment has time to answer. */
const LEAST_PATIENCE = 5;
/** Seconds that one may stand still when another was given up: what is cleaned up then is worth a try, and no wait. */
const LAST_PATIENCE = 2;
/** Milliseconds of waiting that the user need not know of. */
const UNTOLD = 2000;
/** Milliseconds between notices. */
const BETWEEN_NOTICES = 30_000;

type Settings = Pick<StoreSettings, 'retrySeconds' | 'refusedSeconds' | 'onNotice' | 'signal'>;

/** The tries of one operation. */
export interface Tries {
  /** Waits until it may be tried again, or throws when it may not. */
  failed(cause: unknown): Promise<void>;
  /** It came further than ever before: the next failure is a first one. */
  progressed(): void;
  /** There are no more of them. */
  done(): void;
}

/**
 * Tries again what a second try can help, for a limited time: from the first failure on, or from when nothing moved any more where that is why it
 * failed. All operations on a store share one: notices of it come one at a time, and when one operation has been given up, others are not tried again
 * before something succeeds.
 */
export class Retrier {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  readonly #stop: AbortSignal;
  /** Milliseconds by the clock until which what has failed is tried. */
  readonly #deadlines = new Map<Tries, number>();
  #nextNotice = Number.NEGATIVE_INFINITY;
  /** Since when by the clock nothing has succeeded, once that was given up. */
  #gaveUp: number | undefined;
  #hasSucceeded = false;

  constructor(settings: Settings, clock: Clock = systemClock) {
    this.#settings = settings;
    this.#clock = clock;
    const signals = [this.#closed.signal, ...(settings.signal === undefined ? [] : [settings.signal])];
    this.#stop = AbortSignal.any(signals);
  }

  /**
   * @param where the store's location, for messages
   * @param isRequest false for what may succeed without an answer from the store
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
        if (count++ === 0) failing = this.#clock.now() - secondsStuck(cause) * 1000;
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

  /** Seconds for which a request that is made now may stand still: no longer than what has failed is tried. @param most when all goes well */
  patience(most: number): number {
    if (this.#gaveUp !== undefined) return Math.min(most, LAST_PATIENCE);
    const left = Math.ceil((Math.min(...this.#deadlines.values()) - this.#clock.now()) / 1000);
    return Math.min(most, Math.max(left, LEAST_PATIENCE));
  }

  /** Ends all waiting. */
  close(): void {
    this.#closed.abort();
  }

  #retrySeconds(cause: unknown): number {
    const { retrySeconds, refusedSeconds = retrySeconds } = this.#settings;
    return !this.#hasSucceeded && isRefused(cause) ? Math.min(retrySeconds, refusedSeconds) : retrySeconds;
  }

  /** @param failing when it began to fail */
  async #wait(where: string, cause: unknown, tries: number, failing: number): Promise<void> {
    if (!(cause instanceof VarveError) || !cause.retryable || this.#stop.aborted) throw cause;
    const retrySeconds = this.#retrySeconds(cause);
    const elapsed = this.#clock.now() - failing;
    const left = Math.max(0, retrySeconds * 1000 - elapsed);
    // A connection that was forgotten on the way stands still, and a new one would not: one more try, however long it stood.
    const atLeastOnce = tries === 1 && retrySeconds > 0;
    if ((left === 0 && !atLeastOnce) || this.#gaveUp !== undefined) throw this.#giveUp(cause, tries, failing);
    const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1));
    const wait = Math.min(left, this.#clock.random() * most);
    if (elapsed + wait > UNTOLD) this.#tell(where, cause, wait, left);
    try {
      await this.#clock.sleep(wait, this.#stop);
    } catch (stopped) {
      throwIfInterrupted(this.#settings.signal);
      throw this.#stop.aborted ? cause : stopped;
    }
  }

  /** The first time it may be about one object; when nothing has succeeded since, it is the store that is gone. */
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

  #tell(where: string, cause: VarveError, wait: number, left: number): void {
    const now = this.#clock.now();
    if (now < this.#nextNotice) return;
    this.#nextNotice = now + BETWEEN_NOTICES;
    const place = cause.message.includes(where) ? '' : `${where}: `;
    const until = localDate(this.#clock.date().getTime() + left)
      .toISOString()
      .slice(11, 19);
    this.#settings.onNotice?.(
      `${place}${cause.message}; trying again in ${inWords(wait)}, and then until ${until} at most`,
    );
  }
}

/** Whether a connection was refused: the host is there, and no server listens. */
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
