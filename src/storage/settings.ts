/** How a store is reached: what the command line and the environment say of it. */
export interface StoreSettings {
  /** Where credentials and the like are looked for. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `-o NAME=VALUE`, by name: "s3.storage-class". */
  readonly extended: ReadonlyMap<string, string>;
  /** PEM file of certificates that are trusted instead of the system's. */
  readonly caCertificate?: string | undefined;
  /** PEM file with a certificate and its private key, by which this client is known. */
  readonly clientCertificate?: string | undefined;
  /** Whether any certificate is taken, even a forged one. */
  readonly insecureTls?: boolean | undefined;
  /** What this client calls itself; undefined for what the library or varve says. */
  readonly userAgent?: string | undefined;
  /** Requests under way at a time; each store has its own default. */
  readonly connections?: number | undefined;
  /** Bytes a second. */
  readonly uploadLimit?: number | undefined;
  /** Bytes a second. */
  readonly downloadLimit?: number | undefined;
  /** Seconds for which what is written can be neither removed nor changed by anybody: Object Lock. */
  readonly lockSeconds?: number | undefined;
  /** Seconds without any progress after which a request is given up, and tried again. May change: what counts is what it is when a request is made. */
  readonly stuckSeconds: number;
  /** Seconds for which what failed is tried again, from its first failure on, or from when nothing moved any more. */
  readonly retrySeconds: number;
  /**
   * Seconds for which a refused connection is tried again while nothing has succeeded yet: then it is not a server that restarts, but a wrong
   * address or a server that is not running. As `retrySeconds` when it is not given.
   */
  readonly refusedSeconds?: number | undefined;
  /** Told what the user should know: that it waits, and for what. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Told what the user must know also of a run that goes well. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Told of each request. Never given secrets. */
  readonly onDebug?: ((line: string) => void) | undefined;
  /** Told when a program may ask the user something on the terminal, which nothing should be written over, and when it does no more. */
  readonly onAsking?: ((asking: boolean) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const STUCK_SECONDS = 5 * 60;
export const RETRY_SECONDS = 15 * 60;
export const REFUSED_SECONDS = 20;
