// Limits of bytes per second for connections and pipes.
// agents.ts and child.ts apply them.
import type { Buffer } from 'node:buffer';
import { Duplex } from 'node:stream';

/** The largest piece in bytes that passes at once: large enough to cost little. */
const LARGEST_PIECE = 16 * 1024;
const SMALLEST_PIECE = 512;
/** Seconds for one piece, so that the flow is even and each connection gets its share. */
const PIECE_SECONDS = 0.05;
/** Seconds of idle time that may be made up for at once. */
const CREDIT_SECONDS = 0.1;

/** Limits the bytes per second of any number of streams. */
export class Throttle {
  /** Bytes to request at a time. */
  readonly piece: number;
  readonly #bytesPerSecond: number;
  /** The time, by performance.now(), at which the bytes so far fit the limit. */
  #due = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.piece = Math.ceil(Math.min(LARGEST_PIECE, Math.max(SMALLEST_PIECE, bytesPerSecond * PIECE_SECONDS)));
  }

  /** Milliseconds to wait before this many more bytes may pass. */
  take(bytes: number): number {
    const now = performance.now();
    this.#due = Math.max(this.#due, now - CREDIT_SECONDS * 1000);
    const wait = this.#due - now;
    this.#due += (bytes / this.#bytesPerSecond) * 1000;
    return Math.max(0, wait);
  }
}

/** Methods of a socket that a Duplex lacks. */
interface SocketCalls {
  readonly connecting?: boolean;
  setKeepAlive?(on?: boolean, delay?: number): unknown;
  setNoDelay?(on?: boolean): unknown;
  ref?(): unknown;
  unref?(): unknown;
}

type Done = (error?: Error | null) => void;

/** A connection that the throttles limit. */
export class ThrottledDuplex extends Duplex implements SocketCalls {
  readonly #inner: Duplex & SocketCalls;
  readonly #upload: Throttle | undefined;
  readonly #download: Throttle | undefined;
  /** Whether received bytes wait to pass; no more are read until then. */
  #arriving = false;
  #wanted = false;
  #innerEnded = false;
  #writing: Done | undefined;
  readonly #delays = new Set<NodeJS.Timeout>();
  #idle: NodeJS.Timeout | undefined;
  /** The timeout in milliseconds, as of a socket. */
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
      // Bytes that came before the end must still be read.
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

  /** As of a socket. Bytes that the throttle delays do not count as idle time. */
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

/** Limits a connection; returns it unchanged when there is no limit. */
export function throttled(inner: Duplex, { upload, download }: Throttles): Duplex {
  return upload === undefined && download === undefined ? inner : new ThrottledDuplex(inner, upload, download);
}

export interface Throttles {
  readonly upload: Throttle | undefined;
  readonly download: Throttle | undefined;
}

/** The throttles of a store, which all its connections share. */
export function throttlesOf(limits: {
  readonly uploadLimit?: number | undefined;
  readonly downloadLimit?: number | undefined;
}): Throttles {
  const throttle = (limit: number | undefined): Throttle | undefined =>
    limit === undefined ? undefined : new Throttle(limit);
  return { upload: throttle(limits.uploadLimit), download: throttle(limits.downloadLimit) };
}
