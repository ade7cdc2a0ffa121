import { Buffer } from 'node:buffer';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { systemReason } from '../errors/errors.js';
import { Pace } from './pace.js';
import { isServersFault, type Refusal, refusalOf } from './refusal.js';
import type { Told } from './request-log.js';
import { Sender } from './sender.js';
import { type Target, targetPath } from './target.js';

/** What is read and thrown away of a body that is refused, so that the client gets to reading the answer. */
const MOST_DISCARDED = 32 * 1024 * 1024;
const DISCARD_MS = 30_000;

/** One request and its answer. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly pace: Pace;
  /** The client's; `local` for a unix socket. */
  readonly address: string;
  readonly sender: Sender;
  /** Known from the login on; '' where nobody logs in. */
  user: string | undefined;
  target: Target | undefined;
  /** Of the body, sent or received. */
  bytes = 0;
  readonly #response: ServerResponse;
  readonly #isLast: () => boolean;
  #waits: boolean;
  readonly #began = performance.now();
  readonly #time = new Date();
  #reason = '';

  /**
   * @param waits whether the client waits to be told that it may send the body
   * @param isLast whether the connection is to end with the answer
   */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    patience: number,
    waits: boolean,
    isLast: () => boolean,
  ) {
    this.request = request;
    this.#waits = waits;
    this.#isLast = isLast;
    this.#response = response;
    this.address = request.socket.remoteAddress ?? 'local';
    this.pace = new Pace(patience);
    this.sender = new Sender(response, this.pace);
  }

  get method(): string {
    return this.request.method ?? '';
  }

  /** What the request is about, without the query; undefined where it is a whole URL, as for a proxy. */
  get path(): string | undefined {
    const [path] = (this.request.url ?? '').split('?', 1);
    return path?.startsWith('/') ? path : undefined;
  }

  get query(): URLSearchParams {
    return new URLSearchParams((this.request.url ?? '').split('?', 2)[1] ?? '');
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** The body's length, where the client tells. */
  get declaredLength(): number | undefined {
    const text = this.header('content-length');
    return text === undefined ? undefined : Number(text);
  }

  head(status: number, headers: Readonly<Record<string, string | number>>, reason = STATUS_CODES[status] ?? ''): void {
    const last = this.#isLast() && { Connection: 'close' };
    this.#response.writeHead(status, reason, { Server: 'varve', ...headers, ...last });
  }

  /** The whole of an answer without a body. */
  done(headers: Readonly<Record<string, string | number>> = {}): void {
    this.head(200, { 'Content-Length': 0, ...headers });
    this.#response.end();
  }

  /** The whole of an answer with a short text. */
  whole(text: string, contentType: string): void {
    this.bytes = Buffer.byteLength(text);
    this.head(200, { 'Content-Type': contentType, 'Content-Length': this.bytes });
    this.#response.end(text);
  }

  /** Has the client send the body, when it waits for that: so one that is refused need not be sent. */
  sendContinue(): void {
    if (this.#waits) this.#response.writeContinue();
    this.#waits = false;
  }

  /** @returns what the client is told */
  refuse(cause: unknown): Refusal {
    const refusal = refusalOf(cause);
    this.#reason = isServersFault(cause) ? systemReason(cause) : refusal.message;
    if (this.#response.destroyed || this.#response.headersSent) this.#response.destroy();
    else this.#sendRefusal(refusal);
    return refusal;
  }

  #sendRefusal(refusal: Refusal): void {
    const text = `${refusal.message || refusal.reason}\n`;
    const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': Buffer.byteLength(text) };
    const last = (refusal.status === 408 || this.#isStranger(refusal)) && { Connection: 'close' };
    this.head(refusal.status, { ...headers, ...last, ...refusal.headers }, latin(refusal.reason));
    this.#response.end(text);
    if (refusal.status === 408) this.#response.once('finish', () => this.request.destroy());
    else if (!this.request.complete && !this.#waits) this.#discardBody();
  }

  /** For the log. */
  told(): Told {
    return {
      time: this.#time,
      address: this.address,
      user: this.user,
      method: this.method,
      path: this.target === undefined ? undefined : targetPath(this.target),
      bytes: this.bytes,
      milliseconds: performance.now() - this.#began,
      status: this.#response.statusCode,
      reason: this.#reason,
      cut: !this.#response.writableFinished,
      userAgent: this.header('user-agent') ?? '',
    };
  }

  /** Strangers hold no connections, of which there are only so many. */
  #isStranger({ status }: Refusal): boolean {
    return status === 401 && this.request.complete;
  }

  #discardBody(): void {
    const { request } = this;
    let left = MOST_DISCARDED;
    const timer = setTimeout(() => request.destroy(), DISCARD_MS);
    request.on('data', (bytes: Buffer) => {
      left -= bytes.length;
      if (left < 0) request.destroy();
    });
    request.once('close', () => clearTimeout(timer));
    request.on('error', () => undefined);
  }
}

const latin = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?');
