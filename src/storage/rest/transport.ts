import type { Buffer } from 'node:buffer';

export interface RestRequest {
  readonly method: 'HEAD' | 'GET' | 'POST' | 'DELETE';
  /** Below the repository: "data/abcd…", "data/", "?create=true". */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Kept unchanged until the answer. May be shared memory. */
  readonly body?: readonly Uint8Array[];
  /** Memory that the answer's body may be put into. */
  readonly room?: Buffer | undefined;
  /** Whether it goes on when the run is interrupted: what it puts back would be lost. */
  readonly goesOn?: boolean;
  /** Looks at an answer before its body is read, and throws what speaks against that. */
  readonly check?: (head: RestHead) => void;
}

export interface RestHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface RestAnswer extends RestHead {
  /** Of the length that the answer states. Of what is no success, the beginning. */
  readonly body: Buffer;
}

/** Carries requests of the REST protocol, each once, to the server of one repository. */
export interface RestTransport {
  /**
   * @returns whatever the server answers
   * @throws VarveError when there is no whole answer, `retryable` where there may be one the next time
   */
  request(request: RestRequest): Promise<RestAnswer>;
  /** What the server says besides its answers, since so many milliseconds by performance.now(). */
  complaint?(since: number): Promise<string | undefined>;
  close(): Promise<void>;
}

export const isSuccess = ({ status }: RestHead): boolean => status >= 200 && status < 300;

/** Of a header that comes once. */
export function header({ headers }: RestHead, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** What a request is given up by. What is asked for after an interruption is what remains to be done, and goes on. */
export function interruption(request: RestRequest, signal: AbortSignal | undefined): AbortSignal | undefined {
  return request.goesOn === true || signal?.aborted === true ? undefined : signal;
}
