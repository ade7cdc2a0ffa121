// A client of one SFTP connection.
// connection.ts starts the program; protocol.ts encodes.
import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { VarveError } from '../../errors/errors.js';
import { IdleTimeoutError } from '../transport/idle-timeout.js';
import { atEnd, attributesOf, fieldsOf, handleOf, okOf, refused } from './answers.js';
import { PacketStream } from './packet-stream.js';
import {
  type Attributes,
  decodeHello,
  decodeReply,
  encodePacket,
  type Field,
  type Hello,
  malformed,
  type NamedFile,
  type Reply,
  STATUS,
  TYPE,
  VERSION,
} from './protocol.js';
import { Window } from './window.js';

/** Bytes of a file that every server accepts in one request, and the limit used when a server offers more. */
const LENGTH = 32 * 1024;
const MAX_LENGTH = 256 * 1024;
/** Bytes of files in flight: the content of a line of 80 MiB/s and 50 ms. */
const UNDER_WAY = 4 * 1024 * 1024;
/** Bytes to keep of the text before SFTP begins, such as the output of a login shell. */
const KEPT = 1024;

const EXTENSIONS = {
  posixRename: ['posix-rename@openssh.com', '1'],
  hardlink: ['hardlink@openssh.com', '1'],
  fsync: ['fsync@openssh.com', '1'],
  statvfs: ['statvfs@openssh.com', '2'],
  limits: ['limits@openssh.com', '1'],
} as const;

/** How a connection ended, other than by a close from here. */
export interface End {
  /** Whether the SFTP session had begun. */
  readonly begun: boolean;
  /** The text before the session. */
  readonly text: Buffer;
  /** The error when the server sent something that is not SFTP. */
  readonly malformed?: VarveError;
}

export interface ClientOptions {
  /** Idle timeout in seconds. It may change; the value at the start of a request counts. */
  readonly idleTimeoutSeconds: number;
  readonly signal?: AbortSignal | undefined;
  /** Explains an end. */
  readonly explain: (end: End) => Promise<VarveError>;
}

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (cause: unknown) => void;
  /** The buffer for file contents. */
  readonly target?: Uint8Array | undefined;
  /** The time of sending, by performance.now(). */
  readonly sent: number;
}

/** A part of a file to write. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
  readonly views: readonly Uint8Array[];
}

export interface FreeSpace {
  readonly bytes: number;
  /** The number of files that can still be created; undefined without such a limit. */
  readonly files: number | undefined;
  readonly readOnly: boolean;
}

/**
 * A client of one SFTP connection, with any number of concurrent requests. A request that the server refuses throws a `StatusError`; when
 * the connection ends, all requests throw the VarveError with the reason. When `signal` is aborted, running requests throw `interrupted`;
 * later requests are still made.
 */
export class SftpClient {
  /** Resolves when the connection has ended, for any reason. */
  readonly ended: Promise<void>;
  /** Limits the bytes of files in flight: all transfers share it. */
  readonly window = new Window(UNDER_WAY);
  readonly #stream: Duplex;
  readonly #options: ClientOptions;
  readonly #packets: PacketStream;
  readonly #pending = new Map<number, Pending>();
  /** Cancelled requests that the server has not answered yet. */
  readonly #abandoned = new Set<number>();
  #nextId = 0;
  #text = Buffer.alloc(0);
  #hello: Hello | undefined;
  #onHello: Pick<Pending, 'resolve' | 'reject'> | undefined;
  #roundTrip = Number.POSITIVE_INFINITY;
  #failure: VarveError | undefined;
  #ending = false;
  #onEnded: () => void = () => undefined;
  /** By performance.now(). */
  #moved = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The idle timeout of the running timer, in seconds. */
  #idleTimeout = 0;
  #readLength = LENGTH;
  #writeLength = LENGTH;

