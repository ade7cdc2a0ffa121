import type { Buffer } from 'node:buffer';
import { Duplex } from 'node:stream';

/** Bytes that pass at a time at most: large enough to cost nothing. */
const LARGEST_PIECE = 16 * 1024;
const SMALLEST_PIECE = 512;
/** Seconds that a piece takes, so that the flow is even, and each of many connections gets its share. */
const PIECE_SECONDS = 0.05;
/** Seconds of sending nothing that may be made up for at once. */
const CREDIT_SECONDS = 0.1;

/** Lets so many bytes a second pass, of whatever number of streams. */
export class Throttle {
  /** Bytes that should be asked for at a time. */
  readonly piece: number;
  readonly #bytesPerSecond: number;
  /** When what has passed until now has had its time, by performance.now(). */
  #due = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.piece = Math.ceil(Math.min(LARGEST_PIECE, Math.max(SMALLEST_PIECE, bytesPerSecond * PIECE_SECONDS)));
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
  readonly connecting?: boolean;
  setKeepAlive?(on?: boolean, delay?: number): unknown;
  setNoDelay?(on?: boolean): unknown;
  ref?(): unknown;
  unref?(): unknown;
}

type Done = (error?: Error | null) => void;

/** A connection whose bytes pass no faster than the throttles let them. */
export class ThrottledDuplex extends Duplex implements SocketCalls {
  readonly #inner: Duplex & SocketCalls;
  readonly #upload: Throttle | undefined;
  readonly #download: Throttle | undefined;
  /** What came and has not passed yet; more is not asked for meanwhile. */
  #arriving = false;
  #wanted = false;
  #innerEnded = false;
  #writing: Done | undefined;
  readonly #delays = new Set<NodeJS.Timeout>();
  #idle: NodeJS.Timeout | undefined;
  /** Milliseconds, as of a socket. */
  timeout = 0;

  constructor(inner: Duplex, upload: Throttle | undefined, download: Throttle | undefined) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
    this.#upload = upload;
    this.#download = download;
    inner.on('data', (bytes: Buffer) => {
      inner.pause();
      this.#arriving = true;
      this.#pass(bytes, 0);
    });
    inner.pause();
    inner.on('end', () => {
      this.#innerEnded = true;
      if (!this.#arriving) this.push(null);
    });
    inner.on('error', (error) => this.destroy(error));
    inner.on('close', () => {
      // What has come before the end is still to be read.
      if (!this.#innerEnded) this.destroy();
    });
    for (const event of ['connect', 'ready']) inner.on(event, () => this.emit(event));
  }

  get connecting(): boolean {
    return this.#inner.connecting === true;
  }

  override _read(): void {
    this.#wanted = true;
    if (!this.#arriving) this.#inner.resume();
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: Done): void {
    this.#writing = done;
    this.#send(bytes, 0);
  }

  override _final(done: Done): void {
    if (this.#inner.destroyed) return done();
    this.#inner.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    for (const delay of this.#delays) clearTimeout(delay);
    clearTimeout(this.#idle);
    this.#inner.destroy();
    this.#written(error ?? new Error('the connection was closed'));
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

  /** As of a socket. Bytes that wait for their time to pass are no sign that nothing moves. */
  setTimeout(milliseconds: number, callback?: () => void): this {
    this.timeout = milliseconds;
    if (callback !== undefined) {
      if (milliseconds === 0) this.off('timeout', callback);
      else this.once('timeout', callback);
    }
    this.#moved();
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

  #pass(bytes: Buffer, at: number): void {
    if (at >= bytes.length) return this.#passed();
    const piece = bytes.subarray(at, at + (this.#download?.piece ?? bytes.length));
    this.#after(this.#download?.take(piece.length) ?? 0, () => {
      this.#wanted = this.push(piece);
      this.#moved();
      this.#pass(bytes, at + piece.length);
    });
  }

  #passed(): void {
    this.#arriving = false;
    if (this.#innerEnded) this.push(null);
    else if (this.#wanted) this.#inner.resume();
  }

  #send(bytes: Buffer, at: number): void {
    if (at >= bytes.length) return this.#written();
    const piece = bytes.subarray(at, at + (this.#upload?.piece ?? bytes.length));
    this.#after(this.#upload?.take(piece.length) ?? 0, () => {
      this.#inner.write(piece, (error) => {
        this.#moved();
        if (error) this.#written(error);
        else this.#send(bytes, at + piece.length);
      });
    });
  }

  #written(error?: Error): void {
    const done = this.#writing;
    this.#writing = undefined;
    done?.(error);
  }

  #moved(): void {
    clearTimeout(this.#idle);
    if (this.timeout === 0 || this.destroyed) return;
    this.#idle = setTimeout(() => {
      if (this.#delays.size > 0) this.#moved();
      else this.emit('timeout');
    }, this.timeout);
    this.#idle.unref();
  }

  #after(milliseconds: number, action: () => void): void {
    if (milliseconds < 1) return action();
    const delay = setTimeout(() => {
      this.#delays.delete(delay);
      action();
    }, milliseconds);
    this.#delays.add(delay);
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
