// A running rclone process, spoken to over HTTP/2.
// rclone-transport.ts starts and restarts it.
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoCode, systemReason, VarveError } from '../../errors/errors.js';
import { lengthOf, receiveBody, sendBody } from '../rest/body.js';
import type { RestAnswer, RestRequest } from '../rest/transport.js';
import type { StoreSettings } from '../settings.js';
import { type Child, startChild } from '../transport/child.js';
import { IdleTimeoutError } from '../transport/idle-timeout.js';
import type { Throttles } from '../transport/throttle.js';
import { Complaints } from './complaints.js';
import type { Remote } from './remote.js';

/** The HTTP/2 window in bytes of one answer and of all. By default rclone would wait after each 64 KiB. */
const STREAM_WINDOW = 4 * 1024 * 1024;
const SESSION_WINDOW = 32 * 1024 * 1024;
/** Milliseconds until rclone's standard error has arrived too. */
const SOON = 50;
/** Milliseconds for rclone to end by itself. */
const ENDING = 2000;
/** rclone would ask for its configuration's password on the pipe of the requests. */
const ASKING = { RCLONE_ASK_PASSWORD: 'false' };

export interface RcloneParts extends Omit<Remote, 'location'> {
  readonly throttles: Throttles;
  /** Called when it takes no more requests. */
  readonly onEnd: () => void;
}

/** A running `rclone serve restic --stdio`, with HTTP/2 over its standard input and output. */
export class Rclone {
  readonly #child: Child;
  readonly #session: ClientHttp2Session;
  readonly #settings: StoreSettings;
  readonly #complaints: Complaints;
  /** The reason why the session ended. */
  #failure: unknown;

  static async start(
    command: readonly [string, ...string[]],
    settings: StoreSettings,
    { mask, environment, throttles, onEnd }: RcloneParts,
  ): Promise<Rclone> {
    const complaints = new Complaints();
    const onLine = (line: string): void => {
      const shown = complaints.add(mask(line));
      settings.onDebug?.(`rclone: ${shown}`);
    };
    const all = { environment: { ...ASKING, ...settings.environment } };
    const own = environment;
    const child = await startChild(command, all, { kind: 'rclone', own, asks: false, throttles, onLine });
    return new Rclone(child, settings, complaints, onEnd);
  }

  private constructor(child: Child, settings: StoreSettings, complaints: Complaints, onEnd: () => void) {
    this.#child = child;
    this.#settings = settings;
    this.#complaints = complaints;
    this.#session = connect('http://localhost', {
      createConnection: () => child.stream,
      settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
    });
    this.#session.once('connect', () => this.#session.setLocalWindowSize(SESSION_WINDOW));
    this.#session.on('error', (error) => {
      this.#failure ??= error;
    });
    this.#session.once('close', () => {
      onEnd();
      child.close();
    });
    void child.ended.then(() => this.#session.destroy());
  }

  get alive(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  /** Explains how it ended. */
  async howItEnded(): Promise<string> {
    const code = await Promise.race([this.#child.ended, sleep(ENDING, 'SIGTERM' as const, { ref: false })]);
    if (this.#failure instanceof IdleTimeoutError) return this.#failure.message;
    const said = this.#complaints.last;
    if (said !== undefined && performance.now() - said.at < ENDING) return `rclone ended: ${said.text}`;
    const isSignal = typeof code !== 'number';
    if (isProtocolError(this.#failure) && (isSignal || code === 0))
      return `rclone does not speak the protocol of \`serve restic --stdio\`: ${systemReason(this.#failure)}`;
    return isSignal ? `rclone was ended by ${code}` : `rclone ended with exit code ${code}`;
  }

  /** Its last complaint since a time. */
  async complaint(since: number): Promise<string | undefined> {
    await sleep(SOON);
    const said = this.#complaints.last;
    return said !== undefined && said.at >= since ? `rclone: ${said.text}` : undefined;
  }

  request(request: RestRequest, signal: AbortSignal | undefined): Promise<RestAnswer> {
    return new Promise((resolve, reject) => {
      const stream = this.#open(request, signal);
      let answered = false;
      const { idleTimeoutSeconds } = this.#settings;
      const fail = (error: unknown): void => reject(streamError(error));
      stream.setTimeout(idleTimeoutSeconds * 1000, () => {
        const idle = new IdleTimeoutError('rclone', idleTimeoutSeconds);
        // rclone must learn of the closed stream before the caller does.
        fail(idle);
        stream.close(constants.NGHTTP2_CANCEL);
        this.#endUnlessAwake(idle);
      });
      // Once there is an answer, it counts, even if sending the rest fails.
      stream.on('error', (error) => {
        if (!answered) fail(error);
      });
      stream.once('close', () => {
        if (!answered) fail(new Error('the request was cut off'));
      });
      stream.once('response', (headers) => {
        answered = true;
        const head = { status: headers[':status'] ?? 0, headers };
        receiveBody(stream, head, request)
          .then((body) => resolve({ ...head, body }), fail)
          .finally(() => stream.writableFinished || stream.close(constants.NGHTTP2_NO_ERROR));
      });
      if (request.body !== undefined) sendBody(stream, request.body).catch(fail);
    });
  }

  /** Ends an rclone that does not even answer a ping: the next attempt starts another. */
  #endUnlessAwake(idle: IdleTimeoutError): void {
    if (!this.alive) return;
    const giveUp = setTimeout(() => {
      this.#failure = idle;
      this.#session.destroy();
      this.#child.close('SIGKILL');
    }, ENDING);
    this.#session.ping(() => clearTimeout(giveUp));
    this.#session.once('close', () => clearTimeout(giveUp));
  }

  #open({ method, path, headers, body }: RestRequest, signal: AbortSignal | undefined): ClientHttp2Stream {
    return this.#session.request(
      {
        ...headers,
        ':method': method,
        ':path': `/${path}`,
        ...(body !== undefined && { 'content-length': lengthOf(body) }),
      },
      { endStream: body === undefined, ...(signal !== undefined && { signal }) },
    );
  }

  async close(): Promise<void> {
    this.#session.destroy();
    this.#child.close();
    const ended = this.#child.ended.then(() => true);
    if (await Promise.race([ended, sleep(ENDING, false, { ref: false })])) return;
    this.#child.close('SIGKILL');
    await ended;
  }
}

const isProtocolError = (cause: unknown): boolean => errnoCode(cause)?.startsWith('ERR_HTTP2') === true;

function streamError(cause: unknown): VarveError {
  if (cause instanceof VarveError) return cause;
  return new VarveError('storage', `rclone: ${systemReason(cause)}`, { cause, retryable: true });
}
