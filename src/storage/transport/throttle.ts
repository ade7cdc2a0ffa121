import type { Buffer } from 'node:buffer';
import { Duplex } from 'node:stream';

/** Bytes that pass at a time: small enough for an even flow at a few KiB a second. */
const PIECE = 16 * 1024;
/** Seconds of sending nothing that may be made up for at once. */
const CREDIT_SECONDS = 0.1;

/** Lets so many bytes a second pass, of whatever number of streams. */
export class Throttle {
  readonly #bytesPerSecond: number;
  /** When what has passed until now has had its time, by performance.now(). */
  #due = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Milliseconds to wait before so many bytes more pass. */
  take(bytes: number): number {
    const now = performance.now();
    this.#due = Math.max(this.#due, now - CREDIT_SECONDS * 1000);
    const wait = this.#due - now;
    this.#due += (bytes / this.#bytesPerSecond) * 1000;
    return Math.max(0, wait);
  }
}

/** What a socket can that a Duplex cannot, where there is one. */
interface SocketCalls {
  setKeepAlive?(on?: boolean, delay?: number): unknown;
  setNoDelay?(on?: boolean): unknown;
  setTimeout?(milliseconds: number, callback?: () => void): unknown;
  ref?(): unknown;
  unref?(): unknown;
}

/** A connection whose bytes pass no faster than the throttles let them. */
export class ThrottledDuplex extends Duplex implements SocketCalls {
  readonly #inner: Duplex & SocketCalls;
  readonly #upload: Throttle | undefined;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(inner: Duplex, upload: Throttle | undefined, download: Throttle | undefined) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
    this.#upload = upload;
    inner.on('data', (bytes: Buffer) => {
      inner.pause();
      this.#after(download?.take(bytes.length) ?? 0, () => {
        if (this.push(bytes)) inner.resume();
      });
    });
    inner.on('end', () => this.push(null));
    inner.on('error', (error) => this.destroy(error));
    inner.on('close', () => this.destroy());
    for (const event of ['connect', 'secureConnect', 'timeout']) inner.on(event, () => this.emit(event));
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    const send = (at: number): void => {
      if (at >= bytes.length) return done();
      const piece = bytes.subarray(at, at + PIECE);
      this.#after(this.#upload?.take(piece.length) ?? 0, () => {
        this.#inner.write(piece, (error) => (error ? done(error) : send(at + piece.length)));
      });
    };
    send(0);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#inner.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#inner.destroy();
    done(error);
  }

  setKeepAlive(on?: boolean, delay?: number): this {
    this.#inner.setKeepAlive?.(on, delay);
    return this;
  }

  setNoDelay(on?: boolean): this {
    this.#inner.setNoDelay?.(on);
    return this;
  }

  setTimeout(milliseconds: number, callback?: () => void): this {
    this.#inner.setTimeout?.(milliseconds, callback);
    return this;
  }

  ref(): this {
    this.#inner.ref?.();
    return this;
  }

  unref(): this {
    this.#inner.unref?.();
    return this;
  }

  #after(milliseconds: number, action: () => void): void {
    if (milliseconds < 1) return action();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, milliseconds);
    this.#timers.add(timer);
  }
}

/** The connection itself where nothing is limited. */
export function throttled(inner: Duplex, { upload, download }: Throttles): Duplex {
  return upload === undefined && download === undefined ? inner : new ThrottledDuplex(inner, upload, download);
}

export interface Throttles {
  readonly upload: Throttle | undefined;
  readonly download: Throttle | undefined;
}

/** Made once for a store: all its connections share them. */
export function throttlesOf(limits: {
  readonly uploadLimit?: number | undefined;
  readonly downloadLimit?: number | undefined;
}): Throttles {
  const throttle = (limit: number | undefined): Throttle | undefined =>
    limit === undefined ? undefined : new Throttle(limit);
  return { upload: throttle(limits.uploadLimit), download: throttle(limits.downloadLimit) };
}