  private constructor(stream: Duplex, options: ClientOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#packets = new PacketStream({
      onPacket: (type, body) => this.#onPacket(type, body),
      contentsFor: (id, length) => this.#contentsFor(id, length),
      onContents: (id, length) => this.#settle(id, { kind: 'data', length }),
    });
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
    stream.on('data', (bytes: Buffer) => this.#receive(bytes));
    for (const event of ['end', 'close', 'error']) stream.on(event, () => void this.#finish());
    options.signal?.addEventListener('abort', this.#interrupt);
  }

  /** @throws VarveError when the server does not answer in SFTP */
  static async connect(stream: Duplex, options: ClientOptions): Promise<SftpClient> {
    const client = new SftpClient(stream, options);
    await new Promise<unknown>((resolve, reject) => {
      client.#onHello = { resolve, reject };
      client.#send(encodePacket(TYPE.init, [VERSION]));
      client.#watch();
    });
    void client.#askLimits();
    return client;
  }

  /** The shortest time of an answer, in milliseconds. */
  get roundTrip(): number {
    return this.#roundTrip;
  }

  /** The limit of bytes in a read request. */
  get readLength(): number {
    return this.#readLength;
  }

  /** The limit of bytes in a write request. */
  get writeLength(): number {
    return this.#writeLength;
  }

  offers(extension: keyof typeof EXTENSIONS): boolean {
    const [name, version] = EXTENSIONS[extension];
    return this.#hello?.extensions.get(name) === version;
  }

  async open(path: string, flags: number, attributes: Attributes = {}): Promise<Buffer> {
    return handleOf(await this.#request(TYPE.open, [path, flags, attributes]));
  }

  async close(handle: Buffer): Promise<void> {
    okOf(await this.#request(TYPE.close, [handle]));
  }

  /** @returns the number of bytes read, 0 at the end of the file */
  async read(handle: Buffer, offset: number, target: Uint8Array): Promise<number> {
    const reply = await this.#request(TYPE.read, [handle, BigInt(offset), target.length], { target });
    if (reply.kind === 'data') return reply.length;
    return atEnd(reply) ? 0 : refused(reply);
  }

  async write(handle: Buffer, { offset, length, views }: Piece): Promise<void> {
    okOf(await this.#request(TYPE.write, [handle, BigInt(offset), length], { views, length }));
  }

  /** Syncs a file, or the names in a directory, to the server's disk, where the server supports it. */
  async fsync(handle: Buffer): Promise<void> {
    const reply = await this.#extended('fsync', [handle]);
    const forbidden: readonly number[] = [STATUS.permissionDenied, STATUS.unsupported];
    if (reply.kind !== 'status' || !forbidden.includes(reply.code)) okOf(reply);
  }

  async stat(path: string): Promise<Attributes> {
    return attributesOf(await this.#request(TYPE.stat, [path]));
  }

  async fstat(handle: Buffer): Promise<Attributes> {
    return attributesOf(await this.#request(TYPE.fstat, [handle]));
  }

  async mkdir(path: string, mode: number): Promise<void> {
    okOf(await this.#request(TYPE.mkdir, [path, { mode }]));
  }

  async opendir(path: string): Promise<Buffer> {
    return handleOf(await this.#request(TYPE.opendir, [path]));
  }

  /** @returns some of the names, or undefined after the last ones */
  async readdir(handle: Buffer): Promise<readonly NamedFile[] | undefined> {
    const reply = await this.#request(TYPE.readdir, [handle]);
    if (reply.kind === 'names') return reply.names;
    return atEnd(reply) ? undefined : refused(reply);
  }

  async rmdir(path: string): Promise<void> {
    okOf(await this.#request(TYPE.rmdir, [path]));
  }

  async remove(path: string): Promise<void> {
    okOf(await this.#request(TYPE.remove, [path]));
  }

  /** Fails when the new name exists, as version 3 of the protocol requires; not every server does. */
  async rename(from: string, to: string): Promise<void> {
    okOf(await this.#request(TYPE.rename, [from, to]));
  }

  /** Replaces the file with the new name. */
  async posixRename(from: string, to: string): Promise<void> {
    okOf(await this.#extended('posixRename', [from, to]));
  }

  async hardlink(from: string, to: string): Promise<void> {
    okOf(await this.#extended('hardlink', [from, to]));
  }

  async statvfs(path: string): Promise<FreeSpace> {
    const fields = fieldsOf(await this.#extended('statvfs', [path]));
    const numbers = Array.from({ length: 11 }, () => fields.u64());
    const [, unit = 0n, , , blocks = 0n, files = 0n, , available = 0n, , flags = 0n] = numbers;
    return {
      bytes: Number(unit * blocks),
      files: files === 0n ? undefined : Number(available),
      readOnly: (flags & 1n) === 1n,
    };
  }

  /** Ends the connection; running requests fail. */
  disconnect(): void {
    this.#fail(new VarveError('storage', 'the connection was closed'));
  }

  #extended(extension: keyof typeof EXTENSIONS, fields: readonly Field[]): Promise<Reply> {
    return this.#request(TYPE.extended, [EXTENSIONS[extension][0], ...fields]);
  }

  async #askLimits(): Promise<void> {
    if (!this.offers('limits')) return;
    try {
      const fields = fieldsOf(await this.#extended('limits', []));
      fields.u64();
      const usable = (limit: bigint): number => (limit < 1n ? LENGTH : Math.min(Number(limit), MAX_LENGTH));
      this.#readLength = usable(fields.u64());
      this.#writeLength = usable(fields.u64());
    } catch {
      // The limits of every server are enough.
    }
  }

  #request(
    type: number,
    fields: readonly Field[],
    { target, views = [], length = 0 }: { target?: Uint8Array; views?: readonly Uint8Array[]; length?: number } = {},
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      const id = this.#nextId;
      this.#nextId = (id + 1) >>> 0;
      this.#pending.set(id, { resolve, reject, target, sent: performance.now() });
      this.#watch();
      this.#send(encodePacket(type, [id, ...fields], length), views);
    });
  }

  #send(packet: Buffer, views: readonly Uint8Array[] = []): void {
    const moved = (): void => {
      this.#moved = performance.now();
    };
    this.#stream.write(packet, moved);
    for (const view of views) this.#stream.write(view, moved);
  }

  #receive(bytes: Buffer): void {
    if (this.#ending || this.#failure !== undefined) return;
    this.#moved = performance.now();
    if (this.#hello === undefined) this.#text = Buffer.concat([this.#text, bytes]).subarray(0, KEPT);
    try {
      this.#packets.feed(bytes);
    } catch (cause) {
      void this.#finish(VarveError.from(cause));
    }
  }

  #onPacket(type: number, body: Buffer): void {
    if (this.#hello === undefined) return this.#greet(type, body);
    const { id, reply } = decodeReply(type, body);
    this.#settle(id, reply);
  }

  #greet(type: number, body: Buffer): void {
    if (type !== TYPE.version) throw malformed(`it begins with a packet of type ${type}`);
    const hello = decodeHello(body);
    if (hello.version !== VERSION) throw malformed(`version ${hello.version}, instead of ${VERSION}`);
    this.#hello = hello;
    this.#onHello?.resolve({ kind: 'status', code: STATUS.ok, message: '' });
    this.#onHello = undefined;
  }

  #contentsFor(id: number, length: number): Uint8Array | undefined {
    if (this.#abandoned.has(id)) return undefined;
    const target = this.#pending.get(id)?.target;
    if (target === undefined) throw malformed('unrequested file contents');
    if (length > target.length) throw malformed('more of a file than requested');
    return target.subarray(0, length);
  }

  #settle(id: number, reply: Reply): void {
    if (this.#abandoned.delete(id)) {
      if (reply.kind === 'handle') this.close(reply.handle).catch(() => undefined);
      return;
    }
    const pending = this.#pending.get(id);
    if (pending === undefined) throw malformed('an answer without a request');
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#timer?.unref();
    this.#roundTrip = Math.min(this.#roundTrip, performance.now() - pending.sent);
    pending.resolve(reply);
  }

  readonly #interrupt = (): void => {
    const error = new VarveError('interrupted', 'interrupted');
    if (this.#onHello !== undefined) return this.#fail(error);
    for (const [id, { reject }] of this.#pending) {
      this.#abandoned.add(id);
      reject(error);
    }
    this.#pending.clear();
    this.window.refuse(error);
  };

  async #finish(malformed?: VarveError): Promise<void> {
    if (this.#ending || this.#failure !== undefined) return;
    this.#ending = true;
    const begun = this.#hello !== undefined;
    this.#fail(await this.#options.explain({ begun, text: this.#text, ...(malformed && { malformed }) }));
  }

  #fail(failure: VarveError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#options.signal?.removeEventListener('abort', this.#interrupt);
    clearTimeout(this.#timer);
    this.#stream.destroy();
    this.#onHello?.reject(failure);
    for (const { reject } of this.#pending.values()) reject(failure);
    this.#pending.clear();
    this.#onEnded();
  }

  /** Ends the connection when no byte moves for the idle timeout while a request waits. */
  #watch(): void {
    if (this.#pending.size <= 1) this.#moved = performance.now();
    const { idleTimeoutSeconds } = this.#options;
    if (this.#timer !== undefined && idleTimeoutSeconds >= this.#idleTimeout) return void this.#timer.ref();
    clearTimeout(this.#timer);
    this.#idleTimeout = idleTimeoutSeconds;
    const look = (): void => {
      this.#timer = undefined;
      if (this.#pending.size === 0 && this.#onHello === undefined) return;
      const left = this.#moved + idleTimeoutSeconds * 1000 - performance.now();
      if (left > 0) this.#timer = setTimeout(look, Math.ceil(left));
      else this.#fail(new IdleTimeoutError('the SFTP server', idleTimeoutSeconds));
    };
    this.#timer = setTimeout(look, idleTimeoutSeconds * 1000);
  }
}
