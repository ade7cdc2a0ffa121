import { throwIfInterrupted, VarveError } from '../../errors/errors.js';
import { interruption, type RestAnswer, type RestRequest, type RestTransport } from '../rest/transport.js';
import type { StoreSettings } from '../settings.js';
import { type Throttles, throttlesOf } from '../transport/throttle.js';
import { Rclone } from './rclone.js';
import type { Remote } from './remote.js';

/** Requests to an own rclone process. The first request starts it; after its end the next request starts it again. */
export class RcloneTransport implements RestTransport {
  readonly #command: readonly [string, ...string[]];
  readonly #remote: Omit<Remote, 'location'>;
  readonly #settings: StoreSettings;
  readonly #throttles: Throttles;
  #rclone: Promise<Rclone> | undefined;
  /** Whether it ever answered. If it ended before that, its arguments are wrong, and it would end again. */
  #works = false;
  #closed = false;

  constructor(command: readonly [string, ...string[]], remote: Omit<Remote, 'location'>, settings: StoreSettings) {
    this.#command = command;
    this.#remote = remote;
    this.#settings = settings;
    this.#throttles = throttlesOf(settings);
  }

  async request(request: RestRequest): Promise<RestAnswer> {
    if (this.#closed) throw new VarveError('storage', 'the store is closed');
    const signal = interruption(request, this.#settings.signal);
    this.#rclone ??= this.#start();
    const rclone = await this.#rclone;
    try {
      const answer = await rclone.request(request, signal);
      this.#works = true;
      return answer;
    } catch (cause) {
      throwIfInterrupted(signal, cause);
      if (rclone.alive) throw cause;
      throw new VarveError('storage', await rclone.howItEnded(), { cause, retryable: this.#works });
    }
  }

  async complaint(since: number): Promise<string | undefined> {
    const rclone = await this.#rclone;
    return await rclone?.complaint(since);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const rclone = await this.#rclone?.catch(() => undefined);
    await rclone?.close();
  }

  async #start(): Promise<Rclone> {
    const forget = (): void => {
      this.#rclone = undefined;
    };
    const { mask, environment } = this.#remote;
    const parts = { mask, environment, throttles: this.#throttles, onEnd: forget };
    try {
      return await Rclone.start(this.#command, this.#settings, parts);
    } catch (error) {
      forget();
      throw error;
    }
  }
}
