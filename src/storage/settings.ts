/** How to reach a store, from the command line and the environment. */
export interface StoreSettings {
  /** The environment with credentials. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `-o NAME=VALUE`, by name: "s3.storage-class". */
  readonly extended: ReadonlyMap<string, string>;
  /** PEM file of certificates to trust instead of the system's. */
  readonly caCertificate?: string | undefined;
  /** PEM file with the certificate and private key of this client. */
  readonly clientCertificate?: string | undefined;
  /** Whether to accept any certificate, even a forged one. */
  readonly insecureTls?: boolean | undefined;
  /** The user agent; undefined for the default of the library or of varve. */
  readonly userAgent?: string | undefined;
  /** Concurrent requests; each store has its own default. */
  readonly connections?: number | undefined;
  /** Bytes a second. */
  readonly uploadLimit?: number | undefined;
  /** Bytes a second. */
  readonly downloadLimit?: number | undefined;
  /** Object Lock: seconds for which no user can remove or change a new object. */
  readonly lockSeconds?: number | undefined;
  /**
   * Idle timeout: seconds without progress after which a request is cancelled and tried again. The value at the start of a request counts.
   */
  readonly idleTimeoutSeconds: number;
  /** Seconds for which a failed request is tried again, from the first failure or from the last progress. */
  readonly retrySeconds: number;
  /**
   * Seconds for which a refused connection is tried again before the first success: then the address is wrong or no server is running.
   * Defaults to `retrySeconds`.
   */
  readonly refusedSeconds?: number | undefined;
  /** Receives messages about waiting and its reason. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Receives warnings that matter even in a successful run. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Receives a line for each request, without secrets. */
  readonly onDebug?: ((line: string) => void) | undefined;
  /** Called with true while a program may ask a question on the terminal, so that nothing overwrites the question. */
  readonly onAsking?: ((asking: boolean) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const IDLE_TIMEOUT_SECONDS = 5 * 60;
export const RETRY_SECONDS = 15 * 60;
export const REFUSED_SECONDS = 20;
