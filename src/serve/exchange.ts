import { Buffer } from 'node:buffer';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { systemReason } from '../errors/errors.js';
import { type HttpError, httpErrorOf, isServerFault } from './http-error.js';
import type { RequestRecord } from './request-log.js';
import { Sender } from './sender.js';
import { SlowClientGuard } from './slow-client-guard.js';
import { type Target, targetPath } from './target.js';

/** Bytes of a refused body that are read and discarded, so that the client goes on to read the response. */
const MAX_DISCARDED = 32 * 1024 * 1024;
const DISCARD_MS = 30_000;

/** One request and its response. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly clientGuard: SlowClientGuard;
  /** The client's address; `local` for a Unix socket. */
  readonly address: string;
  readonly sender: Sender;
  /** Undefined until the login; '' where the server asks for no login. */
  user: string | undefined;
  target: Target | undefined;
  /** Bytes of the body, sent or received. */
  bytes = 0;
  readonly #response: ServerResponse;
  readonly #isLast: () => boolean;
  #expectsContinue: boolean;
  readonly #began = performance.now();
  readonly #time = new Date();
  #reason = '';

  /**
   * @param idleTimeout see `SlowClientGuard`
   * @param expectsContinue whether the client waits for "100 Continue" before it sends the body
   * @param isLast whether to close the connection after the response
   */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    idleTimeout: number,
    expectsContinue: boolean,
    isLast: () => boolean,
  ) {
    this.request = request;
    this.#expectsContinue = expectsContinue;
    this.#isLast = isLast;
    this.#response = response;
    this.address = request.socket.remoteAddress ?? 'local';
    this.clientGuard = new SlowClientGuard(idleTimeout);
    this.sender = new Sender(response, this.clientGuard);
  }

  get method(): string {
    return this.request.method ?? '';
  }

  /** The path of the request without the query; undefined when the request has a whole URL, as one to a proxy has. */
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

  /** The length that the client declares for the body, if any. */
  get declaredLength(): number | undefined {
    const text = this.header('content-length');
    return text === undefined ? undefined : Number(text);
  }

  writeHead(
    status: number,
    headers: Readonly<Record<string, string | number>>,
    reason = STATUS_CODES[status] ?? '',
  ): void {
    const last = this.#isLast() && { Connection: 'close' };
    this.#response.writeHead(status, reason, { Server: 'varve', ...headers, ...last });
  }

  /** Sends a whole response without a body. */
  sendEmpty(headers: Readonly<Record<string, string | number>> = {}): void {
    this.writeHead(200, { 'Content-Length': 0, ...headers });
    this.#response.end();
  }

  /** Sends a whole response with a short text. */
  sendText(text: string, contentType: string): void {
    this.bytes = Buffer.byteLength(text);
    this.writeHead(200, { 'Content-Type': contentType, 'Content-Length': this.bytes });
    this.#response.end(text);
  }

  /** Asks the client to send the body, if it waits for that. So the client need not send a body that is refused. */
  sendContinue(): void {
    if (this.#expectsContinue) this.#response.writeContinue();
    this.#expectsContinue = false;
  }

  /** Responds with an error. @returns the error as the client gets it */
  refuse(cause: unknown): HttpError {
    const error = httpErrorOf(cause);
    this.#reason = isServerFault(cause) ? systemReason(cause) : error.message;
    if (this.#response.destroyed || this.#response.headersSent) this.#response.destroy();
    else this.#sendError(error);
    return error;
  }

  #sendError(error: HttpError): void {
    const text = `${error.message || error.reason}\n`;
    const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': Buffer.byteLength(text) };
    const last = (error.status === 408 || this.#isUnknown(error)) && { Connection: 'close' };
    this.writeHead(error.status, { ...headers, ...last, ...error.headers }, latin(error.reason));
    this.#response.end(text);
    if (error.status === 408) this.#response.once('finish', () => this.request.destroy());
    else if (!this.request.complete && !this.#expectsContinue) this.#discardBody();
  }

  /** What the log needs to know of the request. */
  record(): RequestRecord {
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
      aborted: !this.#response.writableFinished,
      userAgent: this.header('user-agent') ?? '',
    };
  }

  /** A client without a login keeps no connection open, because their number is limited. */
  #isUnknown({ status }: HttpError): boolean {
    return status === 401 && this.request.complete;
  }

  #discardBody(): void {
    const { request } = this;
    let left = MAX_DISCARDED;
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
