import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { StoreSettings } from '../settings.js';
import { type Connection, missingKeys } from './client.js';
import { type About, regionIn, s3Error, statusOf, type Where } from './errors.js';

/** Requests to one bucket. Their errors are VarveErrors. */
export class S3Requests {
  readonly bucket: string;
  readonly amazon: boolean;
  readonly where: Where;
  readonly #connection: Connection;
  readonly #settings: StoreSettings;
  readonly #signal: AbortSignal | undefined;

  constructor(location: string, bucket: string, connection: Connection, settings: StoreSettings) {
    this.bucket = bucket;
    this.amazon = connection.amazon;
    this.#connection = connection;
    this.#settings = settings;
    this.#signal = settings.signal;
    const { server } = connection;
    this.where = { location, bucket, server, keys: missingKeys(settings.environment), signal: settings.signal };
  }

  /**
   * Makes one attempt, and a second one only when the answer names another region.
   *
   * @throws the SDK's error
   */
  async attempt<T>(request: (client: S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>): Promise<T> {
    const { client } = this.#connection;
    this.#connection.setIdleTimeout(this.#settings.idleTimeoutSeconds);
    // Requests that begin after an interruption are still made.
    const options = this.#signal === undefined || this.#signal.aborted ? {} : { abortSignal: this.#signal };
    try {
      return await request(client, options);
    } catch (cause) {
      const region = regionIn(cause);
      if (region === undefined || !this.#connection.switchRegion(region)) throw cause;
      return request(client, options);
    }
  }

  /** @throws VarveError */
  async send<T>(
    about: About,
    request: (client: S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.attempt(request);
    } catch (cause) {
      throw s3Error(cause, about, this.where);
    }
  }

  /** The metadata of an object; undefined when it does not exist. */
  async head(key: string, about: About): Promise<HeadObjectCommandOutput | undefined> {
    try {
      const command = new HeadObjectCommand({ Bucket: this.bucket, Key: key });
      return await this.attempt((client, options) => client.send(command, options));
    } catch (cause) {
      if (statusOf(cause) === 404) return undefined;
      throw s3Error(await this.#reason(key, cause), about, this.where);
    }
  }

  /** The answer to a HEAD has no reason; the answer to a GET has one. */
  async #reason(key: string, cause: unknown): Promise<unknown> {
    const status = statusOf(cause);
    if (status < 400 || status >= 500) return cause;
    try {
      const output = await this.attempt((client, options) =>
        client.send(new GetObjectCommand({ Bucket: this.bucket, Key: key, Range: 'bytes=0-0' }), options),
      );
      discard(output);
      return cause;
    } catch (reason) {
      return statusOf(reason) === 0 ? cause : reason;
    }
  }

  /** Whether the bucket exists; undefined when the key may not ask. */
  async hasBucket(about: About): Promise<boolean | undefined> {
    try {
      const command = new HeadBucketCommand({ Bucket: this.bucket });
      await this.attempt((client, options) => client.send(command, options));
      return true;
    } catch (cause) {
      const status = statusOf(cause);
      if (status === 404) return false;
      if (status === 403) return undefined;
      throw s3Error(cause, about, this.where);
    }
  }

  /** The time by the server's clock, or by this machine's clock without a recent answer. */
  get date(): Date {
    return new Date((this.#connection.clock.seconds ?? Date.now() / 1000) * 1000);
  }

  /** Seconds since 1970 by the server's clock. @param key of any object, which need not exist */
  async now(key: string, about: About): Promise<number> {
    const { clock } = this.#connection;
    if (clock.seconds === undefined) await this.head(key, about);
    return clock.seconds ?? Date.now() / 1000;
  }

  close(): void {
    this.#connection.close();
  }
}

function discard({ Body }: GetObjectCommandOutput): void {
  (Body as { destroy?(): void } | undefined)?.destroy?.();
}
