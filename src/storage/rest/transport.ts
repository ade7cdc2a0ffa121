// The interface between the REST store and the connection to its server.
// http-transport.ts and rclone-transport.ts implement it.
import type { Buffer } from 'node:buffer';

export interface RestRequest {
  readonly method: 'HEAD' | 'GET' | 'POST' | 'DELETE';
  /** Below the repository: "data/abcd…", "data/", "?create=true". */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Unchanged until the answer. May be shared memory. */
  readonly body?: readonly Uint8Array[];
  /** Optional destination buffer for the body. */
  readonly into?: Buffer | undefined;
  /** Whether it ignores an interruption, because a removed object would not be put back. */
  readonly goesOn?: boolean;
  /** Checks an answer before its body is read, and throws to refuse it. */
  readonly check?: (head: RestHead) => void;
}

export interface RestHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface RestAnswer extends RestHead {
  /** The body in the stated length; the beginning of it for a failure. */
  readonly body: Buffer;
}

/** Sends each request of the REST protocol once to the server of a repository. */
export interface RestTransport {
  /**
   * @returns the answer, whatever its status
   * @throws VarveError when there is no whole answer; `retryable` where another attempt may get one
   */
  request(request: RestRequest): Promise<RestAnswer>;
  /** The server's messages beside its answers, since a time by performance.now(). */
  complaint?(since: number): Promise<string | undefined>;
  close(): Promise<void>;
}

export const isSuccess = ({ status }: RestHead): boolean => status >= 200 && status < 300;

/** The value of a header that appears once. */
export function header({ headers }: RestHead, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** The signal that cancels a request. A request that begins after an interruption is cleanup, and goes on. */
export function interruption(request: RestRequest, signal: AbortSignal | undefined): AbortSignal | undefined {
  return request.goesOn === true || signal?.aborted === true ? undefined : signal;
}
