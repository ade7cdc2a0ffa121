// A store on a server of restic's REST protocol.
// Retries are the guards'; requests are the transport's.
import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { type Advice, type ObjectInfo, type ObjectType, objectPath, type Range, type Store } from '../store.js';
import { ServerClock } from '../transport/server-clock.js';
import { lengthOf } from './body.js';
import { LISTING_TYPE, type Listed, parseListing } from './listing.js';
import type { Credentials } from './location.js';
import { checkPart, rangeHeader } from './part.js';
import { refusal } from './refusal.js';
import { header, isSuccess, type RestAnswer, type RestRequest, type RestTransport } from './transport.js';

const BYTES = { 'content-type': 'application/octet-stream' };
/** As in restic. */
export const CONNECTIONS = 5;
/** Concurrent requests for sizes, where a list has none. */
const SIZES = 5;

/** A repository on a server of restic's REST protocol. Each request is made once. */
export class RestStore implements Store {
  readonly location: string;
  readonly connections = CONNECTIONS;
  readonly #transport: RestTransport;
  readonly #credentials: Credentials | undefined;
  readonly #clock = new ServerClock();

  constructor(location: string, transport: RestTransport, credentials?: Credentials) {
    this.location = location;
    this.#transport = transport;
    this.#credentials = credentials;
  }

  async create(): Promise<void> {
    await this.#ask(`cannot create ${this.location}`, { method: 'POST', path: '?create=true', body: [] });
  }

  async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    // Some servers overwrite silently.
    if (type === 'config' && (await this.stat(type, name)) !== undefined) throw this.#exists();
    try {
      await this.#write(type, name, parts);
    } catch (error) {
      // Other servers answer 403.
      if (!isDenied(error)) throw error;
      const there = await this.stat(type, name).catch((cause) => {
        // The object may exist, when only the answer was lost: the next attempt will show.
        if (cause instanceof VarveError && cause.retryable) throw cause;
        return undefined;
      });
      if (there === undefined) throw error;
      if (type === 'config') throw this.#exists();
      if (there.size !== lengthOf(parts)) throw this.#truncated(type, name, there.size);
    }
  }

  /** The protocol has no atomic way: the object is missing for a moment. */
  async replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await this.remove(type, name);
    await this.#write(type, name, parts, true);
  }

  async get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    if (range?.length === 0) return await this.#nothing(type, name, range.offset);
    const path = objectPath(type, name);
    const doing = `cannot read ${path} from ${this.location}`;
    const { body } = await this.#ask(doing, {
      method: 'GET',
      path,
      headers: range === undefined ? {} : rangeHeader(range),
      into: advice?.into,
      check: (head) => checkPart(head, range),
    });
    if (range !== undefined && body.length !== range.length)
      throw new VarveError('storage', `${doing}: the server sends ${body.length} bytes, asked for ${range.length}`);
    return body;
  }

  async stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    const path = objectPath(type, name);
    const doing = `cannot stat ${path} in ${this.location}`;
    const answer = await this.#ask(doing, { method: 'HEAD', path }, MISSING);
    if (answer.status === MISSING) return undefined;
    const length = header(answer, 'content-length') ?? '';
    if (!/^\d{1,15}$/.test(length)) throw new VarveError('storage', `${doing}: the server does not report its size`);
    return { name, size: Number(length) };
  }

  async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const listing = await this.#listing(type);
    for (let at = 0; at < listing.length; at += SIZES) {
      const some = listing.slice(at, at + SIZES);
      for (const info of await Promise.all(some.map((each) => this.#sized(type, each)))) {
        if (info !== undefined) yield info;
      }
    }
  }

  async remove(type: ObjectType, name: string): Promise<void> {
    const path = objectPath(type, name);
    await this.#ask(`cannot remove ${path} from ${this.location}`, { method: 'DELETE', path }, MISSING);
  }

  /** Uses this machine's clock where the server sends no time. */
  async now(): Promise<number> {
    if (this.#clock.seconds === undefined)
      await this.#ask(`cannot reach ${this.location}`, { method: 'HEAD', path: 'config' }, MISSING);
    return this.#clock.seconds ?? Date.now() / 1000;
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #write(type: ObjectType, name: string, parts: readonly Uint8Array[], goesOn = false): Promise<void> {
    const path = objectPath(type, name);
    const request: RestRequest = { method: 'POST', path, headers: BYTES, body: parts, goesOn };
    await this.#ask(`cannot write ${path} to ${this.location}`, request);
  }

  async #listing(type: ObjectType): Promise<Listed[]> {
    const doing = `cannot list ${type} of ${this.location}`;
    const since = performance.now();
    const request: RestRequest = { method: 'GET', path: `${type}/`, headers: { accept: LISTING_TYPE } };
    const answer = await this.#ask(doing, request, MISSING);
    if (answer.status !== MISSING) return about(doing, () => parseListing(answer.body));
    // rclone lists a missing directory as empty; this answer means a failure.
    if (header(answer, 'server')?.startsWith('rclone/') === true) {
      const complaint = (await this.#transport.complaint?.(since)) ?? 'rclone failed';
      throw new VarveError('storage', `${doing}: ${complaint}`, { retryable: true });
    }
    return [];
  }

  async #sized(type: ObjectType, { name, size }: Listed): Promise<ObjectInfo | undefined> {
    return size === undefined ? await this.stat(type, name) : { name, size };
  }

  /** An empty range, which HTTP cannot request. */
  async #nothing(type: ObjectType, name: string, offset: number): Promise<Buffer> {
    const there = await this.stat(type, name);
    if (there === undefined)
      throw new VarveError('not-found', `${objectPath(type, name)}: missing from ${this.location}`);
    if (offset > there.size) throw this.#truncated(type, name, there.size);
    return Buffer.alloc(0);
  }

  /**
   * @param alsoFine another status that counts as an answer
   * @throws VarveError that begins with `doing`
   */
  async #ask(doing: string, request: RestRequest, alsoFine?: number): Promise<RestAnswer> {
    const since = performance.now();
    try {
      const answer = await this.#transport.request(request);
      this.#clock.note(header(answer, 'date'));
      if (isSuccess(answer) || answer.status === alsoFine) return answer;
      const complaint = answer.status >= 500 ? await this.#transport.complaint?.(since) : undefined;
      throw refusal(answer, { method: request.method, credentials: this.#credentials, complaint });
    } catch (cause) {
      throw withAction(doing, cause);
    }
  }

  #exists(): VarveError {
    return new VarveError('exists', `config: ${this.location} already has one`);
  }

  #truncated(type: ObjectType, name: string, size: number): VarveError {
    const path = objectPath(type, name);
    return new VarveError('damaged', `${path}: truncated (${size} bytes) in ${this.location}; run \`varve check\``);
  }
}

const MISSING = 404;

const isDenied = (error: unknown): boolean => error instanceof VarveError && error.code === 'denied';

function about<Result>(doing: string, action: () => Result): Result {
  try {
    return action();
  } catch (cause) {
    throw withAction(doing, cause);
  }
}

function withAction(doing: string, cause: unknown): VarveError {
  const { code, message, retryable } = VarveError.from(cause, 'storage');
  return new VarveError(code, code === 'interrupted' ? message : `${doing}: ${message}`, { cause, retryable });
}
